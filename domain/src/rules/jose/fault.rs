//! Why a token is refused, in words for the developer who sent it: what is wrong, and what would fix it. The words keep to
//! the characters that an `error_description` may have (RFC 6749 §5.2), and repeat a token's own texts only cut short.

use std::fmt;

use chrono::{DateTime, Utc};

use super::{Algorithm, MAX_TOKEN};

/// Characters of a token's own text that are shown, and of a text of ours that it should have had.
const MAX_SHOWN: usize = 60;
const MAX_EXPECTED: usize = 160;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    #[error("the token has {0} bytes; at most {MAX_TOKEN} are read: leave out the claims that are not needed")]
    TooLarge(usize),
    /// A predicate: what the token is instead of a compact JWS.
    #[error("the token {0}")]
    Malformed(&'static str),
    #[error("the token's {part} has the member {name} twice: write each name once in an object")]
    DuplicateMember { part: &'static str, name: Shown },
    /// RFC 7515 §4.1.11: who does not understand what `crit` lists must refuse; nothing is understood here.
    #[error("the token's header has crit, and no extension is understood here: leave it out")]
    Critical,
    #[error("the token's header has {0}, which is not accepted here: send a plain signed token without it")]
    HeaderNotAccepted(&'static str),
    /// `accepted` is empty where nothing here accepts it, whoever signs.
    #[error("alg is {found}, which is not accepted here: {}", rather(.accepted))]
    AlgorithmNotAllowed { found: Shown, accepted: Vec<Algorithm> },
    #[error("typ is {found}; it must be {expected}")]
    WrongTyp { found: Shown, expected: &'static str },
    #[error("the token's header has no kid: name the key that the token is signed with")]
    KidMissing,
    #[error("no key fits the token (kid: {0}): sign with a registered key and name it by its kid, or register this key")]
    NoKeyFits(Shown),
    #[error("the signature is wrong: the token was changed after it was signed, or it was signed with another key")]
    SignatureWrong,
    #[error("{0} is missing: put it into the token")]
    ClaimMissing(&'static str),
    #[error("{claim} must be {must_be}")]
    ClaimMalformed { claim: &'static str, must_be: &'static str },
    #[error("the token expired at {}: make a new one, and compare your clock with ours if it is new", moment(.0))]
    Expired(DateTime<Utc>),
    #[error("{claim} is {}, which is in the future: wait until then, or set your clock", moment(.at))]
    NotYetValid { claim: &'static str, at: DateTime<Utc> },
    #[error("the token was made at {}; it may be {max} s old at most: make a new one for each request", moment(.made))]
    TooOld { made: DateTime<Utc>, max: i64 },
    #[error("the token lives {seconds} s; {max} s are the most: set exp to an earlier time")]
    LivesTooLong { seconds: i64, max: i64 },
    #[error("iss is {found}; it must be {expected}")]
    WrongIssuer { found: Shown, expected: Shown },
    #[error("sub is {found}; it must be {expected}")]
    WrongSubject { found: Shown, expected: Shown },
    #[error("aud is {found}; it must be {expected}")]
    WrongAudience { found: Shown, expected: Shown },
    #[error("jti is missing: give every token an id of its own, such as a random UUID")]
    IdMissing,
}

impl BadToken {
    /// Whether keys that are read anew could change it: a signer may put a new key, of another kind even, under a name that it
    /// had used for another.
    pub fn may_be_of_new_key(&self) -> bool {
        match self {
            Self::NoKeyFits(_) | Self::SignatureWrong => true,
            Self::AlgorithmNotAllowed { accepted, .. } => !accepted.is_empty(),
            _ => false,
        }
    }
}

/// A text as it may be repeated: the beginning of a long one, in printable ASCII without double quotes and backslashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown(String);

impl Shown {
    pub fn of(text: &str) -> Self {
        Self::cut(text, MAX_SHOWN)
    }

    /// What a token must say: ours, so there may be more of it.
    pub(super) fn expected(text: &str) -> Self {
        Self::cut(text, MAX_EXPECTED)
    }

    fn cut(text: &str, max: usize) -> Self {
        let fine = |c: char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
        let mut shown: String = text.chars().take(max).map(|c| if fine(c) { c } else { '?' }).collect();
        if shown.is_empty() {
            shown.push_str("empty");
        } else if text.chars().nth(max).is_some() {
            shown.push_str("...");
        }
        Self(shown)
    }

    pub(super) fn or_missing(text: Option<&str>) -> Self {
        text.map_or_else(|| Self("missing".to_owned()), Self::of)
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn rather(accepted: &[Algorithm]) -> String {
    let names: Vec<_> = accepted.iter().map(|algorithm| algorithm.name()).collect();
    match names.as_slice() {
        [] => "sign with RS256, PS256, ES256 or EdDSA, or with HS256 where a secret is shared".to_owned(),
        [only] => format!("sign with {only}"),
        [others @ .., last] => format!("sign with {} or {last}", others.join(", ")),
    }
}

fn moment(at: &DateTime<Utc>) -> impl fmt::Display {
    at.format("%Y-%m-%dT%H:%M:%SZ")
}
