//! What this process knows of products, clients and credentials: read by every call without a lock, brought up to date by
//! deltas. Maps that grow with the number of clients are cut into shards, so that a change copies a thousandth of them.

mod clients;
mod live;
mod products;
mod rows;
mod shards;

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use entities::{
    enums::Environment,
    id::{ClientId, PlanId, PolicyId, ProductId, TeamId},
};

pub use self::live::Live;
use self::shards::Sharded;
use crate::rules::{
    credential::Lookup,
    limits::Limits,
    view::{Client, Product, Team, View, place},
};

#[derive(Debug, Default)]
pub struct Snapshot {
    catalog: ArcSwap<Catalog>,
    clients: Sharded<ClientId, Arc<Client>>,
    /// The client, and the place of the credential among its credentials.
    keys: Sharded<Lookup, (ClientId, u32)>,
    teams: Sharded<TeamId, Arc<Team>>,
}

/// What there are few of: copied whole when one changes.
#[derive(Debug, Default, Clone)]
struct Catalog {
    products: HashMap<ProductId, Arc<Product>>,
    by_base_path: HashMap<Box<str>, Arc<Product>>,
    /// Enabled ones.
    policies: HashMap<PolicyId, Limits>,
    plans: HashMap<PlanId, [Limits; 2]>,
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
    pub fn size(&self) -> Size {
        Size { products: self.catalog.load().products.len(), clients: self.clients.len(), keys: self.keys.len() }
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
