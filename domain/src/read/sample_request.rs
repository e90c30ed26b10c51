//! A first call for each profile, against a product and an endpoint that are really there.

use std::collections::{BTreeSet, HashMap, HashSet};

use entities::{
    client, endpoint,
    enums::{EndpointStatus, Environment, SpecStatus},
    id::{ClientId, CredentialId, ProductId, ProfileId, SpecVersionId},
    plan, product, profile, scope_grant, spec_version, subscription,
};
use sea_orm::{
    ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    sea_query::{Asterisk, Query, UnionType},
};

use super::{assignments::by_hand, clients::products_of, scopes::counts_in};
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

/// Where the instance is reached, without trailing slashes.
#[derive(Debug, Clone, Copy)]
pub struct Places<'a> {
    pub gateway_url: &'a str,
    pub base_url: &'a str,
}

/// The curl line for a profile. `issued`: a credential and its secret; `None` leaves placeholders.
pub fn curl(places: Places<'_>, profile: &profile::Model, target: &Target, issued: Option<(CredentialId, &str)>) -> String {
    let credential = issued.map(|(id, _)| id.to_string());
    sample_request::curl(&Facts {
        gateway_url: places.gateway_url,
        token_endpoint: &format!("{}/oauth2/token", places.base_url),
        credential: credential.as_deref(),
        base_path: target.base_path.as_deref(),
        endpoint: target.endpoint.as_ref().map(|(method, path)| (method.as_str(), path.as_str())),
        auth_method: profile.auth_method,
        client: &profile.client_id.to_string(),
        profile: &profile.name,
        secret: issued.map(|(_, secret)| secret),
    })
}

/// Where calls of these profiles can go: one product and, where it has one, an endpoint that the profile may call.
pub async fn targets(ctx: &Domain, ids: &[ProfileId]) -> Result<HashMap<ProfileId, Target>> {
    let profiles = profile::Entity::find().filter(profile::Column::Id.is_in(ids.iter().map(|id| id.0))).all(&ctx.db).await?;
    let clients: Vec<ClientId> = profiles.iter().map(|p| p.client_id).collect();
    let products = products_of(ctx, &clients).await?;
    let first = |profile: &profile::Model| products.get(&profile.client_id).and_then(|list| list.first());
    let specs = specs(ctx, profiles.iter().filter_map(first)).await?;
    let spec = |profile: &profile::Model| {
        let of_product = specs.iter().filter(|spec| first(profile).is_some_and(|product| product.id == spec.product_id));
        of_product.into_iter().find(|spec| spec.served_by.contains(&profile.environment)).map(|spec| spec.id)
    };
    let endpoints = endpoints(ctx, profiles.iter().filter_map(spec).collect()).await?;
    let to = profiles.iter().filter_map(|profile| Some((profile.client_id, first(profile)?.id))).collect();
    let scopes = scopes(ctx, &to).await?;
    let target = |profile: &profile::Model| Target {
        base_path: first(profile).map(|product| product.base_path.clone()),
        endpoint: spec(profile).and_then(|spec| {
            let held = scopes.get(&(profile.client_id, profile.environment));
            pick(endpoints.iter().filter(|e| e.spec_id == spec), profile, held)
        }),
    };
    Ok(profiles.iter().map(|profile| (profile.id, target(profile))).collect())
}

/// The first that the profile may call: one whose scopes it holds before others, a GET before others, one without parameters before
/// others. `held`: the scopes, where they are known.
fn pick<'a>(
    endpoints: impl Iterator<Item = &'a endpoint::Model>,
    profile: &profile::Model,
    held: Option<&HashSet<String>>,
) -> Option<(String, String)> {
    let allowed = |e: &&endpoint::Model| profile.allowed_methods.is_empty() || profile.allowed_methods.contains(&e.method);
    let suffices = |set: &Vec<String>| held.is_none_or(|held| set.iter().all(|scope| held.contains(scope)));
    let lacks = |e: &endpoint::Model| !e.scopes.is_empty() && !e.scopes.iter().any(suffices);
    let best = endpoints.filter(allowed).min_by_key(|e| (lacks(e), e.method != "GET", e.path.contains('{'), e.position))?;
    Some((best.method.clone(), best.path.clone()))
}

/// What each of these clients holds of a product's scopes: what its subscription to that product was granted, in the environments
/// that the plan names for it, or else what assignments by hand name; none: all of them.
async fn scopes(ctx: &Domain, to: &HashMap<ClientId, ProductId>) -> Result<HashMap<(ClientId, Environment), HashSet<String>>> {
    let own = client::Entity::find().filter(client::Column::Id.is_in(to.keys().map(|id| id.0))).all(&ctx.db).await?;
    let ids: Vec<_> = own.iter().filter_map(|client| client.subscription_id).map(|id| id.0).collect();
    let held = subscription::Entity::find().filter(subscription::Column::Id.is_in(ids.clone())).all(&ctx.db).await?;
    let plans = plan::Entity::find().filter(plan::Column::Id.is_in(held.iter().map(|held| held.plan_id.0))).all(&ctx.db).await?;
    let grants = scope_grant::Entity::find().filter(scope_grant::Column::SubscriptionId.is_in(ids)).all(&ctx.db).await?;
    let mut scopes = HashMap::new();
    let mut others = Vec::new();
    for client in own {
        let product = to.get(&client.id);
        let subscribed = held.iter().find(|held| Some(held.id) == client.subscription_id && Some(&held.product_id) == product);
        let Some(held) = subscribed else {
            others.push(client);
            continue;
        };
        let Some(plan) = plans.iter().find(|plan| plan.id == held.plan_id) else { continue };
        for environment in Environment::ALL {
            let here = grants.iter().filter(|grant| grant.subscription_id == held.id).map(|grant| grant.scope.clone());
            let here = here.filter(|scope| counts_in(plan, scope, environment));
            scopes.insert((client.id, environment), here.collect());
        }
    }
    if others.is_empty() {
        return Ok(scopes);
    }
    for ((client, product), named) in by_hand(&ctx.db, &others).await? {
        let Some(named) = named.filter(|_| to.get(&client) == Some(&product)) else { continue };
        let named: HashSet<String> = named.into_iter().collect();
        scopes.extend(Environment::ALL.map(|environment| ((client, environment), named.clone())));
    }
    Ok(scopes)
}

/// Versions of these products that may be served, newest first.
async fn specs<'a>(ctx: &Domain, of: impl Iterator<Item = &'a product::Model>) -> Result<Vec<spec_version::Model>> {
    let specs = spec_version::Entity::find()
        .filter(spec_version::Column::ProductId.is_in(of.map(|product| product.id.0)))
        .filter(spec_version::Column::Status.ne(SpecStatus::Retired))
        .order_by_desc(spec_version::Column::Id);
    Ok(specs.all(&ctx.db).await?)
}

/// The first published ones of each version, in one statement.
async fn endpoints(ctx: &Domain, of: BTreeSet<SpecVersionId>) -> Result<Vec<endpoint::Model>> {
    let some = |spec: SpecVersionId| {
        let published = endpoint::Entity::find()
            .filter(endpoint::Column::SpecId.eq(spec))
            .filter(endpoint::Column::Status.eq(EndpointStatus::Published))
            .order_by_asc(endpoint::Column::Position)
            .limit(LOOKED_AT);
        // An order and a limit need a query of their own inside a union.
        Query::select().column(Asterisk).from_subquery(published.into_query(), "published").take()
    };
    let all = of.into_iter().map(some).reduce(|mut all, more| all.union(UnionType::All, more).take());
    let Some(all) = all else { return Ok(Vec::new()) };
    let statement = ctx.db.get_database_backend().build(&all);
    Ok(endpoint::Entity::find().from_raw_sql(statement).all(&ctx.db).await?)
}
