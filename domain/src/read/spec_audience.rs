//! Who is to be told of a new version: the teams that hold its product, and of what it breaks, what each really called.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use entities::{
    assignment, client, endpoint,
    enums::{Environment, TeamStatus},
    id::{EndpointId, ProductId, RequestLogId, SpecVersionId, TeamId},
    request_log, spec_changes, spec_version, subscription, team,
};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QuerySelect, QueryTrait};

use super::request_log::{SLACK, first_id};
use crate::{
    Domain, DomainError, Result,
    rules::{
        spec_changes::{identity, name},
        subscription::FINAL,
    },
};

/// How far back calls are looked for, where the log goes so far.
pub const LOOKED_BACK: TimeDelta = TimeDelta::days(90);

/// A new version and those whom it concerns.
#[derive(Debug, Clone, PartialEq)]
pub struct SpecAudience {
    pub spec: spec_version::Model,
    /// What the version was compared with. Its `served_by` says where it is served still: there nothing breaks yet.
    pub previous: Option<spec_version::Model>,
    pub teams: Vec<TeamConcerned>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct TeamConcerned {
    pub team: TeamId,
    /// The broken operations that the team called, most called first; empty: it is told of the version alone.
    pub called: Vec<CalledOperation>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct CalledOperation {
    /// As [`name`] writes it.
    pub operation: String,
    /// What breaks, a sentence each.
    pub broken: Vec<String>,
    pub calls: u64,
    pub last_called_at: DateTime<Utc>,
}

/// For jobs: it is not scoped to a viewer. Calls of environments whose log goes elsewhere are not known, nor refused ones counted.
pub async fn of(ctx: &Domain, id: SpecVersionId) -> Result<SpecAudience> {
    let spec = spec_version::Entity::find_by_id(id).one(&ctx.db).await?.ok_or(DomainError::NotFound("version"))?;
    let compared = spec_changes::Entity::find_by_id(id).one(&ctx.db).await?;
    let previous = match compared.and_then(|row| row.previous_id) {
        Some(previous) => spec_version::Entity::find_by_id(previous).one(&ctx.db).await?,
        None => None,
    };
    let broken = broken(ctx, id).await?;
    let mut called = match &previous {
        Some(previous) if !broken.is_empty() => called(ctx, previous, &broken).await?,
        _ => HashMap::new(),
    };
    let teams = holders(ctx, spec.product_id).await?.into_iter();
    let teams = teams.map(|team| TeamConcerned { team, called: called.remove(&team).unwrap_or_default() }).collect();
    Ok(SpecAudience { spec, previous, teams })
}

/// A broken operation's name and what is said of it.
type Broken = HashMap<String, (String, Vec<String>)>;

async fn broken(ctx: &Domain, id: SpecVersionId) -> Result<Broken> {
    let changes = super::spec_changes::of_specs(ctx, false, &[id]).await?.remove(&id).unwrap_or_default();
    let mut broken = Broken::new();
    for change in changes.into_iter().filter(|change| change.breaking) {
        if let Some(operation) = change.operation {
            broken.entry(identity(&operation)).or_insert_with(|| (operation, Vec::new())).1.push(change.text);
        }
    }
    Ok(broken)
}

/// Active teams that the product is on a client of, or can be.
async fn holders(ctx: &Domain, product: ProductId) -> Result<Vec<TeamId>> {
    use assignment::Column as A;
    use subscription::Column as S;
    use team::Column as T;
    let held = subscription::Entity::find().filter(S::ProductId.eq(product)).filter(S::Status.is_not_in(FINAL));
    let by_hand = |column: A| {
        let assigned = assignment::Entity::find().filter(A::ProductId.eq(product)).filter(A::SubscriptionId.is_null());
        assigned.filter(column.is_not_null()).select_only().column(column).into_query()
    };
    let clients = client::Entity::find().filter(client::Column::Id.in_subquery(by_hand(A::ClientId)));
    let any = Condition::any()
        .add(T::Id.in_subquery(held.select_only().column(S::TeamId).into_query()))
        .add(T::Id.in_subquery(by_hand(A::TeamId)))
        .add(T::Id.in_subquery(clients.select_only().column(client::Column::TeamId).into_query()))
        .add(T::TierId.in_subquery(by_hand(A::TierId)));
    let teams = team::Entity::find().filter(T::Status.eq(TeamStatus::Active)).filter(any);
    let found: BTreeSet<TeamId> = teams.select_only().column(T::Id).into_tuple().all(&ctx.db).await?.into_iter().collect();
    Ok(found.into_iter().collect())
}

/// What each team called of the broken operations under the path prefix of the version before.
async fn called(ctx: &Domain, previous: &spec_version::Model, broken: &Broken) -> Result<HashMap<TeamId, Vec<CalledOperation>>> {
    use request_log::Column as L;
    let endpoints = endpoints(ctx, previous, broken).await?;
    let from = ctx.now() - LOOKED_BACK;
    let rows: Vec<(TeamId, EndpointId, i64, DateTime<Utc>)> = request_log::Entity::find()
        .filter(L::ProductId.eq(previous.product_id))
        .filter(L::Id.gte(RequestLogId(first_id(from - SLACK))))
        .filter(L::At.gte(from))
        .filter(L::Denial.is_null())
        .filter(L::TeamId.is_not_null())
        .filter(L::EndpointId.is_not_null())
        .select_only()
        .columns([L::TeamId, L::EndpointId])
        .column_as(L::Id.count(), "calls")
        .column_as(L::At.max(), "last")
        .group_by(L::TeamId)
        .group_by(L::EndpointId)
        .into_tuple()
        .all(&ctx.db)
        .await?;
    let mut by_team: HashMap<TeamId, BTreeMap<&str, CalledOperation>> = HashMap::new();
    for (team, endpoint, calls, last) in rows {
        let Some((key, (operation, texts))) = endpoints.get(&endpoint).and_then(|key| broken.get_key_value(key)) else {
            continue;
        };
        let found = by_team.entry(team).or_default().entry(key).or_insert_with(|| CalledOperation {
            operation: operation.clone(),
            broken: texts.clone(),
            calls: 0,
            last_called_at: last,
        });
        found.calls += u64::try_from(calls).unwrap_or_default();
        found.last_called_at = found.last_called_at.max(last);
    }
    let sorted = |operations: BTreeMap<&str, CalledOperation>| {
        let mut list: Vec<_> = operations.into_values().collect();
        list.sort_by_key(|operation| std::cmp::Reverse(operation.calls));
        list
    };
    Ok(by_team.into_iter().map(|(team, operations)| (team, sorted(operations))).collect())
}

/// The endpoints that stood for broken operations, in this version and those before it under its prefix.
async fn endpoints(ctx: &Domain, previous: &spec_version::Model, broken: &Broken) -> Result<HashMap<EndpointId, String>> {
    use endpoint::Column as E;
    use spec_version::Column as V;
    let versions = spec_version::Entity::find()
        .filter(V::ProductId.eq(previous.product_id))
        .filter(V::PathPrefix.eq(&previous.path_prefix))
        .filter(V::Id.lte(previous.id));
    let rows: Vec<(EndpointId, String, String)> = endpoint::Entity::find()
        .filter(E::SpecId.in_subquery(versions.select_only().column(V::Id).into_query()))
        .select_only()
        .columns([E::Id, E::Method, E::DocumentPath])
        .into_tuple()
        .all(&ctx.db)
        .await?;
    let named = rows.into_iter().map(|(id, method, path)| (id, identity(&name(&method, &path))));
    Ok(named.filter(|(_, key)| broken.contains_key(key)).collect())
}

impl SpecAudience {
    /// Where the version before is still served.
    pub fn still_served_by(&self) -> &[Environment] {
        self.previous.as_ref().map_or(&[], |previous| &previous.served_by)
    }
}
