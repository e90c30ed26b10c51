//! What subscriptions did in their sandboxes lately, as far as the request log goes back.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use entities::{
    client, credential, credential_secret, endpoint,
    enums::{CredentialStatus, Environment},
    id::{ClientId, CredentialId, EndpointId, RequestLogId, SubscriptionId},
    request_log,
};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, sea_query::Expr};

use super::{request_log::first_id, spec_audience::LOOKED_BACK};
use crate::{
    Domain, Result,
    rules::{
        evidence::{Seen, Slowed},
        spec_changes::{identity, name},
    },
};

/// For each of these subscriptions; the caller has checked that the viewer sees them. Environments whose log goes elsewhere show
/// no calls.
pub async fn seen_of(ctx: &Domain, held: &[SubscriptionId]) -> Result<HashMap<SubscriptionId, Seen>> {
    let (db, since) = (&ctx.db, ctx.now() - LOOKED_BACK);
    let clients: Vec<(ClientId, SubscriptionId)> = client::Entity::find()
        .filter(client::Column::SubscriptionId.is_in(held.iter().copied()))
        .select_only()
        .columns([client::Column::Id, client::Column::SubscriptionId])
        .into_tuple()
        .all(db)
        .await?;
    let ids: Vec<_> = clients.iter().map(|(client, _)| *client).collect();
    let mut by_client: HashMap<ClientId, Seen> = ids.iter().map(|id| (*id, Seen::default())).collect();
    count(db, (&ids, since), &mut by_client).await?;
    for (client, slowed) in slowed(db, (&ids, since)).await? {
        by_client.entry(client).or_default().slowed = Some(slowed);
    }
    for client in rotated(db, &ids).await? {
        by_client.entry(client).or_default().rotated = true;
    }
    Ok(clients.into_iter().filter_map(|(client, held)| Some((held, by_client.remove(&client)?))).collect())
}

/// Clients, and from when on their calls count.
type Since<'a> = (&'a [ClientId], DateTime<Utc>);

fn sandbox_calls((clients, since): Since<'_>) -> sea_orm::Select<request_log::Entity> {
    use request_log::Column as L;
    request_log::Entity::find()
        .filter(L::ClientId.is_in(clients.iter().copied()))
        .filter(L::Id.gte(RequestLogId(first_id(since))))
        .filter(L::Environment.eq(Environment::Sandbox))
}

async fn count(db: &impl ConnectionTrait, clients: Since<'_>, seen: &mut HashMap<ClientId, Seen>) -> Result<()> {
    use request_log::Column as L;
    let rows: Vec<(ClientId, Option<EndpointId>, i16, i64)> = sandbox_calls(clients)
        .select_only()
        .columns([L::ClientId, L::EndpointId, L::Status])
        .column_as(L::Id.count(), "calls")
        .group_by(L::ClientId)
        .group_by(L::EndpointId)
        .group_by(L::Status)
        .into_tuple()
        .all(db)
        .await?;
    let called: HashSet<_> = rows.iter().filter_map(|(_, endpoint, ..)| *endpoint).collect();
    let names: HashMap<EndpointId, String> = endpoint::Entity::find()
        .filter(endpoint::Column::Id.is_in(called))
        .select_only()
        .columns([endpoint::Column::Id, endpoint::Column::Method, endpoint::Column::DocumentPath])
        .into_tuple::<(EndpointId, String, String)>()
        .all(db)
        .await?
        .into_iter()
        .map(|(id, method, path)| (id, identity(&name(&method, &path))))
        .collect();
    for (client, endpoint, status, calls) in rows {
        let (seen, calls) = (seen.entry(client).or_default(), u64::try_from(calls).unwrap_or_default());
        // What was told to wait is no call that went wrong, and none that went right.
        seen.calls += if status == 429 { 0 } else { calls };
        match status {
            200..=299 => {
                seen.succeeded += calls;
                if let Some(operation) = endpoint.and_then(|endpoint| names.get(&endpoint)) {
                    *seen.operations.entry(operation.clone()).or_default() += calls;
                }
            }
            429 => {}
            400.. => seen.failed += calls,
            _ => {}
        }
    }
    Ok(())
}

/// Each client's last 429, and the call after it.
async fn slowed(db: &impl ConnectionTrait, clients: Since<'_>) -> Result<Vec<(ClientId, Slowed)>> {
    use request_log::Column as L;
    let last: Vec<(ClientId, DateTime<Utc>)> = sandbox_calls(clients)
        .filter(L::Status.eq(429))
        .select_only()
        .column(L::ClientId)
        .column_as(L::At.max(), "last")
        .group_by(L::ClientId)
        .into_tuple()
        .all(db)
        .await?;
    if last.is_empty() {
        return Ok(Vec::new());
    }
    let of_each = |at: &dyn Fn(DateTime<Utc>) -> Expr| {
        let each = last.iter().map(|(client, last)| Condition::all().add(L::ClientId.eq(*client)).add(at(*last)));
        each.fold(Condition::any(), Condition::add)
    };
    let next: HashMap<ClientId, DateTime<Utc>> = sandbox_calls(clients)
        .filter(of_each(&|last| L::At.gt(last)))
        .select_only()
        .column(L::ClientId)
        .column_as(L::At.min(), "next")
        .group_by(L::ClientId)
        .into_tuple::<(ClientId, DateTime<Utc>)>()
        .all(db)
        .await?
        .into_iter()
        .collect();
    let refused = sandbox_calls(clients).filter(L::Status.eq(429)).filter(of_each(&|last| L::At.eq(last))).all(db).await?;
    let told = refused.into_iter().filter_map(|row| {
        let client = row.client_id?;
        Some((client, Slowed { at: row.at, retry_after: retry_after(&row), next: next.get(&client).copied() }))
    });
    Ok(told.collect())
}

fn retry_after(row: &request_log::Model) -> i64 {
    let field = row.response_headers.0.iter().find(|header| header.name.eq_ignore_ascii_case("retry-after"));
    field.and_then(|header| header.value.as_deref()?.trim().parse().ok()).unwrap_or(1)
}

/// The clients of which a sandbox credential has a second secret, or was revoked once another was there.
async fn rotated(db: &impl ConnectionTrait, clients: &[ClientId]) -> Result<HashSet<ClientId>> {
    use credential::Column as C;
    let rows: Vec<(CredentialId, ClientId, CredentialStatus)> = credential::Entity::find()
        .filter(C::ClientId.is_in(clients.iter().copied()))
        .filter(C::Environment.eq(Environment::Sandbox))
        .select_only()
        .columns([C::Id, C::ClientId, C::Status])
        .into_tuple()
        .all(db)
        .await?;
    let secrets: HashMap<CredentialId, i64> = credential_secret::Entity::find()
        .filter(credential_secret::Column::CredentialId.is_in(rows.iter().map(|(id, ..)| *id)))
        .select_only()
        .column(credential_secret::Column::CredentialId)
        .column_as(credential_secret::Column::Id.count(), "secrets")
        .group_by(credential_secret::Column::CredentialId)
        .into_tuple::<(CredentialId, i64)>()
        .all(db)
        .await?
        .into_iter()
        .collect();
    let has = |client: ClientId, status| rows.iter().any(|(_, of, is)| (*of, *is) == (client, status));
    let replaced = |client| has(client, CredentialStatus::Revoked) && has(client, CredentialStatus::Active);
    let renewed = |id| secrets.get(id).is_some_and(|count| *count > 1);
    Ok(rows.iter().filter(|(id, client, _)| renewed(id) || replaced(*client)).map(|(_, client, _)| *client).collect())
}
