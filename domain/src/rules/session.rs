//! How long a session lasts.

use chrono::{DateTime, TimeDelta, Utc};

/// How much older a session's "last seen" may be than the truth.
pub const MARK_EVERY: TimeDelta = TimeDelta::minutes(1);

/// When a session ends: at its last moment, or when it has lain unused for too long. A use may be later than its mark by
/// [`MARK_EVERY`], so that much longer is waited: nobody is signed out early.
pub fn ends_at(expires_at: DateTime<Utc>, last_seen_at: DateTime<Utc>, idle_hours: Option<i32>) -> DateTime<Utc> {
    match idle_hours {
        Some(hours) => expires_at.min(last_seen_at + TimeDelta::hours(hours.into()) + MARK_EVERY),
        None => expires_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earlier_of_both_ends() {
        let seen = DateTime::from_timestamp_micros(1_767_603_600_000_000).unwrap();
        let (far, near) = (seen + TimeDelta::days(30), seen + TimeDelta::minutes(30));
        assert_eq!(ends_at(far, seen, None), far);
        assert_eq!(ends_at(far, seen, Some(1)), seen + TimeDelta::minutes(61));
        assert_eq!(ends_at(near, seen, Some(1)), near);
        assert_eq!(ends_at(far, seen, Some(8784)), far);
    }
}
