//! Tokens of an outside issuer (OIDC, RFC 9068), verified with the keys that it publishes.

use chrono::{DateTime, Utc};

use super::{Algorithm, BadToken, Confirmation, Jws, KeySet, SKEW, Typ};

#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    pub issuer: &'a str,
    /// `None`: the issuer's tokens are taken whoever they are for.
    pub audience: Option<&'a str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutsideToken<'j> {
    pub sub: Option<&'j str>,
    /// Which program the token was given to: issuers say so in one of these two, or in both.
    pub azp: Option<&'j str>,
    pub client_id: Option<&'j str>,
    /// Separated by spaces.
    pub scope: Option<&'j str>,
    pub exp: DateTime<Utc>,
    /// Not empty: the token is bound to a key, and not to be taken from who does not prove to hold it.
    pub cnf: Confirmation,
}

/// `keys` are the issuer's. On [`BadToken::NoKeyFits`] they may be out of date.
pub fn check<'j>(
    jws: &'j Jws<'_>,
    keys: &KeySet,
    expected: Expected<'_>,
    now: DateTime<Utc>,
) -> Result<OutsideToken<'j>, BadToken> {
    jws.may_have_typ(&[Typ::Jwt, Typ::AccessToken], "JWT or at+jwt")?;
    let claims = jws.verified_by(keys, Algorithm::ASYMMETRIC)?;
    claims.issued_by(expected.issuer)?;
    if let Some(audience) = expected.audience {
        claims.meant_for(&[audience])?;
    }
    let exp = claims.unexpired(now, SKEW)?;
    claims.begun(now, SKEW)?;
    Ok(OutsideToken {
        sub: claims.sub.as_deref(),
        azp: claims.azp.as_deref(),
        client_id: claims.client_id.as_deref(),
        scope: claims.scope.as_deref(),
        exp,
        cnf: claims.cnf,
    })
}
