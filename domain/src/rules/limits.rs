//! How much a client may call in one environment, and how much of it is left.

use chrono::{DateTime, Utc};
use entities::enums::{QuotaPeriod, RateWindow};

/// Calls in any window of that length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    pub requests: u32,
    pub window: RateWindow,
}

/// Calls in a calendar period, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaLimit {
    pub requests: u64,
    pub period: QuotaPeriod,
}

/// No limit where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    pub rate: Option<RateLimit>,
    pub quota: Option<QuotaLimit>,
}

impl Limits {
    pub const UNLIMITED: Self = Self { rate: None, quota: None };

    /// From the columns that policies and plans share. Half a limit is none; a negative one is 0.
    pub fn from_columns(rate: (Option<i32>, Option<RateWindow>), quota: (Option<i64>, Option<QuotaPeriod>)) -> Self {
        let rate = rate.0.zip(rate.1).map(|(n, window)| RateLimit { requests: u32::try_from(n).unwrap_or(0), window });
        let quota = quota.0.zip(quota.1).map(|(n, period)| QuotaLimit { requests: u64::try_from(n).unwrap_or(0), period });
        Self { rate, quota }
    }
}

/// Where a client stands after a call: what the `RateLimit` headers say (draft-ietf-httpapi-ratelimit-headers-11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    pub rate: Option<Left>,
    pub quota: Option<Left>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// What the limit allows (`q`).
    pub limit: u64,
    /// The window's length in seconds (`w`); a quota's calendar period as long as it is this time.
    pub window: u64,
    /// Calls left (`r`).
    pub remaining: u64,
    /// Seconds until there are more (`t`), rounded up.
    pub reset: u64,
}

/// Whole seconds from `now` to `then`, rounded up, never below `least`.
pub fn seconds_until(now: DateTime<Utc>, then: DateTime<Utc>, least: u64) -> u64 {
    let millis = u64::try_from((then - now).num_milliseconds()).unwrap_or(0);
    millis.div_ceil(1000).max(least)
}
