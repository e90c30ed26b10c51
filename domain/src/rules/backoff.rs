//! How long a job that failed waits for its next attempt.

use chrono::TimeDelta;

/// Milliseconds before the second attempt, before jitter.
const FIRST: u64 = 2_000;
const FACTOR: u64 = 3;
/// Milliseconds: six hours. Twelve attempts so span most of a day, which outlives a mail server's bad night.
const LONGEST: u64 = 6 * 60 * 60 * 1_000;

/// The wait after attempt number `attempt` (from 1): three times the one before, and less by up to a quarter, so that
/// what failed together does not return together. `random` is any number.
pub fn wait(attempt: i32, random: u32) -> TimeDelta {
    let exponent = u32::try_from(attempt.max(1) - 1).unwrap_or_default();
    let full = FACTOR.checked_pow(exponent).and_then(|f| f.checked_mul(FIRST)).unwrap_or(LONGEST).min(LONGEST);
    let less = (full / 4) * u64::from(random) / u64::from(u32::MAX);
    TimeDelta::milliseconds(i64::try_from(full - less).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_triple_up_to_six_hours_and_never_fall_below_three_quarters() {
        let longest = LONGEST as i64;
        for (attempt, millis) in
            [(0, 2_000), (1, 2_000), (2, 6_000), (3, 18_000), (9, 13_122_000), (10, longest), (i32::MAX, longest)]
        {
            assert_eq!(wait(attempt, 0).num_milliseconds(), millis, "attempt {attempt}");
            assert_eq!(wait(attempt, u32::MAX).num_milliseconds(), millis * 3 / 4, "attempt {attempt}");
        }
        let whole: TimeDelta = (1..12).map(|attempt| wait(attempt, 0)).sum();
        assert!(whole > TimeDelta::hours(16), "{whole}");
    }
}
