//! Bad tokens (reliability: JWT and assertions). Each row is a good token that is bent in one place, and the reason for which
//! it must be refused; the snapshot shows what its developer is told.

mod algorithms;
mod claims;
mod framing;
mod kinds;

use std::collections::HashSet;

use super::*;

pub struct Case {
    name: &'static str,
    check: Check,
    token: String,
    /// A variant of [`BadToken`].
    reason: &'static str,
}

pub fn case(name: &'static str, check: Check, token: impl Into<String>, reason: &'static str) -> Case {
    Case { name, check, token: token.into(), reason }
}

#[test]
fn each_bad_token_is_refused_for_its_own_reason() {
    let cases: Vec<_> = [framing::cases(), algorithms::cases(), claims::cases(), kinds::cases()].into_iter().flatten().collect();
    assert!(cases.len() >= 130, "{}", cases.len());
    assert_eq!(cases.iter().map(|case| case.name).collect::<HashSet<_>>().len(), cases.len(), "a name stands twice");
    let mut told = String::new();
    let mut wrong = Vec::new();
    for Case { name, check, token, reason } in &cases {
        let Err(fault) = check(token) else {
            wrong.push(format!("{name}: accepted"));
            continue;
        };
        let variant = format!("{fault:?}");
        let variant = variant.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
        if variant != *reason {
            wrong.push(format!("{name}: {variant}, not {reason}"));
        }
        let text = fault.to_string();
        // RFC 6749 §5.2: what an error_description may have.
        assert!(text.chars().all(|c| matches!(c, ' '..='~') && c != '"' && c != '\\'), "{name}: {text}");
        assert!(text.len() < 220, "{name}: {text}");
        assert!(!token.split('.').any(|part| part.len() > 12 && text.contains(part)), "{name}: {text}");
        told += &format!("{name}\n    {variant}: {text}\n");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    insta::assert_snapshot!(told);
}
