//! What gateways have applied: for a change as its receipt, and of each gateway for staff.

use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{DomainError, read::gateways, receipt};

use crate::{
    error::to_graphql,
    graphql::{
        payload::UserError,
        request::{OrGraphql, RequestContext},
        scalars::BigInt,
    },
};

/// How many gateways follow a change already.
#[derive(SimpleObject)]
pub struct Enforcement {
    /// The change's.
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

/// What the gateways said of the mutation that is answered.
pub fn receipt(ctx: &Context<'_>, refused: &[UserError]) -> async_graphql::Result<Option<Enforcement>> {
    let last = ctx.op().receipt.as_ref().and_then(|receipt| receipt.last());
    last.filter(|_| refused.is_empty()).map(told).transpose()
}

/// Adds `enforcement` to payloads that are `#[graphql(complex)]`.
#[macro_export]
macro_rules! enforced {
    ($($payload:ident)*) => {$(
        #[async_graphql::ComplexObject]
        impl $payload {
            /// The gateways that follow the change: it was waited for them, a second at most. Null where nothing of theirs changed.
            async fn enforcement(
                &self,
                ctx: &async_graphql::Context<'_>,
            ) -> async_graphql::Result<Option<$crate::graphql::enforcement::Enforcement>> {
                $crate::graphql::enforcement::receipt(ctx, &self.user_errors)
            }
        }
    )*};
}

fn told(seen: receipt::Enforcement) -> async_graphql::Result<Enforcement> {
    let count = |n: u64| i32::try_from(n).map_err(|_| to_graphql(DomainError::internal("more gateways than can be told")));
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
