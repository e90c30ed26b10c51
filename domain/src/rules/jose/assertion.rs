//! Client assertions (RFC 7523 as updated by RFC 10070): the token that a client authenticates with at the token endpoint,
//! signed with its own key, for this issuer alone, used once and soon.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Algorithm, BadToken, Jws, KeySet, SKEW, Typ};

/// From now to `exp`.
pub const MAX_LIFE: TimeDelta = TimeDelta::minutes(5);
/// From `iat` to now.
const MAX_AGE: TimeDelta = TimeDelta::minutes(10);
/// Bytes.
const MAX_ID: usize = 256;

#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    pub client_id: &'a str,
    /// Our issuer identifier: the only audience.
    pub issuer: &'a str,
}

/// An assertion that holds, if it was not used before: that is for the caller to see to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assertion<'j> {
    /// Unique among the client's own assertions only: two clients may use the same one.
    pub jti: &'j str,
    pub exp: DateTime<Utc>,
    /// Until when `jti` has to be remembered: `exp` and the skew that it was read with.
    pub replayable_until: DateTime<Utc>,
}

/// `keys` are the client's. The audience may be a text or a list of exactly one: RFC 10070 asks for the issuer as its sole
/// value, and a list of one has one value.
pub fn check<'j>(jws: &'j Jws<'_>, keys: &KeySet, expected: Expected<'_>, now: DateTime<Utc>) -> Result<Assertion<'j>, BadToken> {
    // Common libraries write JWT or nothing. An access token is none, whoever has signed it.
    jws.may_have_typ(&[Typ::ClientAuthentication, Typ::Jwt], "client-authentication+jwt")?;
    let claims = jws.verified_by(keys, Algorithm::ASYMMETRIC)?;
    claims.issued_by(expected.client_id)?;
    claims.about(expected.client_id)?;
    claims.meant_only_for(expected.issuer)?;
    let exp = claims.unexpired(now, SKEW)?;
    claims.begun(now, SKEW)?;
    let made = claims.made_before(now, SKEW)?;
    let left = exp.signed_duration_since(now);
    if left > MAX_LIFE + SKEW {
        return Err(BadToken::LivesTooLong { seconds: left.num_seconds(), max: MAX_LIFE.num_seconds() });
    }
    if let Some(made) = made
        && now.signed_duration_since(made) > MAX_AGE
    {
        return Err(BadToken::TooOld { made, max: MAX_AGE.num_seconds() });
    }
    let jti = claims.jti.as_deref().filter(|jti| !jti.is_empty()).ok_or(BadToken::IdMissing)?;
    if jti.len() > MAX_ID || jti.chars().any(char::is_control) {
        let must_be = "a text of 1 to 256 bytes without control characters";
        return Err(BadToken::ClaimMalformed { claim: "jti", must_be });
    }
    Ok(Assertion { jti, exp, replayable_until: exp + SKEW })
}
