//! Tokens that a partner signs with the secret that it shares with us (HS256), for a few minutes each.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use chrono::{DateTime, TimeDelta, Utc};
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::{BadToken, Claims, Jws, SKEW, Typ};

/// From `iat` to `exp`; from now where there is no `iat`.
pub const MAX_LIFE: TimeDelta = TimeDelta::minutes(5);

#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    pub client_id: &'a str,
    /// What a token may be for, when it says so: the gateway's URL, the issuer. One at least.
    pub audiences: &'a [&'a str],
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedJwt<'j> {
    pub claims: &'j Claims,
    /// The place of the secret that it is signed with, among those given.
    pub secret: usize,
}

/// A token that a partner would make with this secret, for a minute.
pub fn make(secret: &SecretString, client_id: &str, now: DateTime<Utc>) -> String {
    let encoded = |json: Value| BASE64.encode(json.to_string());
    let (issued, expires) = (now.timestamp(), (now + TimeDelta::minutes(1)).timestamp());
    let claims = encoded(json!({ "iss": client_id, "iat": issued, "exp": expires }));
    let signed = format!("{}.{claims}", encoded(json!({ "alg": "HS256", "typ": "JWT" })));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
    format!("{signed}.{}", BASE64.encode(hmac::sign(&key, signed.as_bytes())))
}

/// `secrets` are the bytes of those that are live, as the partner was shown them; shorter ones than 32 bytes verify nothing.
pub fn check<'j, 's>(
    jws: &'j Jws<'_>,
    secrets: impl IntoIterator<Item = &'s [u8]>,
    expected: Expected<'_>,
    now: DateTime<Utc>,
) -> Result<SignedJwt<'j>, BadToken> {
    jws.may_have_typ(&[Typ::Jwt], "JWT")?;
    let (claims, secret) = jws.verified_by_secret(secrets)?;
    if claims.iss.is_some() || claims.sub.is_none() {
        claims.issued_by(expected.client_id)?;
    }
    if claims.sub.is_some() {
        claims.about(expected.client_id)?;
    }
    if claims.aud.is_some() {
        claims.meant_for(expected.audiences)?;
    }
    let exp = claims.unexpired(now, SKEW)?;
    claims.begun(now, SKEW)?;
    let from = claims.made_before(now, SKEW)?.unwrap_or(now);
    let life = exp.signed_duration_since(from);
    if life > MAX_LIFE + SKEW {
        return Err(BadToken::LivesTooLong { seconds: life.num_seconds(), max: MAX_LIFE.num_seconds() });
    }
    Ok(SignedJwt { claims, secret })
}
