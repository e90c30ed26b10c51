//! When people are warned that something of theirs is about to expire.

use chrono::{DateTime, TimeDelta, Utc};

/// Days before the end, the first warning first.
const WARNINGS: [i32; 3] = [30, 7, 1];
/// How long before the end warnings begin.
pub const FIRST: TimeDelta = TimeDelta::days(30);
/// Days of the last warning: who had that one is warned no more.
pub const LAST_DAYS: i32 = 1;

/// The warning that is due: how many days before the end it was to come. Of warnings that were missed, the nearest to the end
/// stands for all. What lasted no longer than a warning's days had none to be warned of: it would come with the start.
pub fn warning(started: DateTime<Utc>, ends: DateTime<Utc>, warned: Option<i32>, now: DateTime<Utc>) -> Option<i32> {
    if ends <= now {
        return None;
    }
    let due = |days: &i32| {
        let before = TimeDelta::days((*days).into());
        ends - now <= before && ends - started > before && warned.is_none_or(|warned| *days < warned)
    };
    WARNINGS.into_iter().rev().find(due)
}

/// What counts as warned of when a term of so many days begins: a warning as long as the term would come with its start.
pub fn warned_at_start(days: i32) -> Option<i32> {
    WARNINGS.into_iter().filter(|warning| *warning >= days).min()
}

/// What counts as warned of when a term begins that ends then; `None` for the end: it has none.
pub fn warned_from(ends: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Option<i32> {
    warned_at_start(i32::try_from((ends? - now).num_days()).unwrap_or(i32::MAX))
}

/// Whole days that are left, one at least.
pub fn days_left(ends: DateTime<Utc>, now: DateTime<Utc>) -> u32 {
    let hours = (ends - now).num_hours();
    u32::try_from((hours + 12) / 24).unwrap_or_default().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_warning_comes_once_and_none_with_the_start() {
        let start = DateTime::UNIX_EPOCH;
        let at = |hours: i64| start + TimeDelta::hours(hours);
        let day = 24;
        // lasts, warned, now -> warning; in days, but for now, which is in hours
        for (lasts, warned, now, expected) in [
            (90, None, 59 * day, None),
            (90, None, 60 * day, Some(30)),
            (90, Some(30), 60 * day, None),
            (90, Some(30), 82 * day, None),
            (90, Some(30), 83 * day, Some(7)),
            (90, Some(7), 88 * day, None),
            (90, Some(7), 89 * day, Some(1)),
            (90, Some(1), 89 * day + 12, None),
            // After downtime.
            (90, None, 89 * day + 12, Some(1)),
            (90, None, 90 * day, None),
            // Short ones.
            (30, None, 0, None),
            (30, None, 22 * day, None),
            (30, None, 23 * day, Some(7)),
            (7, None, 1, None),
            (7, None, 6 * day, Some(1)),
            (1, None, 0, None),
            (1, None, 23, None),
        ] {
            assert_eq!(warning(start, at(lasts * day), warned, at(now)), expected, "{lasts} days, {warned:?}, {now} h");
        }
    }

    #[test]
    fn a_new_term_begins_without_a_warning() {
        let begun = [1, 2, 7, 8, 30, 31].map(warned_at_start);
        assert_eq!(begun, [Some(1), Some(7), Some(7), Some(30), Some(30), None]);
    }

    #[test]
    fn days_are_told_as_people_count_them() {
        let start = DateTime::UNIX_EPOCH;
        for (hours, days) in [(1, 1), (24, 1), (35, 1), (36, 2), (168, 7), (167, 7), (720, 30)] {
            assert_eq!(days_left(start + TimeDelta::hours(hours), start), days, "{hours} h");
        }
    }
}
