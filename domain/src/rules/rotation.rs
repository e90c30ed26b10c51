//! Rotating a secret: the new one works at once, and those before it until their overlap ends.

use std::ops::RangeInclusive;

use chrono::{DateTime, TimeDelta, Utc};

use crate::{Problem, ProblemCode, error::Problems};

/// Hours, where no plan says it.
pub const USUAL_OVERLAP: i32 = 24;
/// Hours: thirty days.
pub const LONGEST_OVERLAP: i32 = 720;
/// Secrets before the newest that may work at once. More than one where a new secret was lost before anybody used it.
pub const MAX_OLDER: usize = 4;
const SILENT_MINUTES: RangeInclusive<i32> = 5..=LONGEST_OVERLAP * 60;
/// By how much a gateway may be late in saying that a secret was used.
const LATE: TimeDelta = TimeDelta::minutes(1);
const WORTH_A_LOOK: TimeDelta = TimeDelta::minutes(20);

/// How long older secrets are to stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    pub hours: i32,
    /// Ends them before, once they were not used for so long.
    pub silent_minutes: Option<i32>,
}

impl Terms {
    /// As asked for, within the hours that the plan allows; as long as these where nothing was asked.
    pub fn of(hours: Option<i32>, silent_minutes: Option<i32>, allowed: i32) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::default();
        let hours = hours.unwrap_or(allowed);
        if !(0..=allowed).contains(&hours) {
            let say = format!("must be from 0, which ends the old secret at once, to the {allowed} hours of the plan");
            problems.add(ProblemCode::Invalid, "overlapHours", say);
        }
        if silent_minutes.is_some_and(|minutes| !SILENT_MINUTES.contains(&minutes)) {
            let (least, most) = SILENT_MINUTES.into_inner();
            problems.add(ProblemCode::Invalid, "endWhenSilentForMinutes", format!("must be from {least} to {most}"));
        }
        match problems.into_list() {
            list if list.is_empty() => Ok(Self { hours, silent_minutes }),
            list => Err(list),
        }
    }

    pub fn from(self, now: DateTime<Utc>) -> Overlap {
        Overlap { ends_at: now + TimeDelta::hours(self.hours.into()), silent_minutes: self.silent_minutes }
    }
}

/// Until when older secrets stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overlap {
    pub ends_at: DateTime<Utc>,
    pub silent_minutes: Option<i32>,
}

impl Overlap {
    /// Until when an older secret works: no longer than it would have without the rotation.
    pub fn until(self, valid_until: Option<DateTime<Utc>>, expires_at: Option<DateTime<Utc>>) -> DateTime<Utc> {
        [valid_until, expires_at].into_iter().flatten().fold(self.ends_at, DateTime::min)
    }
}

/// From when on an older secret counts as silent: it was used last, or replaced, so long before.
pub fn silent_from(replaced_at: DateTime<Utc>, last_used_at: Option<DateTime<Utc>>, minutes: i32) -> DateTime<Utc> {
    let last = last_used_at.map_or(replaced_at, |used| used.max(replaced_at));
    last + TimeDelta::minutes(minutes.into()) + LATE
}

/// When to look whether a secret that ends then is in use still; `None` when too little is left for anybody to act on it.
pub fn look_at(ends_at: DateTime<Utc>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let left = ends_at - now;
    (left >= WORTH_A_LOOK).then(|| ends_at - left / 4)
}

/// Whether an older secret counts as in use: its last use is nearer to now than to its replacement.
pub fn is_busy(replaced_at: DateTime<Utc>, last_used_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    last_used_at.is_some_and(|used| now - used < used - replaced_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::hours(hour)
    }

    #[test]
    fn an_overlap_stays_within_the_plans_hours() {
        let ends = |hours, allowed| Terms::of(hours, None, allowed).map(|terms| terms.from(at(0)).ends_at);
        assert_eq!(ends(None, 24), Ok(at(24)));
        assert_eq!(ends(Some(1), 24), Ok(at(1)));
        assert_eq!(ends(Some(0), 24), Ok(at(0)));
        assert_eq!(ends(None, 0), Ok(at(0)));
        let wrong = |hours, minutes| {
            let problems = Terms::of(hours, minutes, 24).expect_err("refused");
            problems.into_iter().map(|problem| problem.path.join(".")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(wrong(Some(25), None), "overlapHours");
        assert_eq!(wrong(Some(-1), Some(4)), "overlapHours endWhenSilentForMinutes");
        assert_eq!(wrong(None, Some(43_201)), "endWhenSilentForMinutes");
    }

    #[test]
    fn a_rotation_prolongs_no_older_secret() {
        let overlap = Overlap { ends_at: at(24), silent_minutes: None };
        let until = [(None, None), (Some(at(3)), None), (None, Some(at(5))), (Some(at(30)), Some(at(40)))];
        assert_eq!(until.map(|(valid, expires)| overlap.until(valid, expires)), [at(24), at(3), at(5), at(24)]);
    }

    #[test]
    fn silence_counts_from_the_last_use_and_not_from_before_the_rotation() {
        let minute = |minute| at(10) + TimeDelta::minutes(minute);
        assert_eq!(silent_from(at(10), None, 30), minute(31));
        assert_eq!(silent_from(at(10), Some(at(2)), 30), minute(31));
        assert_eq!(silent_from(at(10), Some(at(12)), 30), minute(151));
    }

    #[test]
    fn looks_come_closer_to_the_end_and_then_stop() {
        let mut looks = Vec::new();
        let mut now = at(0);
        while let Some(look) = look_at(at(24), now) {
            looks.push((look - at(0)).num_minutes());
            now = look;
        }
        assert_eq!(looks, [18 * 60, 22 * 60 + 30, 23 * 60 + 37, 23 * 60 + 54]);
        assert_eq!(look_at(at(0), at(0)), None);
    }

    #[test]
    fn what_was_used_lately_is_busy() {
        for (used, now, busy) in [(None, 18, false), (Some(1), 18, false), (Some(9), 18, false), (Some(10), 18, true)] {
            assert_eq!(is_busy(at(0), used.map(at), at(now)), busy, "{used:?} {now}");
        }
        assert!(!is_busy(at(5), Some(at(4)), at(6)), "before the rotation");
    }
}
