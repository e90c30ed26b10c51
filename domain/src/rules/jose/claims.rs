//! The claims of a token (RFC 7519) that anything here asks for. Others are ignored; one of these in the wrong form makes the
//! token bad.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use chrono::{DateTime, TimeDelta, Utc};
use entities::enums::Environment;

use super::{
    BadToken, Shown,
    json::{Json, Members},
};

/// Seconds from 1970 to the year 10000.
const END_OF_TIME: i64 = 253_402_300_800;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    pub iss: Option<String>,
    pub sub: Option<String>,
    pub aud: Option<Audience>,
    pub exp: Option<DateTime<Utc>>,
    pub nbf: Option<DateTime<Utc>>,
    pub iat: Option<DateTime<Utc>>,
    pub jti: Option<String>,
    pub client_id: Option<String>,
    pub azp: Option<String>,
    /// Separated by spaces.
    pub scope: Option<String>,
    pub cnf: Confirmation,
    /// A claim of ours, `SANDBOX` or `PRODUCTION`. A token from outside may call something else so: then it is `None`.
    pub environment: Option<Environment>,
    /// A claim of ours: which of the credential's secrets the token was issued for.
    pub proof: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    One(String),
    Many(Vec<String>),
}

/// The key that the sender has to prove that it holds (RFC 7800); whoever takes the token has to see to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Confirmation {
    /// `x5t#S256`: SHA-256 of the sender's certificate in DER (RFC 8705 §3.1).
    pub certificate: Option<[u8; 32]>,
    /// `jkt`: the thumbprint of a DPoP key (RFC 9449 §6.1).
    pub dpop_key: Option<[u8; 32]>,
}

impl Claims {
    pub(super) fn read(members: &Members<'_>) -> Result<Self, BadToken> {
        let text = |claim: &'static str| match members.get(claim) {
            Some(Json::Text(text)) => Ok(Some(text.clone().into_owned())),
            Some(_) => Err(BadToken::ClaimMalformed { claim, must_be: "a text" }),
            None => Ok(None),
        };
        let time = |claim: &'static str| match members.get(claim).map(date) {
            Some(None) => Err(BadToken::ClaimMalformed { claim, must_be: "a number: seconds since 1970 (UTC)" }),
            Some(Some(at)) => Ok(Some(at)),
            None => Ok(None),
        };
        Ok(Self {
            iss: text("iss")?,
            sub: text("sub")?,
            aud: members.get("aud").map(Audience::read).transpose()?,
            exp: time("exp")?,
            nbf: time("nbf")?,
            iat: time("iat")?,
            jti: text("jti")?,
            client_id: text("client_id")?,
            azp: text("azp")?,
            scope: text("scope")?,
            cnf: members.get("cnf").map(Confirmation::read).transpose()?.unwrap_or_default(),
            environment: members.get("environment").and_then(environment),
            proof: members.get("proof").and_then(Json::text).map(str::to_owned),
        })
    }

    /// `exp`, which has to be there and in the future: on it, the token is over (RFC 7519 §4.1.4).
    pub(super) fn unexpired(&self, now: DateTime<Utc>, skew: TimeDelta) -> Result<DateTime<Utc>, BadToken> {
        let exp = self.exp.ok_or(BadToken::ClaimMissing("exp"))?;
        if now.signed_duration_since(exp) >= skew { Err(BadToken::Expired(exp)) } else { Ok(exp) }
    }

    pub(super) fn begun(&self, now: DateTime<Utc>, skew: TimeDelta) -> Result<(), BadToken> {
        past("nbf", self.nbf, now, skew)
    }

    /// `iat`, where it is there, is not in the future.
    pub(super) fn made_before(&self, now: DateTime<Utc>, skew: TimeDelta) -> Result<Option<DateTime<Utc>>, BadToken> {
        past("iat", self.iat, now, skew)?;
        Ok(self.iat)
    }

    pub(super) fn issued_by(&self, issuer: &str) -> Result<(), BadToken> {
        if self.iss.as_deref() == Some(issuer) {
            return Ok(());
        }
        Err(BadToken::WrongIssuer { found: Shown::or_missing(self.iss.as_deref()), expected: Shown::expected(issuer) })
    }

    pub(super) fn about(&self, subject: &str) -> Result<(), BadToken> {
        if self.sub.as_deref() == Some(subject) {
            return Ok(());
        }
        Err(BadToken::WrongSubject { found: Shown::or_missing(self.sub.as_deref()), expected: Shown::expected(subject) })
    }

    /// For one of these at least. `accepted` has one.
    pub(super) fn meant_for(&self, accepted: &[&str]) -> Result<(), BadToken> {
        let meant = |aud: &Audience| accepted.iter().any(|accepted| aud.contains(accepted));
        if self.aud.as_ref().is_some_and(meant) { Ok(()) } else { Err(self.not_meant_for(&accepted.join(" or "))) }
    }

    /// For this one and nobody else.
    pub(super) fn meant_only_for(&self, audience: &str) -> Result<(), BadToken> {
        let only = |aud: &Audience| match aud {
            Audience::One(one) => one == audience,
            Audience::Many(many) => matches!(many.as_slice(), [one] if one == audience),
        };
        if self.aud.as_ref().is_some_and(only) { Ok(()) } else { Err(self.not_meant_for(audience)) }
    }

    fn not_meant_for(&self, expected: &str) -> BadToken {
        let found = match &self.aud {
            None => Shown::or_missing(None),
            Some(Audience::One(one)) => Shown::of(one),
            Some(Audience::Many(many)) if many.is_empty() => Shown::of("an empty list"),
            // As many as can be shown; the list may be long.
            Some(Audience::Many(many)) => Shown::of(&many.iter().take(4).map(String::as_str).collect::<Vec<_>>().join(", ")),
        };
        BadToken::WrongAudience { found, expected: Shown::expected(expected) }
    }
}

impl Audience {
    fn read(value: &Json<'_>) -> Result<Self, BadToken> {
        let malformed = || BadToken::ClaimMalformed { claim: "aud", must_be: "a text or a list of texts" };
        match value {
            Json::Text(one) => Ok(Self::One(one.clone().into_owned())),
            Json::List(list) => {
                let texts = list.iter().map(|value| value.text().map(str::to_owned));
                Ok(Self::Many(texts.collect::<Option<_>>().ok_or_else(malformed)?))
            }
            Json::Integer(_) | Json::Float(_) | Json::Object(_) | Json::Literal => Err(malformed()),
        }
    }

    pub fn contains(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Many(many) => many.iter().any(|one| one == audience),
        }
    }
}

impl Confirmation {
    fn read(value: &Json<'_>) -> Result<Self, BadToken> {
        let malformed = |must_be: &'static str| BadToken::ClaimMalformed { claim: "cnf", must_be };
        let Json::Object(members) = value else { return Err(malformed("an object")) };
        let digest = |name: &str| match members.get(name) {
            None => Ok(None),
            Some(value) => {
                let mut digest = [0; 32];
                let decoded = value.text().and_then(|text| BASE64.decode_slice(text, &mut digest).ok());
                let must_be = "an object whose thumbprints are SHA-256 in base64url without padding";
                if decoded == Some(digest.len()) { Ok(Some(digest)) } else { Err(malformed(must_be)) }
            }
        };
        Ok(Self { certificate: digest("x5t#S256")?, dpop_key: digest("jkt")? })
    }
}

fn past(claim: &'static str, at: Option<DateTime<Utc>>, now: DateTime<Utc>, skew: TimeDelta) -> Result<(), BadToken> {
    match at {
        Some(at) if at.signed_duration_since(now) > skew => Err(BadToken::NotYetValid { claim, at }),
        Some(_) | None => Ok(()),
    }
}

/// A NumericDate (RFC 7519 §2): seconds, with or without a fraction, in the years 1970 to 9999.
fn date(value: &Json<'_>) -> Option<DateTime<Utc>> {
    match value {
        Json::Integer(seconds) if (0..END_OF_TIME).contains(seconds) => DateTime::from_timestamp(*seconds, 0),
        Json::Float(seconds) if (0.0..END_OF_TIME as f64).contains(seconds) => {
            DateTime::from_timestamp_micros((seconds * 1e6) as i64)
        }
        Json::Integer(_) | Json::Float(_) | Json::Text(_) | Json::List(_) | Json::Object(_) | Json::Literal => None,
    }
}

fn environment(value: &Json<'_>) -> Option<Environment> {
    match value.text()? {
        "SANDBOX" => Some(Environment::Sandbox),
        "PRODUCTION" => Some(Environment::Production),
        _ => None,
    }
}
