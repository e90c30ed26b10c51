//! Products with their environments and endpoints, and the limits of plans and policies.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use entities::{
    assignment,
    columns::{HeaderContent, Strings},
    endpoint,
    enums::{Backend, EndpointStatus, Environment, ProductStatus, SpecStatus},
    id::{EndpointId, PlanId, PolicyId, ProductId, SpecVersionId, TierId},
    plan_environment, policy, portal, product, product_environment, spec_version,
};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};

use super::{clients::Which, rows::Interner};
use crate::{
    keyring::{Keyring, Purpose},
    rules::{
        cors::Origins,
        limits::Limits,
        method::Method,
        routes::{Endpoint, Routes},
        view::{Product, Scopes, Upstream, place},
    },
};

fn limited<E: EntityTrait, C: ColumnTrait, T: Copy + Into<sea_orm::Value>>(
    which: Which<'_, T>,
    column: C,
    all: Select<E>,
) -> Select<E> {
    match which {
        Which::All => all,
        Which::Only(ids) => all.filter(column.is_in(ids.iter().copied())),
    }
}

struct EndpointRow {
    method: String,
    template: String,
    published: bool,
    id: EndpointId,
    scopes: Box<[Scopes]>,
}

/// The products that are there, with what gateways need of them.
pub(super) async fn products(
    db: &impl ConnectionTrait,
    keys: &Keyring,
    which: Which<'_, ProductId>,
    shared: &mut Interner,
) -> Result<Vec<Product>, DbErr> {
    let rows: Vec<(ProductId, String, bool, ProductStatus)> = limited(which, product::Column::Id, product::Entity::find())
        .select_only()
        .columns([product::Column::Id, product::Column::BasePath, product::Column::EncodedSlashes, product::Column::Status])
        .into_tuple()
        .all(db)
        .await?;
    let mut environments = grouped(
        limited(which, product_environment::Column::ProductId, product_environment::Entity::find()).all(db).await?,
        |row| row.product_id,
    );
    let mut specs = grouped(specs(db, which).await?, |row| row.product_id);
    let mut tiers = grouped(tiers(db, which).await?, |(product, ..)| *product);
    let mut endpoints = endpoints(db, which, shared).await?;
    let products = rows.into_iter().map(|(id, base_path, encoded_slashes, status)| {
        let routes = routes(&specs.remove(&id).unwrap_or_default(), &mut endpoints);
        let tiers = tiers.remove(&id).unwrap_or_default().into_iter();
        Product {
            id,
            base_path: base_path.into(),
            encoded_slashes,
            callable: matches!(status, ProductStatus::Published | ProductStatus::Deprecated),
            tiers: tiers.map(|(_, tier, scopes)| (tier, scopes.map(|scopes| shared.scopes(scopes.0)))).collect(),
            scopes: all_scopes(&routes),
            upstreams: upstreams(keys, environments.remove(&id).unwrap_or_default()),
            routes,
        }
    });
    Ok(products.collect())
}

fn grouped<T, K: Eq + std::hash::Hash>(rows: Vec<T>, key: impl Fn(&T) -> K) -> HashMap<K, Vec<T>> {
    let mut groups: HashMap<K, Vec<T>> = HashMap::new();
    for row in rows {
        groups.entry(key(&row)).or_default().push(row);
    }
    groups
}

/// Versions that calls can reach: the current one first, then the newest, so that it wins where two define the same endpoint.
async fn specs(db: &impl ConnectionTrait, which: Which<'_, ProductId>) -> Result<Vec<spec_version::Model>, DbErr> {
    let mut specs = limited(which, spec_version::Column::ProductId, spec_version::Entity::find())
        .filter(spec_version::Column::Status.ne(SpecStatus::Retired))
        .order_by_desc(spec_version::Column::PublishedAt)
        .order_by_desc(spec_version::Column::Id)
        .all(db)
        .await?;
    specs.sort_by_key(|spec| spec.status != SpecStatus::Current);
    Ok(specs)
}

async fn tiers(
    db: &impl ConnectionTrait,
    which: Which<'_, ProductId>,
) -> Result<Vec<(ProductId, TierId, Option<Strings>)>, DbErr> {
    limited(which, assignment::Column::ProductId, assignment::Entity::find())
        .filter(assignment::Column::TierId.is_not_null())
        .select_only()
        .columns([assignment::Column::ProductId, assignment::Column::TierId, assignment::Column::Scopes])
        .into_tuple()
        .all(db)
        .await
}

async fn endpoints(
    db: &impl ConnectionTrait,
    which: Which<'_, ProductId>,
    shared: &mut Interner,
) -> Result<HashMap<SpecVersionId, Vec<EndpointRow>>, DbErr> {
    use endpoint::Column as E;
    type Row = (SpecVersionId, EndpointId, String, String, entities::columns::ScopeAlternatives, EndpointStatus);
    let rows: Vec<Row> = limited(which, E::ProductId, endpoint::Entity::find())
        .select_only()
        .columns([E::SpecId, E::Id, E::Method, E::Path, E::Scopes, E::Status])
        .order_by_asc(E::Position)
        .into_tuple()
        .all(db)
        .await?;
    let mut by_spec: HashMap<SpecVersionId, Vec<EndpointRow>> = HashMap::new();
    for (spec, id, method, template, scopes, status) in rows {
        let scopes = scopes.0.into_iter().map(|set| shared.scopes(set)).collect();
        let published = status == EndpointStatus::Published;
        by_spec.entry(spec).or_default().push(EndpointRow { method, template, published, id, scopes });
    }
    Ok(by_spec)
}

/// What the endpoints that are served ask for.
fn all_scopes(routes: &[Arc<Routes>; 2]) -> Scopes {
    let endpoints = routes.iter().flat_map(|routes| routes.endpoints());
    let scopes = endpoints.flat_map(|(_, endpoint)| endpoint.scopes.iter().flat_map(|set| set.iter().cloned()));
    scopes.collect::<BTreeSet<_>>().into_iter().collect()
}

/// One trie for both environments where they serve the same versions.
fn routes(specs: &[spec_version::Model], endpoints: &mut HashMap<SpecVersionId, Vec<EndpointRow>>) -> [Arc<Routes>; 2] {
    let served = |environment| -> Vec<SpecVersionId> {
        specs.iter().filter(|spec| spec.served_by.contains(&environment)).map(|spec| spec.id).collect()
    };
    let build = |versions: &[SpecVersionId]| {
        let mut routes = Routes::default();
        for row in versions.iter().filter_map(|spec| endpoints.get(spec)).flatten() {
            match Method::parse(&row.method.to_ascii_uppercase()).filter(|_| row.published) {
                Some(method) => routes.add(Endpoint {
                    id: row.id,
                    method,
                    template: row.template.as_str().into(),
                    scopes: row.scopes.clone(),
                }),
                None => routes.block(&row.template),
            }
        }
        Arc::new(routes)
    };
    let [sandbox, production] = Environment::ALL.map(served);
    let first = build(&sandbox);
    let second = if sandbox == production { first.clone() } else { build(&production) };
    [first, second]
}

/// An environment whose address or secret headers cannot be read is left out: better no call than one without its headers.
fn upstreams(keys: &Keyring, rows: Vec<product_environment::Model>) -> [Option<Upstream>; 2] {
    let mut upstreams = [None, None];
    for row in rows {
        let (at, environment, product) = (place(row.environment), row.environment, row.product_id);
        match upstream(keys, row) {
            Ok(upstream) => upstreams[at] = Some(upstream),
            Err(error) => {
                tracing::error!(product.id = %product, ?environment, error, "an upstream cannot be used");
            }
        }
    }
    upstreams
}

fn upstream(keys: &Keyring, row: product_environment::Model) -> Result<Upstream, String> {
    let timeout = Duration::from_millis(u64::try_from(row.timeout_ms).unwrap_or(0));
    let (backend, log_sink, origins) = (row.backend, row.log_sink, Origins::of(&row.allowed_origins));
    if backend == Backend::Mock {
        return Ok(Upstream { backend, url: None, headers: Box::default(), timeout, log_sink, origins });
    }
    let url = row.upstream_url.map(|url| url.parse()).transpose().map_err(|_| "its address is not a URL".to_owned())?;
    let open = |content| match content {
        HeaderContent::Plain(value) => Ok(value.into()),
        HeaderContent::Sealed(sealed) => keys.open(Purpose::UpstreamHeader, &sealed).map_err(|e| e.to_string()),
    };
    let headers = row.headers.0.into_iter().map(|header| Ok((header.name.into(), open(header.value)?)));
    Ok(Upstream { backend, url, headers: headers.collect::<Result<_, String>>()?, timeout, log_sink, origins })
}

/// What plans say of their environments.
pub(super) async fn plans(db: &impl ConnectionTrait, which: Which<'_, PlanId>) -> Result<HashMap<PlanId, [Limits; 2]>, DbErr> {
    let rows = limited(which, plan_environment::Column::PlanId, plan_environment::Entity::find()).all(db).await?;
    let mut plans: HashMap<PlanId, [Limits; 2]> = HashMap::new();
    for row in rows {
        let limits = Limits::from_columns((row.rate_requests, row.rate_window), (row.quota_requests, row.quota_period));
        plans.entry(row.plan_id).or_default()[place(row.environment)] = limits;
    }
    Ok(plans)
}

/// After how long without confirmation gateways refuse calls; `None`: they serve on.
pub(super) async fn fails_closed_after(db: &impl ConnectionTrait) -> Result<Option<Duration>, DbErr> {
    let portal = portal::Entity::find_by_id(1).one(db).await?;
    let closed = portal.filter(|portal| portal.gateway_fail_closed);
    Ok(closed.map(|portal| Duration::from_secs(portal.gateway_stale_seconds.unsigned_abs().into())))
}

/// The policies that are enabled.
pub(super) async fn policies(db: &impl ConnectionTrait, which: Which<'_, PolicyId>) -> Result<HashMap<PolicyId, Limits>, DbErr> {
    let rows =
        limited(which, policy::Column::Id, policy::Entity::find()).filter(policy::Column::Enabled.eq(true)).all(db).await?;
    let limits =
        |row: &policy::Model| Limits::from_columns((row.rate_requests, row.rate_window), (row.quota_requests, row.quota_period));
    Ok(rows.iter().map(|row| (row.id, limits(row))).collect())
}
