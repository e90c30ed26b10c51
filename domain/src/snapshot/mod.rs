//! What this process knows of products, clients and credentials: read by every call without a lock, brought up to date by
//! deltas. Maps that grow with the number of clients are cut into shards, so that a change copies a thousandth of them.

mod clients;
mod followers;
mod live;
mod node;
mod products;
mod restored;
mod rows;
mod shards;
mod signing;
mod standing;

use std::{collections::HashMap, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};
use entities::{
    enums::Environment,
    id::{ClientId, CredentialId, PlanId, PolicyId, ProductId, TeamId},
};

pub use self::{
    followers::{Ended, Follower},
    live::Live,
    restored::raise_revision,
    standing::standing,
};
use self::{shards::Sharded, signing::Signing};
use crate::{
    key_sets::KeySets,
    rules::{
        credential::Lookup,
        jose::{KeySet, SigningKey},
        key_source::KeySource,
        limits::Limits,
        view::{Client, Moment, Product, Team, View, place},
    },
};

#[derive(Debug)]
pub struct Snapshot {
    catalog: ArcSwap<Catalog>,
    clients: Sharded<ClientId, Arc<Client>>,
    /// The client, and the place of the credential among its credentials.
    keys: Sharded<Lookup, (ClientId, u32)>,
    /// The same of credentials whose id is an OAuth client id.
    oauth: Sharded<CredentialId, (ClientId, u32)>,
    teams: Sharded<TeamId, Arc<Team>>,
    key_sets: Arc<KeySets>,
}

/// What there are few of: copied whole when one changes.
#[derive(Debug, Default, Clone)]
struct Catalog {
    products: HashMap<ProductId, Arc<Product>>,
    by_base_path: HashMap<Box<str>, Arc<Product>>,
    /// Enabled ones.
    policies: HashMap<PolicyId, Limits>,
    plans: HashMap<PlanId, [Limits; 2]>,
    /// After how long without confirmation calls are refused; `None`: never.
    fails_closed_after: Option<Duration>,
    signing: Signing,
}

/// How much a snapshot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub products: usize,
    pub clients: usize,
    /// API keys; other credentials are found by their client.
    pub keys: usize,
}

impl Snapshot {
    fn new(key_sets: Arc<KeySets>) -> Self {
        let (catalog, clients, keys) = (ArcSwap::default(), Sharded::default(), Sharded::default());
        Self { catalog, clients, keys, oauth: Sharded::default(), teams: Sharded::default(), key_sets }
    }

    pub fn size(&self) -> Size {
        Size { products: self.catalog.load().products.len(), clients: self.clients.len(), keys: self.keys.len() }
    }
}

impl Snapshot {
    /// The key that access tokens are signed with at this moment; `None` before there is one.
    pub fn signing_key(&self, now: Moment) -> Option<Arc<SigningKey>> {
        self.catalog.load().signing.at(now)
    }
}

impl Catalog {
    fn put_product(&mut self, id: ProductId, product: Option<Arc<Product>>) {
        if let Some(old) = self.products.remove(&id)
            && self.by_base_path.get(&old.base_path).is_some_and(|there| there.id == id)
        {
            self.by_base_path.remove(&old.base_path);
        }
        if let Some(product) = product {
            self.by_base_path.insert(product.base_path.clone(), product.clone());
            self.products.insert(id, product);
        }
    }
}

impl View for Snapshot {
    fn product(&self, base_path: &str) -> Option<Arc<Product>> {
        self.catalog.load().by_base_path.get(base_path).cloned()
    }

    fn client(&self, id: ClientId) -> Option<Arc<Client>> {
        self.clients.get(&id)
    }

    fn key(&self, lookup: &Lookup) -> Option<(ClientId, u32)> {
        self.keys.get(lookup)
    }

    fn oauth_client(&self, id: CredentialId) -> Option<(ClientId, u32)> {
        self.oauth.get(&id)
    }

    fn token_keys(&self) -> KeySet {
        self.catalog.load().signing.public.clone()
    }

    fn outside_keys(&self, source: &KeySource, now: DateTime<Utc>) -> Option<KeySet> {
        self.key_sets.get(source, now)
    }

    fn products(&self) -> Vec<Arc<Product>> {
        self.catalog.load().products.values().cloned().collect()
    }

    fn team(&self, id: TeamId) -> Option<Arc<Team>> {
        self.teams.get(&id)
    }

    fn policy(&self, id: PolicyId) -> Option<Limits> {
        self.catalog.load().policies.get(&id).copied()
    }

    fn plan(&self, id: PlanId, environment: Environment) -> Limits {
        self.catalog.load().plans.get(&id).map_or(Limits::UNLIMITED, |limits| limits[place(environment)])
    }
}
