//! Access tokens of our own (RFC 9068): made at the token endpoint, believed by the gateway.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use chrono::{DateTime, TimeDelta, Utc};
use entities::enums::Environment;
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::json;

use super::{Algorithm, BadToken, Claims, Jws, KeySet, Shown, Typ};

/// What a token says: to be signed as it is, and what comes out of one that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessToken<'a> {
    pub issuer: &'a str,
    pub audience: &'a str,
    /// Also the subject: a client acts for nobody else in this grant.
    pub client_id: &'a str,
    /// Whole seconds are kept.
    pub issued_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub jti: &'a str,
    /// Separated by spaces; empty for none.
    pub scope: &'a str,
    /// SHA-256 of the certificate that the sender has to show as well (RFC 8705 §3): whoever takes the token compares it.
    pub certificate: Option<[u8; 32]>,
    pub environment: Environment,
    /// The id of the secret, or of the keys, that it was issued for: the token ends with it.
    pub proof: &'a str,
}

impl Serialize for AccessToken<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut claims = serializer.serialize_map(None)?;
        claims.serialize_entry("iss", self.issuer)?;
        claims.serialize_entry("aud", self.audience)?;
        claims.serialize_entry("sub", self.client_id)?;
        claims.serialize_entry("client_id", self.client_id)?;
        claims.serialize_entry("iat", &self.issued_at.timestamp())?;
        claims.serialize_entry("exp", &self.expires_at.timestamp())?;
        claims.serialize_entry("jti", self.jti)?;
        if !self.scope.is_empty() {
            claims.serialize_entry("scope", self.scope)?;
        }
        if let Some(certificate) = self.certificate {
            claims.serialize_entry("cnf", &json!({ "x5t#S256": BASE64.encode(certificate) }))?;
        }
        claims.serialize_entry("environment", &self.environment)?;
        claims.serialize_entry("proof", self.proof)?;
        claims.end()
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    pub issuer: &'a str,
    pub audience: &'a str,
}

/// `keys` are our own public ones. Between processes on one clock `skew` is zero.
pub fn check<'a>(
    jws: &'a Jws<'_>,
    keys: &KeySet,
    expected: Expected<'a>,
    now: DateTime<Utc>,
    skew: TimeDelta,
) -> Result<AccessToken<'a>, BadToken> {
    jws.has_typ(&[Typ::AccessToken], "at+jwt")?;
    jws.kid().ok_or(BadToken::KidMissing)?;
    let claims = jws.verified_by(keys, &[Algorithm::Es256])?;
    claims.issued_by(expected.issuer)?;
    claims.meant_for(&[expected.audience])?;
    let expires_at = claims.unexpired(now, skew)?;
    claims.begun(now, skew)?;
    let issued_at = claims.made_before(now, skew)?.ok_or(BadToken::ClaimMissing("iat"))?;
    Ok(AccessToken {
        issuer: expected.issuer,
        audience: expected.audience,
        client_id: client(claims)?,
        issued_at,
        expires_at,
        jti: claims.jti.as_deref().filter(|jti| !jti.is_empty()).ok_or(BadToken::IdMissing)?,
        scope: claims.scope.as_deref().unwrap_or_default(),
        certificate: claims.cnf.certificate,
        environment: claims.environment.ok_or(BadToken::ClaimMissing("environment"))?,
        proof: claims.proof.as_deref().ok_or(BadToken::ClaimMissing("proof"))?,
    })
}

fn client(claims: &Claims) -> Result<&str, BadToken> {
    let client = claims.client_id.as_deref().filter(|client| !client.is_empty());
    let client = client.ok_or(BadToken::ClaimMissing("client_id"))?;
    if claims.sub.as_deref() == Some(client) {
        return Ok(client);
    }
    Err(BadToken::WrongSubject { found: Shown::or_missing(claims.sub.as_deref()), expected: Shown::expected(client) })
}
