//! A first call for each profile, against a product and an endpoint that are really there.

use std::collections::{HashMap, hash_map::Entry};

use entities::{
    endpoint,
    enums::{EndpointStatus, Environment, SpecStatus},
    id::{ClientId, ProductId, ProfileId},
    product, profile, spec_version,
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::clients::products_of;
use crate::{
    Domain, Result,
    rules::sample_request::{self, Facts},
};

/// Endpoints that are looked at for one without parameters.
const LOOKED_AT: u64 = 50;

/// What a profile's calls can go to.
#[derive(Debug, Clone, Default)]
pub struct Target {
    base_path: Option<String>,
    /// Method and path.
    endpoint: Option<(String, String)>,
}

/// The curl line for a profile. `secret`: `None` leaves a placeholder.
pub fn curl(gateway_url: &str, profile: &profile::Model, target: &Target, secret: Option<&str>) -> String {
    sample_request::curl(&Facts {
        gateway_url,
        base_path: target.base_path.as_deref(),
        endpoint: target.endpoint.as_ref().map(|(method, path)| (method.as_str(), path.as_str())),
        auth_method: profile.auth_method,
        client: &profile.client_id.to_string(),
        profile: &profile.name,
        secret,
    })
}

/// Where calls of these profiles can go: one product and, where it has one, an endpoint that the profile may call.
pub async fn targets(ctx: &Domain, ids: &[ProfileId]) -> Result<HashMap<ProfileId, Target>> {
    let profiles = profile::Entity::find().filter(profile::Column::Id.is_in(ids.iter().map(|id| id.0))).all(&ctx.db).await?;
    let clients: Vec<ClientId> = profiles.iter().map(|p| p.client_id).collect();
    let products = products_of(ctx, &clients).await?;
    let first = |profile: &profile::Model| products.get(&profile.client_id).and_then(|list| list.first());
    let mut found: HashMap<(ProductId, Environment), Vec<endpoint::Model>> = HashMap::new();
    let mut targets = HashMap::new();
    for profile in &profiles {
        let Some(product) = first(profile) else {
            targets.insert(profile.id, Target::default());
            continue;
        };
        let list = match found.entry((product.id, profile.environment)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(endpoints(ctx, product, profile.environment).await?),
        };
        let endpoint = pick(list, profile);
        targets.insert(profile.id, Target { base_path: Some(product.base_path.clone()), endpoint });
    }
    Ok(targets)
}

/// The first that the profile may call: a GET before others, one without parameters before others.
fn pick(endpoints: &[endpoint::Model], profile: &profile::Model) -> Option<(String, String)> {
    let allowed = |e: &&endpoint::Model| profile.allowed_methods.is_empty() || profile.allowed_methods.contains(&e.method);
    let best = endpoints.iter().filter(allowed).min_by_key(|e| (e.method != "GET", e.path.contains('{'), e.position))?;
    Some((best.method.clone(), best.path.clone()))
}

async fn endpoints(ctx: &Domain, product: &product::Model, environment: Environment) -> Result<Vec<endpoint::Model>> {
    let specs = spec_version::Entity::find()
        .filter(spec_version::Column::ProductId.eq(product.id))
        .filter(spec_version::Column::Status.ne(SpecStatus::Retired))
        .order_by_desc(spec_version::Column::Id)
        .all(&ctx.db)
        .await?;
    let Some(spec) = specs.iter().find(|spec| spec.served_by.contains(&environment)) else { return Ok(Vec::new()) };
    let published = endpoint::Entity::find()
        .filter(endpoint::Column::ProductId.eq(product.id))
        .filter(endpoint::Column::SpecId.eq(spec.id))
        .filter(endpoint::Column::Status.eq(EndpointStatus::Published))
        .order_by_asc(endpoint::Column::Position)
        .limit(LOOKED_AT);
    Ok(published.all(&ctx.db).await?)
}
