//! What an ended client has used counts for the one that its team gets next for the same product: by cancelling, no quota is had
//! anew.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use entities::{
    client,
    enums::{Environment, QuotaPeriod, SubscriptionStatus},
    id::ClientId,
    quota_window::{Column, Entity, Model},
    subscription,
};
use sea_orm::{
    ColumnTrait, EntityTrait, IntoActiveModel, Iterable, QueryFilter, QueryOrder, QuerySelect, QueryTrait, sea_query::Expr,
};

use super::{Window, rows};
use crate::{
    Result, Tx,
    rules::{
        quota::{period_at, used},
        subscription::is_final,
    },
};

/// A period's window, and the calls that were leased in it.
type Leased = (QuotaPeriod, DateTime<Utc>, i64);

/// Lets a subscription's new client begin with what ended clients of its team and product used in the running periods, in each
/// environment. What a client used is inherited once, and by way of its heir again. Gateways that still hold leases of an ended
/// client may spend them, as they are counted; what they give back, the heir gets.
pub(in crate::ops) async fn inherit(tx: &Tx<'_>, held: &subscription::Model, heir: ClientId) -> Result<()> {
    let running = QuotaPeriod::iter().map(|period| (period, period_at(period, tx.now()).starts_at)).collect::<Vec<_>>();
    let windows = left_behind(tx, held, &running).await?;
    if windows.is_empty() {
        return Ok(());
    }
    let mut of_clients: BTreeMap<(ClientId, Environment), Vec<Leased>> = BTreeMap::new();
    for row in &windows {
        of_clients.entry((row.client_id, row.environment)).or_default().push((row.period, row.starts_at, row.leased));
    }
    let mut inherited: BTreeMap<(Environment, QuotaPeriod, DateTime<Utc>), i64> = BTreeMap::new();
    for ((_, environment), leased) in &of_clients {
        for (period, starts_at) in &running {
            *inherited.entry((*environment, *period, *starts_at)).or_default() += used(leased, *period, *starts_at);
        }
    }
    let rows = inherited.into_iter().filter(|(_, leased)| *leased > 0).map(|((environment, period, starts_at), leased)| {
        Model { client_id: heir, environment, period, starts_at, leased, heir_id: None }.into_active_model()
    });
    let rows: Vec<_> = rows.collect();
    if !rows.is_empty() {
        Entity::insert_many(rows).exec_without_returning(tx.db()).await?;
    }
    let clients: BTreeSet<ClientId> = windows.iter().map(|row| row.client_id).collect();
    Entity::update_many()
        .col_expr(Column::HeirId, Expr::value(heir))
        .filter(Column::ClientId.is_in(clients))
        .filter(Column::HeirId.is_null())
        .exec(tx.db())
        .await?;
    Ok(())
}

/// Windows of ended clients that nobody has inherited, from the beginning of the earliest running period on.
async fn left_behind(tx: &Tx<'_>, held: &subscription::Model, running: &[(QuotaPeriod, DateTime<Utc>)]) -> Result<Vec<Model>> {
    use subscription::Column as S;
    let ended = subscription::Entity::for_team(held.team_id)
        .filter(S::ProductId.eq(held.product_id))
        .filter(S::Status.is_in(SubscriptionStatus::iter().filter(|status| is_final(*status))))
        .select_only()
        .column(S::Id)
        .into_query();
    let clients = client::Entity::for_team(held.team_id)
        .filter(client::Column::SubscriptionId.in_subquery(ended))
        .select_only()
        .column(client::Column::Id)
        .into_query();
    let since = running.iter().map(|(_, starts_at)| *starts_at).min().unwrap_or(tx.now());
    // In the order in which all lock them.
    let windows = Entity::find()
        .filter(Column::ClientId.in_subquery(clients))
        .filter(Column::HeirId.is_null())
        .filter(Column::StartsAt.gte(since))
        .order_by_asc(Column::ClientId)
        .order_by_asc(Column::Environment)
        .order_by_asc(Column::Period)
        .order_by_asc(Column::StartsAt)
        .lock_exclusive();
    Ok(windows.all(tx.db()).await?)
}

/// The windows in which these count since their clients ended.
pub(super) async fn of(tx: &Tx<'_>, windows: BTreeSet<Window>) -> Result<BTreeSet<Window>> {
    let (mut all, mut next) = (BTreeSet::new(), windows);
    while !next.is_empty() {
        let found = rows(&next).filter(Column::HeirId.is_not_null()).all(tx.db()).await?;
        let heirs = found.into_iter().filter_map(|row| {
            let (client, environment) = (row.heir_id?, row.environment);
            Some(Window { client, environment, period: row.period, starts_at: row.starts_at })
        });
        next = heirs.filter(|window| all.insert(*window)).collect();
    }
    Ok(all)
}
