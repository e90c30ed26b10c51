//! What a plan's reviewers want to see of the sandbox work, and what of it the traffic shows. It informs and never blocks.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use entities::{
    columns::{Evidence, ReviewCheck},
    enums::ReviewCheckKind,
};

use super::{
    openapi::shape,
    spec_changes::{identity, name},
};
use crate::{ProblemCode, error::Problems};

const MAX_CHECKS: usize = 30;
const MAX_CALLS: f64 = 1_000_000.0;

/// What a subscription did in its sandbox.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// Without those that were told to wait.
    pub calls: u64,
    /// Answered with 2xx.
    pub succeeded: u64,
    /// Answered with 4xx or 5xx, but for 429: that is what a sandbox is there to try.
    pub failed: u64,
    /// Calls that succeeded, by the operation's [`identity`].
    pub operations: HashMap<String, u64>,
    /// The last time that it was told to wait.
    pub slowed: Option<Slowed>,
    /// A second secret or key took the place of the first.
    pub rotated: bool,
}

/// A call that was answered with 429.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slowed {
    pub at: DateTime<Utc>,
    /// Seconds to wait, as the answer said; 1 where it did not.
    pub retry_after: i64,
    /// When the next call came.
    pub next: Option<DateTime<Utc>>,
}

/// A plan's checklist, as it may be stored. Operations are written as `GET /orders/{id}`, as the document has them.
pub fn checklist(problems: &mut Problems, given: &[ReviewCheck], has_sandbox: bool) -> Vec<ReviewCheck> {
    if given.len() > MAX_CHECKS {
        problems.add(ProblemCode::LimitReached, "reviewChecklist", format!("at most {MAX_CHECKS} checks"));
    }
    if !given.is_empty() && !has_sandbox {
        let say = "looks at sandbox work, and the plan has no sandbox: give an empty list";
        problems.add(ProblemCode::Invalid, "reviewChecklist", say);
    }
    given.iter().enumerate().map(|(i, check)| checked(problems, &format!("reviewChecklist.{i}"), check)).collect()
}

fn checked(problems: &mut Problems, path: &str, check: &ReviewCheck) -> ReviewCheck {
    let operation = operation(problems, path, check);
    let threshold_path = format!("{path}.threshold");
    match (check.kind, check.threshold) {
        (ReviewCheckKind::OperationCalled | ReviewCheckKind::SuccessfulCalls, Some(calls))
            if calls.fract() != 0.0 || !(1.0..=MAX_CALLS).contains(&calls) =>
        {
            problems.add(
                ProblemCode::Invalid,
                &threshold_path,
                format!("is a number of calls: 1 to {MAX_CALLS}, or leave it out for 1"),
            );
        }
        (ReviewCheckKind::ErrorRateBelow, None) => {
            problems.add(ProblemCode::Required, &threshold_path, "say the percentage that fewer calls have to fail");
        }
        (ReviewCheckKind::ErrorRateBelow, Some(percent)) if !(percent > 0.0 && percent <= 100.0) => {
            problems.add(ProblemCode::Invalid, &threshold_path, "is a percentage: more than 0, 100 at most");
        }
        (ReviewCheckKind::Handled429 | ReviewCheckKind::RotatedOnce, Some(_)) => {
            problems.add(ProblemCode::Invalid, &threshold_path, "has no meaning for this kind: leave it out");
        }
        _ => {}
    }
    ReviewCheck { kind: check.kind, operation, threshold: check.threshold }
}

fn operation(problems: &mut Problems, path: &str, check: &ReviewCheck) -> Option<String> {
    let path = format!("{path}.operation");
    let given = check.operation.as_deref().map(str::trim).filter(|given| !given.is_empty());
    match (check.kind, given) {
        (ReviewCheckKind::OperationCalled, None) => {
            problems.add(ProblemCode::Required, &path, "name the operation, such as GET /orders/{id}");
            None
        }
        (ReviewCheckKind::OperationCalled, Some(given)) => {
            let parts = given.split_once(' ').map(|(method, template)| (method, template.trim()));
            let fine =
                parts.filter(|(method, template)| method.bytes().all(|b| b.is_ascii_alphabetic()) && shape(template).is_ok());
            if fine.is_none() {
                problems.add(ProblemCode::Invalid, &path, "is a method and a path of the document, such as GET /orders/{id}");
            }
            fine.map(|(method, template)| name(method, template))
        }
        (_, Some(_)) => {
            problems.add(ProblemCode::Invalid, &path, "has no meaning for this kind: leave it out");
            None
        }
        (_, None) => None,
    }
}

/// What a check asks for, in a sentence's part.
pub fn text(check: &ReviewCheck) -> String {
    let calls = |text: &str| match check.threshold {
        Some(calls) if calls > 1.0 => format!("{text} {calls} times or more"),
        _ => format!("{text} once or more"),
    };
    match check.kind {
        ReviewCheckKind::OperationCalled => calls(&format!("{} succeeded", check.operation.as_deref().unwrap_or_default())),
        ReviewCheckKind::SuccessfulCalls => calls("calls succeeded"),
        ReviewCheckKind::ErrorRateBelow => format!("fewer than {} % of the calls failed", check.threshold.unwrap_or_default()),
        ReviewCheckKind::Handled429 => "was told to wait by a 429, and waited".to_owned(),
        ReviewCheckKind::RotatedOnce => "a sandbox credential took the place of another".to_owned(),
    }
}

/// The answers to a checklist.
pub fn judge(checks: &[ReviewCheck], seen: &Seen, now: DateTime<Utc>) -> Vec<Evidence> {
    let answer = |check: &ReviewCheck| {
        let (met, observed) = one(check, seen, now);
        Evidence { check: check.clone(), met, observed }
    };
    checks.iter().map(answer).collect()
}

fn one(check: &ReviewCheck, seen: &Seen, now: DateTime<Utc>) -> (bool, String) {
    let enough = |calls: u64| {
        let wanted = check.threshold.unwrap_or(1.0);
        (calls as f64 >= wanted, format!("{} succeeded", counted(calls)))
    };
    match check.kind {
        ReviewCheckKind::OperationCalled => {
            let key = check.operation.as_deref().map(identity).unwrap_or_default();
            enough(seen.operations.get(&key).copied().unwrap_or_default())
        }
        ReviewCheckKind::SuccessfulCalls => enough(seen.succeeded),
        ReviewCheckKind::ErrorRateBelow if seen.calls == 0 => (false, "no calls yet".to_owned()),
        ReviewCheckKind::ErrorRateBelow => {
            let percent = seen.failed as f64 * 100.0 / seen.calls as f64;
            (percent < check.threshold.unwrap_or_default(), format!("{percent:.1} % of {} failed", counted(seen.calls)))
        }
        ReviewCheckKind::Handled429 => seen.slowed.map_or((false, "no 429 yet".to_owned()), |slowed| waited(slowed, now)),
        ReviewCheckKind::RotatedOnce if seen.rotated => (true, "done".to_owned()),
        ReviewCheckKind::RotatedOnce => (false, "not yet".to_owned()),
    }
}

/// The last 429 tells: who learned to wait does so now.
fn waited(slowed: Slowed, now: DateTime<Utc>) -> (bool, String) {
    let seconds = |until: DateTime<Utc>| (until - slowed.at).num_milliseconds() as f64 / 1000.0;
    let wait = slowed.retry_after;
    match slowed.next {
        // Clocks and logs are told to the millisecond, waits to the second: a tenth early is not impatience.
        Some(next) => {
            let after = seconds(next);
            (after + 0.1 >= wait as f64, format!("told to wait {wait} s, the next call came after {after:.1} s"))
        }
        None if seconds(now) >= wait as f64 => (true, format!("told to wait {wait} s, no call since")),
        None => (false, format!("told to wait {wait} s just now")),
    }
}

fn counted(calls: u64) -> String {
    if calls == 1 { "1 call".to_owned() } else { format!("{calls} calls") }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn check(kind: ReviewCheckKind, operation: Option<&str>, threshold: Option<f64>) -> ReviewCheck {
        ReviewCheck { kind, operation: operation.map(str::to_owned), threshold }
    }

    #[test]
    fn what_is_asked_and_what_is_seen() {
        use ReviewCheckKind::{ErrorRateBelow, Handled429, OperationCalled, RotatedOnce, SuccessfulCalls};
        let checks = [
            check(OperationCalled, Some("GET /track/{id}"), None),
            check(OperationCalled, Some("POST /orders"), Some(3.0)),
            check(SuccessfulCalls, None, Some(20.0)),
            check(ErrorRateBelow, None, Some(2.5)),
            check(Handled429, None, None),
            check(RotatedOnce, None, None),
        ];
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(1);
        let ago = |millis: i64| now - TimeDelta::milliseconds(millis);
        let slowed = |ago_ms: i64, next: Option<i64>| Slowed { at: ago(ago_ms), retry_after: 3, next: next.map(ago) };
        let operations: HashMap<_, _> = [("GET /track/{}".to_owned(), 1), ("POST /orders".to_owned(), 2)].into();
        let some =
            Seen { calls: 40, succeeded: 39, failed: 1, operations, slowed: Some(slowed(5000, Some(1000))), rotated: true };
        let none = Seen::default();
        let hasty = Seen { calls: 1, succeeded: 0, failed: 1, slowed: Some(slowed(5000, Some(4800))), ..Seen::default() };
        let just_now = Seen { slowed: Some(slowed(1000, None)), ..Seen::default() };
        let silent = Seen { slowed: Some(slowed(3000, None)), ..Seen::default() };
        let mut table = String::new();
        for check in &checks {
            table += &format!("{}\n", text(check));
            for seen in [&none, &some, &hasty, &just_now, &silent] {
                let (met, observed) = one(check, seen, now);
                table += &format!("  {} {observed}\n", if met { "+" } else { "-" });
            }
        }
        insta::assert_snapshot!(table, @"
        GET /track/{id} succeeded once or more
          - 0 calls succeeded
          + 1 call succeeded
          - 0 calls succeeded
          - 0 calls succeeded
          - 0 calls succeeded
        POST /orders succeeded 3 times or more
          - 0 calls succeeded
          - 2 calls succeeded
          - 0 calls succeeded
          - 0 calls succeeded
          - 0 calls succeeded
        calls succeeded 20 times or more
          - 0 calls succeeded
          + 39 calls succeeded
          - 0 calls succeeded
          - 0 calls succeeded
          - 0 calls succeeded
        fewer than 2.5 % of the calls failed
          - no calls yet
          - 2.5 % of 40 calls failed
          - 100.0 % of 1 call failed
          - no calls yet
          - no calls yet
        was told to wait by a 429, and waited
          - no 429 yet
          + told to wait 3 s, the next call came after 4.0 s
          - told to wait 3 s, the next call came after 0.2 s
          - told to wait 3 s just now
          + told to wait 3 s, no call since
        a sandbox credential took the place of another
          - not yet
          + done
          - not yet
          - not yet
          - not yet
        ");
    }

    #[test]
    fn what_is_wrong_with_a_checklist_is_named() {
        use ReviewCheckKind::{ErrorRateBelow, Handled429, OperationCalled, SuccessfulCalls};
        let wrong = |checks: &[ReviewCheck], has_sandbox: bool| {
            let mut problems = Problems::default();
            checklist(&mut problems, checks, has_sandbox);
            let list = problems.into_list();
            list.iter().map(|p| format!("{} {:?}", p.path.join("."), p.code)).collect::<Vec<_>>().join(", ")
        };
        for (given, expected) in [
            (check(OperationCalled, None, None), "reviewChecklist.0.operation Required"),
            (check(OperationCalled, Some("/orders"), None), "reviewChecklist.0.operation Invalid"),
            (check(OperationCalled, Some("GET orders"), None), "reviewChecklist.0.operation Invalid"),
            (check(OperationCalled, Some("get  /orders"), Some(1.5)), "reviewChecklist.0.threshold Invalid"),
            (
                check(SuccessfulCalls, Some("GET /a"), Some(0.0)),
                "reviewChecklist.0.operation Invalid, reviewChecklist.0.threshold Invalid",
            ),
            (check(ErrorRateBelow, None, None), "reviewChecklist.0.threshold Required"),
            (check(ErrorRateBelow, None, Some(f64::NAN)), "reviewChecklist.0.threshold Invalid"),
            (check(ErrorRateBelow, None, Some(100.1)), "reviewChecklist.0.threshold Invalid"),
            (check(Handled429, None, Some(1.0)), "reviewChecklist.0.threshold Invalid"),
            (check(Handled429, None, None), ""),
        ] {
            assert_eq!(wrong(std::slice::from_ref(&given), true), expected, "{given:?}");
        }
        assert_eq!(wrong(&[check(Handled429, None, None)], false), "reviewChecklist Invalid");
        assert_eq!(wrong(&vec![check(Handled429, None, None); 31], true), "reviewChecklist LimitReached");
        let stored = checklist(&mut Problems::default(), &[check(OperationCalled, Some(" get  /a/{id} "), None)], true);
        assert_eq!(stored[0].operation.as_deref(), Some("GET /a/{id}"));
    }
}
