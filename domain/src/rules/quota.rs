//! Calendar quotas: which period a moment is in, and how large a slice of it a gateway takes at once.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, Utc};
use entities::enums::QuotaPeriod;

/// A quota's period, UTC: from `starts_at` until just before `ends_at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
}

/// The period that a moment is in: a day from midnight, a week from Monday, a month from the 1st.
pub fn period_at(period: QuotaPeriod, now: DateTime<Utc>) -> Period {
    let today = now.date_naive();
    let (first, end) = match period {
        QuotaPeriod::Day => (Some(today), today.checked_add_days(Days::new(1))),
        QuotaPeriod::Week => {
            let monday = today.checked_sub_days(Days::new(today.weekday().num_days_from_monday().into()));
            (monday, monday.and_then(|day| day.checked_add_days(Days::new(7))))
        }
        QuotaPeriod::Month => {
            let first = today.with_day(1);
            (first, first.and_then(|day| day.checked_add_months(Months::new(1))))
        }
    };
    let midnight = |day: Option<NaiveDate>| day.unwrap_or(today).and_time(NaiveTime::MIN).and_utc();
    Period { starts_at: midnight(first), ends_at: midnight(end) }
}

/// What was used in a period, by what was leased in windows: of the period itself, or in shorter ones that lie within it, where
/// the quota went by those.
pub fn used(leased: &[(QuotaPeriod, DateTime<Utc>, i64)], period: QuotaPeriod, starts_at: DateTime<Utc>) -> i64 {
    let within = |shorter: QuotaPeriod| {
        leased.iter().filter(move |(kind, at, _)| *kind == shorter && *at >= starts_at).map(|(.., calls)| calls).sum::<i64>()
    };
    let own = leased.iter().filter(|(kind, at, _)| *kind == period && *at == starts_at).map(|(.., calls)| calls).sum::<i64>();
    match period {
        QuotaPeriod::Day => own,
        QuotaPeriod::Week => own.max(within(QuotaPeriod::Day)),
        QuotaPeriod::Month => own.max(within(QuotaPeriod::Week)).max(within(QuotaPeriod::Day)),
    }
}

/// Most calls that one lease holds.
const LARGEST: u64 = 50_000;
/// What a first lease holds: a caller of ten calls a day does not tie up a thousand, and of a large quota the part that it does
/// tie up is too small to be missed.
const FIRST: std::ops::RangeInclusive<u64> = 100..=5_000;
const FIRST_PART: u64 = 100_000;
/// How long a lease should last, in milliseconds: long enough to fetch the next one meanwhile, on a busy database too.
const LASTS: i64 = 2_000;
/// Most by which a lease is larger than the one before it.
const GROWTH: i64 = 100;

/// How many calls a lease takes: a part of what is `left`, so that several gateways can share the rest, and as many more as the
/// `last` one (its size, and the milliseconds that it lasted) was spent too fast, where that was within a second.
pub fn lease_size(left: u64, last: Option<(u64, i64)>) -> u64 {
    let wanted = match last {
        None => (left / FIRST_PART).clamp(*FIRST.start(), *FIRST.end()),
        Some((size, lasted)) if lasted < 1_000 => size.saturating_mul((LASTS / lasted.max(1)).clamp(1, GROWTH).unsigned_abs()),
        Some((size, lasted)) if lasted > 30_000 => size / 2,
        Some((size, _)) => size,
    };
    wanted.clamp(1, LARGEST).min((left / 20).max(1)).min(left)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn periods_of_the_utc_calendar() {
        use QuotaPeriod::{Day, Month, Week};
        for (period, now, starts, ends) in [
            (Day, "2026-03-29T00:00:00Z", "2026-03-29", "2026-03-30"),
            (Day, "2026-03-29T23:59:59.999999Z", "2026-03-29", "2026-03-30"),
            (Week, "2026-01-01T12:00:00Z", "2025-12-29", "2026-01-05"),
            (Week, "2026-01-05T00:00:00Z", "2026-01-05", "2026-01-12"),
            (Week, "2026-01-04T23:59:59Z", "2025-12-29", "2026-01-05"),
            (Month, "2028-02-29T10:00:00Z", "2028-02-01", "2028-03-01"),
            (Month, "2026-12-31T23:59:59Z", "2026-12-01", "2027-01-01"),
        ] {
            let got = period_at(period, now.parse().unwrap());
            let midnight = |day: &str| format!("{day}T00:00:00Z").parse::<DateTime<Utc>>().unwrap();
            assert_eq!(got, Period { starts_at: midnight(starts), ends_at: midnight(ends) }, "{period:?} {now}");
        }
    }

    #[test]
    fn periods_follow_each_other_without_gap_or_overlap() {
        let mut now: DateTime<Utc> = "2023-11-07T03:00:00Z".parse().unwrap();
        for _ in 0..2_000 {
            for period in [QuotaPeriod::Day, QuotaPeriod::Week, QuotaPeriod::Month] {
                let here = period_at(period, now);
                assert!(here.starts_at <= now && now < here.ends_at);
                assert_eq!(period_at(period, here.ends_at).starts_at, here.ends_at);
                assert_eq!(period_at(period, here.ends_at - TimeDelta::microseconds(1)), here);
            }
            now += TimeDelta::hours(17);
        }
    }

    #[test]
    fn use_in_shorter_periods_is_use_in_longer_ones() {
        use QuotaPeriod::{Day, Month, Week};
        let at = |day: &str| format!("{day}T00:00:00Z").parse::<DateTime<Utc>>().unwrap();
        let (month, week, day) = (at("2026-01-01"), at("2026-01-12"), at("2026-01-15"));
        let days = [(Day, at("2026-01-02"), 7), (Day, at("2026-01-13"), 2), (Day, day, 3)];
        for (leased, expected) in [
            (&[][..], [0, 0, 0]),
            (&days[..], [3, 5, 12]),
            (&[(Month, month, 9)], [0, 0, 9]),
            (&[(Week, at("2025-12-29"), 4), (Week, at("2026-01-05"), 1), (Week, week, 2)], [0, 2, 3]),
            (&[(Month, month, 4), (Week, week, 6), (Day, day, 1)], [1, 6, 6]),
        ] {
            assert_eq!([used(leased, Day, day), used(leased, Week, week), used(leased, Month, month)], expected, "{leased:?}");
        }
    }

    #[test]
    fn a_lease_is_never_more_than_is_left_and_ends_a_quota_exactly() {
        for quota in [1, 5, 19, 100, 12_345, 1_000_000] {
            let (mut left, mut last, mut leases) = (quota, None, 0);
            while left > 0 {
                let size = lease_size(left, last);
                assert!((1..=left).contains(&size) && size <= (left / 20).max(1));
                (left, last, leases) = (left - size, Some((size, 10)), leases + 1);
            }
            assert!(leases <= 400, "{quota}: {leases}");
        }
        assert_eq!(lease_size(0, None), 0);
        assert_eq!(lease_size(1_000_000, None), 100);
        assert_eq!(lease_size(1_000_000, Some((100, 5_000))), 100);
        assert_eq!(lease_size(1_000_000, Some((100, 60_000))), 50);
        assert_eq!(lease_size(u64::MAX, Some((40_000, 10))), 50_000);
        assert_eq!(lease_size(1_000_000_000, None), 5_000);
    }

    #[test]
    fn leases_of_a_busy_caller_soon_last_for_seconds() {
        // 20,000 calls a second on 10⁹ a day, and each next lease asked for when a third is left.
        let (mut left, mut last, mut leases, mut millis) = (1_000_000_000, None, 0, 0);
        while millis < 5_000 {
            let size = lease_size(left, last);
            let lasted = i64::try_from(size).unwrap() * 2 / 3 / 20;
            (left, last, leases, millis) = (left - size, Some((size, lasted)), leases + 1, millis + lasted);
        }
        assert!(leases <= 5, "{leases}");
        // What is in hand when the next lease is asked for lasts longer than a busy database takes.
        assert!(last.is_some_and(|(size, _)| size / 3 / 20 > 500), "{last:?}");
    }
}
