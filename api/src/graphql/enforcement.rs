//! What gateways have applied: for a change as its receipt, and of each gateway for staff.

use std::time::Instant;

use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{DomainError, read::gateways};

use crate::{
    error::to_graphql,
    graphql::{
        request::{OrGraphql, RequestContext},
        scalars::BigInt,
    },
};

/// How many gateways follow a change already.
#[derive(SimpleObject)]
pub struct Enforcement {
    /// The change, or a later one.
    revision: BigInt,
    /// Processes that gave a sign of life within the portal's `gatewayStaleSeconds`.
    gateways: i32,
    confirmed: i32,
    /// All of them follow it.
    complete: bool,
    /// From the change until the last of them confirmed it; null where one has not within a second.
    milliseconds: Option<f64>,
    /// Calls that were open (WebSockets, event streams, downloads, uploads), and that gateways ended because of the change. All of
    /// them where `complete`.
    streams_ended: i32,
}

/// Waits for the gateways, a second at most. `changed`: when the change was made.
pub async fn enforcement(ctx: &Context<'_>, changed: Instant) -> async_graphql::Result<Enforcement> {
    let seen = gateways::enforcement(ctx.op(), changed).await.or_graphql()?;
    let count = |n: u64| i32::try_from(n).map_err(|_| to_graphql(DomainError::internal("more than can be told")));
    Ok(Enforcement {
        revision: BigInt(seen.revision),
        gateways: count(seen.gateways)?,
        confirmed: count(seen.confirmed)?,
        complete: seen.took.is_some(),
        milliseconds: seen.took.map(|took| took.as_secs_f64() * 1e3),
        streams_ended: count(seen.streams_ended)?,
    })
}

/// A process that decides on calls.
pub struct GatewayNode(gateways::Gateway);

#[Object]
impl GatewayNode {
    async fn id(&self) -> ID {
        self.0.node.id.to_string().into()
    }
    async fn started_at(&self) -> DateTime<Utc> {
        self.0.node.started_at
    }
    /// It says so every two seconds.
    async fn last_seen_at(&self) -> DateTime<Utc> {
        self.0.node.last_seen_at
    }
    /// The last change that its decisions follow.
    async fn applied_revision(&self) -> BigInt {
        BigInt(self.0.node.applied_revision)
    }
    /// For how long it has not followed what changed; 0 where it follows everything.
    async fn behind_ms(&self) -> f64 {
        milliseconds(self.0.behind)
    }
}

fn milliseconds(time: TimeDelta) -> f64 {
    time.num_microseconds().map_or(f64::MAX, |micros| micros as f64 / 1e3)
}

#[derive(Default)]
pub struct ProviderGateways;

#[Object]
impl ProviderGateways {
    /// Processes that gave a sign of life within the last hour, oldest first.
    async fn gateways(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<GatewayNode>> {
        let list = gateways::list(ctx.op(), ctx.actor()).await.or_graphql()?;
        Ok(list.into_iter().map(GatewayNode).collect())
    }
}
