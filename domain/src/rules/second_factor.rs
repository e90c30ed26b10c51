//! The second factor: when it is asked for, what may be given for it, and how often it may be guessed at.

use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::BASE32_NOPAD;

use super::totp;
use crate::{Problem, ProblemCode};

/// Recovery codes that somebody is given at once.
pub const RECOVERY_CODES: usize = 10;
/// Bytes of a recovery code: 80 bits, which nobody guesses, so that a plain hash keeps them.
pub const RECOVERY: usize = 10;
/// Characters of a recovery code.
const RECOVERY_LENGTH: usize = 16;
/// Characters of a group, as people read it.
const GROUP: usize = 4;
/// Wrong codes in a row before the first wait.
const FREE_TRIES: i32 = 5;
const FIRST_WAIT: TimeDelta = TimeDelta::seconds(30);
const LONGEST_WAIT: TimeDelta = TimeDelta::minutes(15);
/// Wrong codes that end the session in which they were given.
const TRIES_PER_SESSION: i32 = 10;

/// What to do where a session has not proven the factor that its person has.
pub const PROVE: &str = "prove your second factor first: send a code with proveSecondFactor, or open /auth/second-factor";
/// What to do where a staff role is withheld.
pub const SET_UP: &str = "your staff role needs a second factor here: set one up with beginSecondFactor and confirmSecondFactor; \
                          an access token needs one that its session has proven when it was made";

/// What a person may do by what they have proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    Full,
    /// Signed in; the staff role needs a second factor.
    WithoutRole,
    /// Nothing yet but to prove the second factor.
    Unproven,
}

/// What decides about a person's standing.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// Since when the person has a factor.
    pub enabled_at: Option<DateTime<Utc>>,
    /// When the session proved one.
    pub proven_at: Option<DateTime<Utc>>,
    pub is_staff: bool,
    /// Whether the portal asks it of staff.
    pub staff_needs_it: bool,
}

/// By a session. What was proven of a factor that is gone does not count for a new one.
pub fn of_session(facts: Facts) -> Standing {
    let proven = facts.enabled_at.is_some_and(|since| facts.proven_at.is_some_and(|at| at >= since));
    match facts.enabled_at {
        Some(_) if !proven => Standing::Unproven,
        None if facts.is_staff && facts.staff_needs_it => Standing::WithoutRole,
        Some(_) | None => Standing::Full,
    }
}

/// By an access token; `proven`: whether it was made where the factor was.
pub fn of_access_token(proven: bool, is_staff: bool, staff_needs_it: bool) -> Standing {
    if is_staff && staff_needs_it && !proven { Standing::WithoutRole } else { Standing::Full }
}

/// What was typed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// Six digits of an app.
    Code(String),
    /// A recovery code, without what only helps to read it.
    Recovery(String),
}

/// Reads what was typed in, however it was grouped.
pub fn read(text: &str) -> Result<Given, Problem> {
    let plain: String = text.chars().filter(|c| !c.is_whitespace() && *c != '-').take(64).collect();
    let plain = plain.to_ascii_lowercase();
    let is_base32 = |c: u8| c.is_ascii_lowercase() || (b'2'..=b'7').contains(&c);
    if plain.len() == totp::DIGITS && plain.bytes().all(|c| c.is_ascii_digit()) {
        Ok(Given::Code(plain))
    } else if plain.len() == RECOVERY_LENGTH && plain.bytes().all(is_base32) {
        Ok(Given::Recovery(plain))
    } else {
        let message = "must be the six digits that the app shows, or a recovery code such as abcd-efgh-2345-6724";
        Err(Problem::new(ProblemCode::Invalid, "code", message))
    }
}

/// A recovery code as it is kept, and as it is shown: in groups.
pub fn recovery_code(random: [u8; RECOVERY]) -> (String, String) {
    let plain = BASE32_NOPAD.encode(&random).to_ascii_lowercase();
    let groups: Vec<_> = (0..plain.len()).step_by(GROUP).map(|at| &plain[at..at + GROUP]).collect();
    let shown = groups.join("-");
    (plain, shown)
}

/// Until when no code of an app is looked at, after wrong ones in a row. It ends by itself, and a recovery code is looked at
/// all the same: nobody who guesses keeps the person out for good.
pub fn waits_until(failures: i32, failed_at: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
    let doubled = u32::try_from(failures - FREE_TRIES).ok()?;
    let wait = FIRST_WAIT.checked_mul(1 << doubled.min(10)).unwrap_or(LONGEST_WAIT);
    failed_at.map(|at| at + wait.min(LONGEST_WAIT))
}

/// Whether this many wrong codes end the session in which they were given.
pub fn ends_session(failures: i32) -> bool {
    failures >= TRIES_PER_SESSION
}

/// Whose factor can be reset; `yourself`: who asks.
pub fn resettable(yourself: bool) -> Result<(), Problem> {
    if yourself {
        let message = "this is your own: remove it with removeSecondFactor, by a code or a recovery code";
        return Err(Problem::new(ProblemCode::WrongState, "userId", message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_767_603_600 + seconds, 0).unwrap()
    }

    #[test]
    fn what_was_proven_decides() {
        use Standing::{Full, Unproven, WithoutRole};
        for (enabled, proven, is_staff, staff_needs_it, expected) in [
            (None, None, false, false, Full),
            (None, None, false, true, Full),
            (None, None, true, false, Full),
            (None, None, true, true, WithoutRole),
            (None, Some(1), true, true, WithoutRole),
            (Some(5), None, false, false, Unproven),
            (Some(5), None, true, true, Unproven),
            (Some(5), Some(4), true, false, Unproven),
            (Some(5), Some(5), false, false, Full),
            (Some(5), Some(9), true, true, Full),
        ] {
            let facts = Facts { enabled_at: enabled.map(at), proven_at: proven.map(at), is_staff, staff_needs_it };
            assert_eq!(of_session(facts), expected, "{facts:?}");
        }
        for (proven, is_staff, staff_needs_it, expected) in
            [(false, true, true, WithoutRole), (true, true, true, Full), (false, true, false, Full), (false, false, true, Full)]
        {
            assert_eq!(of_access_token(proven, is_staff, staff_needs_it), expected);
        }
    }

    #[test]
    fn codes_are_read_as_people_type_them() {
        let (plain, shown) = recovery_code([0x5a; RECOVERY]);
        assert_eq!((plain.as_str(), shown.as_str()), ("ljnfuws2ljnfuws2", "ljnf-uws2-ljnf-uws2"));
        for typed in [shown.clone(), plain.clone(), shown.to_uppercase(), format!(" {} ", shown.replace('-', " "))] {
            assert_eq!(read(&typed), Ok(Given::Recovery(plain.clone())), "{typed}");
        }
        for typed in ["123456", "123 456", "123-456", "\t123456\n"] {
            assert_eq!(read(typed), Ok(Given::Code("123456".to_owned())), "{typed}");
        }
        let long = "1".repeat(1_000_000);
        for wrong in ["", "12345", "1234567", "１２３４５６", "abcdef", "ljnf-uws2-ljnf-uws1", "ljnf-uws2-ljnf", &long] {
            assert!(read(wrong).is_err(), "{wrong:.20}");
        }
    }

    #[test]
    fn who_guesses_waits_longer_and_longer_but_never_for_good() {
        let failed = Some(at(0));
        for (failures, seconds) in [
            (0, None),
            (4, None),
            (5, Some(30)),
            (6, Some(60)),
            (9, Some(480)),
            (10, Some(900)),
            (60, Some(900)),
            (i32::MAX, Some(900)),
        ] {
            assert_eq!(waits_until(failures, failed), seconds.map(at), "{failures}");
        }
        assert_eq!(waits_until(5, None), None);
        assert!(!ends_session(9) && ends_session(10));
    }

    #[test]
    fn nobody_resets_themselves() {
        assert!(resettable(true).is_err() && resettable(false).is_ok());
    }
}
