//! What one client has called in one environment, and the quota lease that it spends from.

use chrono::{DateTime, TimeDelta, Utc};
use entities::enums::DenialReason;

use super::{Key, Refused, Take};
use crate::{
    ops::quota::{Grant, Unspent, Window},
    rules::{
        limits::{Left, Limits, QuotaLimit, Standing, seconds_until},
        quota::{Period, period_at},
        rate::SlidingWindow,
    },
};

/// After this long without a call a lease is given back.
const IDLE: TimeDelta = TimeDelta::seconds(60);
/// How long "used up" is believed: another gateway may give something back.
const EXHAUSTED_FOR: TimeDelta = TimeDelta::seconds(5);

#[derive(Debug)]
pub(super) struct Account {
    rate: Option<SlidingWindow>,
    lease: Option<Lease>,
    used_up: Option<UsedUp>,
    /// A lease has been asked for and not been answered.
    asked: bool,
    last_call: DateTime<Utc>,
}

#[derive(Debug)]
struct Lease {
    limit: QuotaLimit,
    period: Period,
    /// Leased and not spent.
    left: u64,
    /// What the quota has left beyond this lease, as far as known.
    beyond: u64,
    /// The last grant: calls, and when it came.
    granted: (u64, DateTime<Utc>),
}

#[derive(Debug, Clone, Copy)]
struct UsedUp {
    limit: QuotaLimit,
    period: Period,
    seen: DateTime<Utc>,
}

/// A lease to ask for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub limit: QuotaLimit,
    pub period: Period,
    pub last: Option<(u64, i64)>,
}

pub(super) struct Verdict {
    pub take: Take,
    pub unspent: Option<Unspent>,
    pub wanted: Option<Wanted>,
}

enum Quota {
    Fits,
    UsedUp(Period),
    NeedsLease,
}

impl Account {
    pub fn new(now: DateTime<Utc>) -> Self {
        Self { rate: None, lease: None, used_up: None, asked: false, last_call: now }
    }

    /// All limits or none: both are looked at before either is taken.
    pub fn take(&mut self, now: DateTime<Utc>, key: &Key, limits: &Limits) -> Verdict {
        self.last_call = now;
        let unspent = self.drop_unfit_lease(now, key, limits.quota);
        let wanted = limits.quota.and_then(|limit| self.wanted(limit, now));
        let take = self.decide(now, limits);
        Verdict { take, unspent, wanted }
    }

    /// For a call that waited for a lease in vain: "used up" is an answer for as long as nobody knows better.
    pub fn refuse_without_lease(&mut self, now: DateTime<Utc>, limits: &Limits) -> Refused {
        let known = self.used_up.filter(|used| limits.quota.is_some_and(|limit| used.covers(limit, now)));
        let (reason, retry_after) = match known {
            Some(used) => (DenialReason::QuotaExhausted, seconds_until(now, used.period.ends_at, 1)),
            None => (DenialReason::Unavailable, 1),
        };
        let standing = known.map(|_| self.standing(now, limits)).unwrap_or_default();
        Refused { reason, retry_after, standing }
    }

    fn decide(&mut self, now: DateTime<Utc>, limits: &Limits) -> Take {
        if let Some(limit) = limits.rate {
            let window = self.rate.get_or_insert_with(|| SlidingWindow::new(limit.window, now));
            if let Err(retry_after) = window.fits(limit, now) {
                return self.refuse(DenialReason::RateLimited, retry_after, now, limits);
            }
        } else {
            self.rate = None;
        }
        match limits.quota.map(|limit| self.quota(limit, now)) {
            Some(Quota::NeedsLease) => return Take::NeedsLease,
            Some(Quota::UsedUp(period)) => {
                let retry_after = seconds_until(now, period.ends_at, 1);
                return self.refuse(DenialReason::QuotaExhausted, retry_after, now, limits);
            }
            Some(Quota::Fits) => {
                if let Some(lease) = &mut self.lease {
                    lease.left -= 1;
                }
            }
            None => {}
        }
        if let Some(window) = self.rate.as_mut() {
            window.count();
        }
        Take::Taken(self.standing(now, limits))
    }

    fn refuse(&mut self, reason: DenialReason, retry_after: u64, now: DateTime<Utc>, limits: &Limits) -> Take {
        Take::Refused(Refused { reason, retry_after, standing: self.standing(now, limits) })
    }

    fn quota(&self, limit: QuotaLimit, now: DateTime<Utc>) -> Quota {
        match (&self.lease, &self.used_up) {
            (Some(lease), _) if lease.left > 0 => Quota::Fits,
            (_, Some(used)) if used.still(limit, now) => Quota::UsedUp(used.period),
            _ if limit.requests == 0 => Quota::UsedUp(period_at(limit.period, now)),
            _ => Quota::NeedsLease,
        }
    }

    /// Takes away a lease of another period than the present one, or of a quota that was lowered or lifted since: nothing of
    /// it may be spent any more. A raised quota leaves it as it is.
    fn drop_unfit_lease(&mut self, now: DateTime<Utc>, key: &Key, limit: Option<QuotaLimit>) -> Option<Unspent> {
        let fits = |lease: &mut Lease| {
            limit.is_some_and(|limit| limit.period == lease.limit.period && limit.requests >= lease.limit.requests)
                && lease.period.contains(now)
        };
        self.lease.take_if(|lease| !fits(lease)).and_then(|lease| lease.unspent(key, now))
    }

    /// What to ask for: nothing while enough is in hand, more when a third of the last grant is left.
    fn wanted(&mut self, limit: QuotaLimit, now: DateTime<Utc>) -> Option<Wanted> {
        let enough =
            self.lease.as_ref().is_some_and(|lease| lease.left > lease.granted.0 / 3 || lease.left > 0 && lease.beyond == 0);
        if self.asked || enough || limit.requests == 0 || self.used_up.is_some_and(|used| used.still(limit, now)) {
            return None;
        }
        self.asked = true;
        let period = self.lease.as_ref().map_or_else(|| period_at(limit.period, now), |lease| lease.period);
        let last = self.lease.as_ref().map(|lease| (lease.granted.0, (now - lease.granted.1).num_milliseconds()));
        Some(Wanted { limit, period, last })
    }

    /// Takes what the lessor brought; what no longer fits is handed back.
    pub fn granted(&mut self, now: DateTime<Utc>, key: &Key, wanted: &Wanted, grant: Grant) -> Option<Unspent> {
        self.asked = false;
        // Where nothing is left beyond it, the quota is used up once this lease is spent.
        self.used_up = (grant.beyond == 0).then_some(UsedUp { limit: wanted.limit, period: wanted.period, seen: now });
        if grant.calls == 0 {
            return None;
        }
        let fresh = Lease {
            limit: wanted.limit,
            period: wanted.period,
            left: grant.calls,
            beyond: grant.beyond,
            granted: (grant.calls, now),
        };
        match &mut self.lease {
            Some(lease) if lease.period == fresh.period && lease.limit.period == fresh.limit.period => {
                // A part was granted under each limit: a quota below the larger one takes all of it away.
                lease.limit.requests = lease.limit.requests.max(fresh.limit.requests);
                lease.left += fresh.left;
                (lease.beyond, lease.granted) = (fresh.beyond, fresh.granted);
                None
            }
            other => other.replace(fresh).and_then(|old| old.unspent(key, now)),
        }
    }

    /// The lessor could not ask: the next call may.
    pub fn not_granted(&mut self) {
        self.asked = false;
    }

    /// Gives up the lease.
    pub fn release(&mut self, now: DateTime<Utc>, key: &Key) -> Option<Unspent> {
        self.lease.take().and_then(|lease| lease.unspent(key, now))
    }

    pub fn is_idle(&self, now: DateTime<Utc>) -> bool {
        !self.asked && now - self.last_call >= IDLE
    }

    /// Whether forgetting it changes nothing.
    pub fn is_spent(&self, now: DateTime<Utc>) -> bool {
        let used_up = self.used_up.is_some_and(|used| used.period.contains(now));
        self.lease.is_none() && !used_up && self.rate.as_ref().is_none_or(|window| window.is_over(now))
    }

    fn standing(&mut self, now: DateTime<Utc>, limits: &Limits) -> Standing {
        let rate = limits.rate.and_then(|limit| self.rate.as_mut().map(|window| window.left(limit, now)));
        let quota = limits.quota.map(|limit| {
            let period = match (&self.lease, &self.used_up) {
                (Some(lease), _) => lease.period,
                (None, Some(used)) if used.limit.period == limit.period && used.period.contains(now) => used.period,
                (None, _) => period_at(limit.period, now),
            };
            Left {
                limit: limit.requests,
                window: seconds_until(period.starts_at, period.ends_at, 1),
                remaining: self.lease.as_ref().map_or(0, |lease| lease.left + lease.beyond),
                reset: seconds_until(now, period.ends_at, 1),
            }
        });
        Standing { rate, quota }
    }
}

impl UsedUp {
    /// `now` is a call's moment: of one that waited, it lies before the answer.
    fn still(&self, limit: QuotaLimit, now: DateTime<Utc>) -> bool {
        (now - self.seen).abs() < EXHAUSTED_FOR && self.covers(limit, now)
    }

    /// The same quota or less, in the same period.
    fn covers(&self, limit: QuotaLimit, now: DateTime<Utc>) -> bool {
        limit.period == self.limit.period && limit.requests <= self.limit.requests && self.period.contains(now)
    }
}

impl Period {
    fn contains(&self, now: DateTime<Utc>) -> bool {
        self.starts_at <= now && now < self.ends_at
    }
}

impl Lease {
    /// `None` where nothing is left, or where the period is over and nobody can spend it.
    fn unspent(self, key: &Key, now: DateTime<Utc>) -> Option<Unspent> {
        let (client, environment) = *key;
        let window = Window { client, environment, period: self.limit.period, starts_at: self.period.starts_at };
        (self.left > 0 && now < self.period.ends_at).then_some(Unspent { window, calls: self.left })
    }
}
