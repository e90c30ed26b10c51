//! What people are told of secrets that were found in public: what was done, until when the old one works, and what to do now.

use super::{Named, Text, moment, told};
use crate::rules::leak::Measure;

/// What does not help, and looks as if it did.
const STAYS_KNOWN: &str = "To remove it from where it was found is not enough: who has read it has it.";

pub fn of_secret(named: &Named, shown: Option<&str>, url: Option<&str>, newest: bool, measure: &Measure) -> Text {
    let which = match shown {
        Some(shown) => format!("Its secret {shown}"),
        None => "An older secret of it".to_owned(),
    };
    let done = match measure {
        Measure::None => "Nothing was changed: the secret works on, for whoever has it.".to_owned(),
        Measure::Narrow { scopes } => {
            let left = match &scopes[..] {
                [] => "no scopes any more: operations that need one refuse it".to_owned(),
                scopes => format!("no scopes any more but {}", scopes.join(", ")),
            };
            format!("It can use {left}. Another secret of the credential can use all that are held.")
        }
        Measure::End { at, .. } => format!("Calls with it are refused from {} on.", moment(*at)),
    };
    let next = match (newest, measure) {
        (true, Measure::End { claimable: true, .. }) => {
            "Do this before: claim the new secret in the portal, where it is made and shown, once, and put it in its place."
        }
        (true, _) => {
            "Do this now: rotate it, put the new secret in its place, and end the overlap. To stop the old one at once, \
             regenerate or revoke it."
        }
        (false, _) => "Do this now: put the newer secret in place wherever this one is used still, and end the overlap.",
    };
    let title = format!("A secret of {} was found in public", named.credential);
    told(title, [named.line(), found(&which, url), done, format!("{next} {STAYS_KNOWN}")])
}

pub fn of_access_token(name: &str, url: Option<&str>) -> Text {
    let done =
        "It could do all that you may in the portal, so it was revoked at once: programs that use it are refused.".to_owned();
    let next = "Make a new one and put it in its place. Look at what was done in your name since.".to_owned();
    let found = found(&format!("Your access token {name}"), url);
    told(format!("Your access token {name} was found in public and is revoked"), [found, done, next])
}

fn found(what: &str, url: Option<&str>) -> String {
    match url {
        Some(url) => format!("{what} was found where anybody can read it:\n{url}"),
        None => format!("{what} was found where anybody can read it; the report does not say where."),
    }
}
