//! Secrets of ours that a scanner found in public: who may report them, what a report says, and what is done about a find.

mod scanner;

use chrono::{DateTime, TimeDelta, Utc};
use entities::{
    columns::PlanScope,
    enums::{Environment, LeakedKeyAction, ScopeGrantKind},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

pub use self::scanner::{ScannerKeys, Unsigned};

/// Bytes of a report.
pub const LARGEST: usize = 1 << 20;
const MAX_FINDS: usize = 1000;
const URL_MAX: usize = 2048;
/// Shorter than every token that can be ours.
const SOURCE_MAX: usize = 31;
const TYPE_MAX: usize = 64;
/// How long a leaked secret works that a new one is to take the place of.
const GRACE: TimeDelta = TimeDelta::hours(1);

/// What was found. The token is a secret, whoever's it is, and so is a URL that may repeat it.
pub struct Find {
    pub token: SecretString,
    /// The scanner's own word for the kind of token.
    pub kind: Option<String>,
    pub source: Option<String>,
    url: Option<String>,
}

/// What is wrong with a report's body, without a word of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadReport(String);

/// Reads a report's body: what GitHub sends to the partners of its secret scanning. Members that are not known are passed over.
pub fn parse(body: &[u8]) -> Result<Vec<Find>, BadReport> {
    let bad = |say: String| Err(BadReport(say));
    let list = match serde_json::from_slice(body) {
        Ok(Value::Array(list)) => list,
        Ok(_) => return bad("the body must be a list of finds, such as [{\"token\": \"…\", \"url\": \"…\"}]".to_owned()),
        Err(error) => return bad(format!("the body is no JSON: see line {}, column {}", error.line(), error.column())),
    };
    if list.len() > MAX_FINDS {
        return bad(format!("at most {MAX_FINDS} finds in one report: send the rest in another"));
    }
    list.into_iter().enumerate().map(|(at, entry)| find(entry).map_err(|say| BadReport(format!("find {at}: {say}")))).collect()
}

fn find(entry: Value) -> Result<Find, &'static str> {
    let Value::Object(mut members) = entry else { return Err("must be an object with a token") };
    let mut text = |name: &str, say| match members.remove(name) {
        Some(Value::String(text)) => Ok(Some(text)),
        Some(Value::Null) | None => Ok(None),
        Some(_) => Err(say),
    };
    let token = text("token", "token must be a text")?.filter(|token| !token.is_empty()).ok_or("token is missing")?;
    let word = |text: &String, max| {
        let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b' ');
        (1..=max).contains(&text.len()) && text.bytes().all(fine)
    };
    Ok(Find {
        token: token.into(),
        kind: text("type", "type must be a text")?.filter(|kind| word(kind, TYPE_MAX)),
        source: text("source", "source must be a text")?.filter(|source| word(source, SOURCE_MAX)),
        url: text("url", "url must be a text")?,
    })
}

impl Find {
    /// Where it was found, as people and logs may see it: on the web, and without a user name. Of a URL with one of these secrets
    /// in it the site is left.
    pub fn place(&self, secrets: &[&SecretString]) -> Option<String> {
        let mut url = Url::parse(self.url.as_deref().filter(|url| url.len() <= URL_MAX)?).ok()?;
        if !matches!(url.scheme(), "http" | "https") {
            return None;
        }
        url.set_username("").ok()?;
        url.set_password(None).ok()?;
        let site = format!("{}/", url.origin().ascii_serialization());
        let tells = |text: &str| secrets.iter().any(|secret| repeats(text, secret.expose_secret()));
        [String::from(url), site].into_iter().find(|text| text.len() <= URL_MAX && !tells(text))
    }
}

/// Whether a URL has the secret in it, however often encoded and in whichever case.
fn repeats(url: &str, secret: &str) -> bool {
    let secret = secret.to_ascii_lowercase();
    let mut text = url.to_ascii_lowercase().into_bytes();
    loop {
        if text.windows(secret.len()).any(|part| part == secret.as_bytes()) {
            return true;
        }
        let once = decoded(&text);
        if once.len() == text.len() {
            return false;
        }
        text = once;
    }
}

/// One round of percent-decoding, in lower case.
fn decoded(text: &[u8]) -> Vec<u8> {
    let hex = |at: usize| text.get(at).and_then(|b| char::from(*b).to_digit(16)).and_then(|digit| u8::try_from(digit).ok());
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        if let (b'%', Some(high), Some(low)) = (text[at], hex(at + 1), hex(at + 2)) {
            out.push((high << 4 | low).to_ascii_lowercase());
            at += 3;
        } else {
            out.push(text[at]);
            at += 1;
        }
    }
    out
}

/// What a decision on a leaked secret that works depends on.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    pub environment: Environment,
    /// Whether no newer one works beside it.
    pub newest: bool,
    pub valid_until: Option<DateTime<Utc>>,
    /// The credential's end.
    pub expires_at: Option<DateTime<Utc>>,
    pub now: DateTime<Utc>,
    /// The plan's, and its scopes; `None` for a client that was made by hand.
    pub plan: Option<(LeakedKeyAction, &'a [PlanScope])>,
}

/// What is done about a leaked secret that works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Measure {
    /// It works on as it did.
    None,
    /// It may use no more than these scopes, where they are held: what leaks is not worth an approval.
    Narrow { scopes: Vec<String> },
    /// It ends. `claimable`: a new one can be claimed, as no newer one works.
    End { at: DateTime<Utc>, claimable: bool },
}

impl Measure {
    pub fn action(&self) -> LeakedKeyAction {
        match self {
            Self::None => LeakedKeyAction::Notify,
            Self::Narrow { .. } => LeakedKeyAction::Narrow,
            Self::End { .. } => LeakedKeyAction::Rotate,
        }
    }

    /// When the secret ends by it.
    pub fn ends(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::End { at, .. } => Some(*at),
            Self::None | Self::Narrow { .. } => None,
        }
    }
}

pub fn decide(facts: Facts<'_>) -> Measure {
    let Some((action, scopes)) = facts.plan else { return Measure::None };
    match action {
        LeakedKeyAction::Notify => Measure::None,
        LeakedKeyAction::Narrow => {
            let comes =
                |scope: &&PlanScope| scope.grant == ScopeGrantKind::Default && scope.environments.contains(&facts.environment);
            Measure::Narrow { scopes: scopes.iter().filter(comes).map(|scope| scope.name.clone()).collect() }
        }
        LeakedKeyAction::Rotate => {
            let at = [facts.valid_until, facts.expires_at].into_iter().flatten().fold(facts.now + GRACE, DateTime::min);
            Measure::End { at, claimable: facts.newest }
        }
    }
}

#[cfg(test)]
mod tests;
