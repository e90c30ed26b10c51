//! Rate limits and quotas, as plans and policies have them.

use async_graphql::{InputObject, SimpleObject};
use domain::rules::plan::LimitDraft;

use crate::graphql::{
    enums::{QuotaPeriod, RateWindow},
    scalars::BigInt,
};

/// So many calls in any window of that length.
#[derive(SimpleObject, Debug, Clone)]
pub struct RateLimit {
    pub requests: i32,
    pub window: RateWindow,
}

/// So many calls in a calendar period, UTC.
#[derive(SimpleObject, Debug, Clone)]
pub struct QuotaLimit {
    pub requests: BigInt,
    pub period: QuotaPeriod,
}

#[derive(InputObject, Debug, Clone)]
pub struct RateLimitInput {
    pub requests: i32,
    pub window: RateWindow,
}

#[derive(InputObject, Debug, Clone)]
pub struct QuotaLimitInput {
    pub requests: BigInt,
    pub period: QuotaPeriod,
}

impl RateLimit {
    pub fn from_columns(requests: Option<i32>, window: Option<entities::enums::RateWindow>) -> Option<Self> {
        requests.zip(window).map(|(requests, window)| Self { requests, window: window.into() })
    }
}

impl QuotaLimit {
    pub fn from_columns(requests: Option<i64>, period: Option<entities::enums::QuotaPeriod>) -> Option<Self> {
        requests.zip(period).map(|(requests, period)| Self { requests: BigInt(requests), period: period.into() })
    }
}

impl RateLimitInput {
    pub fn draft(self) -> (i32, entities::enums::RateWindow) {
        (self.requests, self.window.into())
    }
}

impl QuotaLimitInput {
    pub fn draft(self) -> (i64, entities::enums::QuotaPeriod) {
        (self.requests.0, self.period.into())
    }
}

pub fn draft(rate: Option<RateLimitInput>, quota: Option<QuotaLimitInput>) -> LimitDraft {
    LimitDraft { rate: rate.map(RateLimitInput::draft), quota: quota.map(QuotaLimitInput::draft) }
}
