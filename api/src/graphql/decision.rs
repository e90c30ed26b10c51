//! Why a call was let through or refused.

use async_graphql::{Context, Object, SimpleObject};
use chrono::{DateTime, Utc};
use domain::{read::request_log, rules::decision::Explanation};
use entities::{id::RequestId, request_log::Model};

use crate::graphql::{
    enums::{DenialReason, Fixer},
    request::{OrGraphql, RequestContext},
    request_log::RequestLogEntry,
};

/// What the gateway decided on a call, check by check, and what would change it.
pub struct Decision {
    entry: Model,
    told: Explanation,
}

#[Object]
impl Decision {
    async fn request_id(&self) -> String {
        RequestId(self.entry.id.0).to_string()
    }
    async fn at(&self) -> DateTime<Utc> {
        self.entry.at
    }
    /// Whether it was let through to the API behind the gateway.
    async fn allowed(&self) -> bool {
        self.told.allowed
    }
    async fn reason(&self) -> Option<DenialReason> {
        self.entry.denial.map(Into::into)
    }
    async fn explanation(&self) -> &str {
        &self.told.explanation
    }
    /// What would fix it.
    async fn remedy(&self) -> Option<&str> {
        self.told.remedy
    }
    async fn who_can_fix(&self) -> Option<Fixer> {
        self.told.fixer.map(Into::into)
    }
    /// In their order, up to the one that refused the call.
    async fn checks(&self) -> Vec<DecisionCheck> {
        let check = |c: &domain::rules::decision::Checked| DecisionCheck {
            name: c.check.name().to_owned(),
            passed: c.passed,
            detail: c.detail.clone(),
        };
        self.told.checks.iter().map(check).collect()
    }
    async fn entry(&self) -> RequestLogEntry {
        RequestLogEntry(self.entry.clone())
    }
}

/// One check of the gateway.
#[derive(SimpleObject)]
pub struct DecisionCheck {
    name: String,
    passed: bool,
    /// What a failed one was about.
    detail: Option<String>,
}

#[derive(Default)]
pub struct DecisionQuery;

#[Object]
impl DecisionQuery {
    /// By the `X-Request-ID` of a call's answer: why it was let through or refused. Null for a call that is not yours, and for
    /// one that no client was recognised in, which staff alone see.
    async fn decision(&self, ctx: &Context<'_>, request_id: String) -> async_graphql::Result<Option<Decision>> {
        let found = request_log::decision(ctx.op(), ctx.actor(), &request_id).await.or_graphql()?;
        Ok(found.map(|(entry, told)| Decision { entry, told }))
    }
}
