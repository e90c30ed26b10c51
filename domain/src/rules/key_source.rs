//! Keys that are published outside: where they are, how long what was read holds, and when they are read again.

use std::{fmt, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;

use super::jose::KeySet;

/// Where the keys are that a signature is verified with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KeySource {
    /// A JWKS.
    At(Arc<str>),
    /// Where this issuer's discovery document says (OpenID Connect Discovery 1.0).
    Issuer(Arc<str>),
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::At(url) | Self::Issuer(url)) = self;
        f.write_str(url)
    }
}

/// How long a set counts as fresh whose server says nothing.
const USUAL_LIFE: TimeDelta = TimeDelta::minutes(10);
const SHORTEST_LIFE: TimeDelta = TimeDelta::minutes(1);
const LONGEST_LIFE: TimeDelta = TimeDelta::hours(1);
/// How long the last set that could be read is believed while its server cannot be.
const BELIEVED: TimeDelta = TimeDelta::days(1);
/// For so long a set that had keys is not believed to be empty.
const EMPTY: TimeDelta = TimeDelta::minutes(5);
/// Between two requests to one server, whatever callers send.
const PAUSE: TimeDelta = TimeDelta::seconds(30);

/// What is known of one source.
#[derive(Debug, Clone, Default)]
pub struct Known {
    read: Option<Read>,
    asked_at: Option<DateTime<Utc>>,
    /// Since when the source publishes no keys at all, where it had some.
    emptied_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone)]
struct Read {
    keys: KeySet,
    at: DateTime<Utc>,
    fresh_until: DateTime<Utc>,
}

impl Known {
    /// The keys to verify with; none where the source was never read, or not for too long.
    pub fn keys(&self, now: DateTime<Utc>) -> Option<&KeySet> {
        let holds = |read: &&Read| now < read.at + BELIEVED && self.emptied_at.is_none_or(|since| now < since + EMPTY);
        self.read.as_ref().filter(holds).map(|read| &read.keys)
    }

    /// Whether they should be read again before somebody needs others.
    pub fn is_due(&self, now: DateTime<Utc>) -> bool {
        let is_old = || self.read.as_ref().is_none_or(|read| now >= read.fresh_until);
        self.may_be_asked(now) && (self.emptied_at.is_some() || is_old())
    }

    /// Whether the source may be asked now, because a token names a key that is not known.
    pub fn may_be_asked(&self, now: DateTime<Utc>) -> bool {
        self.asked_at.is_none_or(|at| now >= at + PAUSE || now < at)
    }

    /// After an answer.
    #[must_use]
    pub fn read(keys: KeySet, fresh_for: Option<Duration>, now: DateTime<Utc>) -> Self {
        let said = fresh_for.map(|life| TimeDelta::from_std(life).unwrap_or(LONGEST_LIFE));
        let life = said.unwrap_or(USUAL_LIFE).clamp(SHORTEST_LIFE, LONGEST_LIFE);
        Self { read: Some(Read { keys, at: now, fresh_until: now + life }), asked_at: Some(now), emptied_at: None }
    }

    /// After another answer. A set that is suddenly empty may be a moment of its publisher's: what was known goes on for a few
    /// minutes, in which it is asked again. Then it is as empty as it says.
    #[must_use]
    pub fn read_again(&self, keys: KeySet, fresh_for: Option<Duration>, now: DateTime<Utc>) -> Self {
        let had_some = self.read.as_ref().is_some_and(|read| !read.keys.is_empty() && now < read.at + BELIEVED);
        let since = self.emptied_at.unwrap_or(now);
        if keys.is_empty() && had_some && now < since + EMPTY {
            return Self { asked_at: Some(now), emptied_at: Some(since), ..self.clone() };
        }
        Self::read(keys, fresh_for, now)
    }

    /// After none: what was known goes on.
    #[must_use]
    pub fn not_read(&self, now: DateTime<Utc>) -> Self {
        Self { asked_at: Some(now), ..self.clone() }
    }
}

/// Where an issuer's discovery document is.
pub fn discovery(issuer: &str) -> String {
    format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))
}

/// What of a discovery document is used.
#[derive(Debug, Deserialize)]
struct Discovered {
    issuer: String,
    jwks_uri: String,
}

/// Why a discovery document does not lead to keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadDiscovery {
    #[error("the discovery document is not JSON with issuer and jwks_uri")]
    Malformed,
    #[error("the discovery document is another issuer's")]
    AnotherIssuer,
}

/// Where the keys are by the issuer's discovery document, which has to be its own (section 4.3).
pub fn discovered(issuer: &str, document: &str) -> Result<String, BadDiscovery> {
    let found: Discovered = serde_json::from_str(document.trim_start_matches('\u{feff}')).map_err(|_| BadDiscovery::Malformed)?;
    if found.issuer == issuer { Ok(found.jwks_uri) } else { Err(BadDiscovery::AnotherIssuer) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
    }

    #[test]
    fn what_was_read_is_believed_for_a_day_and_read_again_when_it_is_not_fresh() {
        let nothing = Known::default();
        assert!(nothing.keys(at(0)).is_none() && nothing.is_due(at(0)) && nothing.may_be_asked(at(0)));
        for (said, fresh) in [(None, 10), (Some(0), 1), (Some(60), 1), (Some(1_200), 20), (Some(86_400), 60)] {
            let known = Known::read(KeySet::default(), said.map(Duration::from_secs), at(0));
            assert_eq!((known.is_due(at(fresh - 1)), known.is_due(at(fresh))), (false, true), "{said:?}");
            assert_eq!((known.keys(at(24 * 60 - 1)).is_some(), known.keys(at(24 * 60)).is_some()), (true, false));
        }
        assert!(Known::read(KeySet::default(), Some(Duration::MAX), at(0)).is_due(at(60)));
    }

    #[test]
    fn a_source_is_asked_once_in_half_a_minute() {
        let second = |s: i64| at(0) + TimeDelta::seconds(s);
        let known = Known::read(KeySet::default(), None, at(0));
        assert_eq!((known.may_be_asked(second(29)), known.may_be_asked(second(30))), (false, true));
        let failed = known.not_read(at(20));
        assert!(failed.keys(at(20)).is_some(), "an outage takes nothing away");
        assert_eq!((failed.is_due(at(20)), failed.is_due(at(21))), (false, true));
        // A clock that was set back holds nothing up.
        assert!(failed.may_be_asked(at(0)));
    }

    #[test]
    fn a_set_is_empty_when_it_has_been_so_for_some_minutes() {
        let (key, _) = crate::rules::jose::SigningKey::generate().unwrap();
        let keys: KeySet = [key.public_key().clone()].into_iter().collect();
        let empty = |known: &Known, minute| known.read_again(KeySet::default(), None, at(minute));
        let known = Known::read(keys.clone(), None, at(0));
        let emptied = empty(&empty(&known, 1), 3);
        assert_eq!((emptied.keys(at(5)), emptied.is_due(at(4))), (Some(&keys), true));
        assert_eq!(emptied.keys(at(6)), None, "nobody has looked since");
        assert_eq!(empty(&emptied, 6).keys(at(6)), Some(&KeySet::default()));
        let back = emptied.read_again(keys.clone(), None, at(4));
        assert_eq!((back.keys(at(9)), back.is_due(at(9))), (Some(&keys), false));
        assert_eq!(empty(&Known::default(), 0).keys(at(0)), Some(&KeySet::default()), "one that never had any");
    }

    #[test]
    fn an_issuer_says_itself_where_its_keys_are() {
        assert_eq!(discovery("https://a.example/x/"), "https://a.example/x/.well-known/openid-configuration");
        let document = r#"{"issuer":"https://a.example","jwks_uri":"https://a.example/keys","more":1}"#;
        assert_eq!(discovered("https://a.example", document), Ok("https://a.example/keys".to_owned()));
        assert_eq!(discovered("https://a.example/", document), Err(BadDiscovery::AnotherIssuer));
        for bad in ["", "{}", "[]", r#"{"issuer":"https://a.example"}"#, r#"{"issuer":1,"jwks_uri":2}"#] {
            assert_eq!(discovered("https://a.example", bad), Err(BadDiscovery::Malformed), "{bad}");
        }
    }
}
