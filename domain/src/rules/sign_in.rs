//! Signing in by mail: how often links may be asked for, and what a link is still good for.

use chrono::{DateTime, TimeDelta, Utc};

use crate::{Problem, ProblemCode};

/// What requests and failures are counted over.
pub const WINDOW: TimeDelta = TimeDelta::hours(1);
const LINKS_PER_ADDRESS: u64 = 10;
/// Beyond these numbers, the least time between two links for an address.
const SPACING: TimeDelta = TimeDelta::minutes(5);
const LINKS_PER_SOURCE: u64 = 30;
const FAILURES_PER_SOURCE: u64 = 30;

/// Links that were asked for within [`WINDOW`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    pub for_address: u64,
    /// By the caller's address, or their /64.
    pub from_source: u64,
    /// How long ago the last one for the address was made.
    pub last: Option<TimeDelta>,
}

/// Whether one more link is made. However much others ask, for an address or from where its owner is, the owner has a link that
/// works in their mailbox, or gets one: beyond the usual numbers there is another once the last has expired. `life`: how long
/// links work.
pub fn may_ask(asked: Asked, life: TimeDelta) -> bool {
    let none_works = asked.last.is_none_or(|ago| ago >= life.max(SPACING));
    none_works || asked.for_address < LINKS_PER_ADDRESS && asked.from_source < LINKS_PER_SOURCE
}

/// Whether one more bad link is looked at, after this many from one source within [`WINDOW`]. Good links are never refused.
pub fn may_fail(failures_from_source: u64) -> bool {
    failures_from_source < FAILURES_PER_SOURCE
}

/// Why a link does not sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Not made by this instance, or changed on the way.
    Unknown,
    Used,
    Expired,
    /// A mail that came later has another link.
    Replaced,
    /// The address lost its way in since the link was asked for.
    NotInvited,
    /// The address's organisation lets its people in by its identity provider alone.
    SingleSignOn,
}

impl Refusal {
    /// For the audit log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Used => "used",
            Self::Expired => "expired",
            Self::Replaced => "replaced",
            Self::NotInvited => "not_invited",
            Self::SingleSignOn => "single_sign_on",
        }
    }

    pub fn problem(self) -> Problem {
        let (code, message) = match self {
            Self::Unknown => (ProblemCode::Invalid, "this is not a link of ours, or a part of it is missing: ask for a new one"),
            Self::Used => (ProblemCode::AlreadyDone, "this link was used, or a newer sign-in replaced it: ask for a new one"),
            Self::Expired => (ProblemCode::Expired, "this link is too old: ask for a new one"),
            Self::Replaced => (ProblemCode::Expired, "a newer mail replaced this link: use the one that came last"),
            Self::NotInvited => (ProblemCode::WrongState, "this address may no longer sign in: ask for an invitation"),
            Self::SingleSignOn => (
                ProblemCode::WrongState,
                "your organisation lets its people in by its own accounts alone: sign in with your organisation's account",
            ),
        };
        Problem::new(code, "token", message)
    }
}

/// Whether a link signs in now. Used goes before expired: who used it knows better what happened.
pub fn usable(used_at: Option<DateTime<Utc>>, expires_at: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), Refusal> {
    match used_at {
        Some(_) => Err(Refusal::Used),
        None if expires_at <= now => Err(Refusal::Expired),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_an_hour_for_an_address_and_thirty_from_a_source() {
        for (for_address, from_source, fine) in
            [(0, 0, true), (9, 29, true), (10, 0, false), (0, 30, false), (10, 30, false), (11, 31, false)]
        {
            let asked = Asked { for_address, from_source, last: Some(TimeDelta::zero()) };
            assert_eq!(may_ask(asked, TimeDelta::minutes(15)), fine, "{for_address} {from_source}");
        }
        assert!(may_fail(29) && !may_fail(30));
    }

    #[test]
    fn nobody_is_locked_out_by_who_asks_for_their_address_or_from_it() {
        let minutes = TimeDelta::minutes;
        for (life, ago, from_source, fine) in [
            (15, Some(14), 0, false),
            (15, Some(15), 0, true),
            (15, Some(14), 30, false),
            (15, Some(15), 30, true),
            (15, None, 3_000, true),
            (1, Some(4), 0, false),
            (1, Some(5), 0, true),
            (15, None, 0, true),
        ] {
            let asked = Asked { for_address: 40, from_source, last: ago.map(minutes) };
            assert_eq!(may_ask(asked, minutes(life)), fine, "{life} {ago:?} {from_source}");
        }
    }

    #[test]
    fn a_link_works_once_until_just_before_it_expires() {
        let now = DateTime::from_timestamp_micros(1_767_603_600_000_000).unwrap();
        let micro = TimeDelta::microseconds(1);
        assert_eq!(usable(None, now + micro, now), Ok(()));
        assert_eq!(usable(None, now, now), Err(Refusal::Expired));
        assert_eq!(usable(Some(now), now + micro, now), Err(Refusal::Used));
        assert_eq!(usable(Some(now), now - micro, now), Err(Refusal::Used));
    }
}
