//! From a request's headers to who asks.

use std::net::IpAddr;

use axum::http::{
    HeaderMap,
    header::{AUTHORIZATION, COOKIE, USER_AGENT},
};
use domain::{
    Actor, Domain, Result,
    actor::Origin,
    read::sign_in::{self, SignedIn},
};

/// The session cookie's name.
pub const SESSION_COOKIE: &str = "portico_session";

/// Who asks, and how they proved it.
#[derive(Debug, Clone)]
pub struct Caller {
    pub actor: Actor,
    /// How the request was signed; `None` when nobody is signed in.
    pub signed_in: Option<SignedIn>,
}

/// An unknown, expired or revoked session or token is nobody, never an error: signing in again is the way out.
pub async fn caller(domain: &Domain, headers: &HeaderMap, ip: IpAddr, request_id: Option<String>) -> Result<Caller> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let origin = Origin {
        ip: Some(ip.to_string()),
        user_agent: text(USER_AGENT).map(|agent| agent.chars().take(256).collect()),
        request_id,
    };
    let signed_in = match (bearer(text(AUTHORIZATION)), session_cookie(headers)) {
        (Some(token), _) => sign_in::by_access_token(domain, token).await?,
        (None, Some(token)) => sign_in::by_session(domain, token).await?,
        (None, None) => None,
    };
    let actor = match &signed_in {
        Some(who) => Actor::user(who.user.id, who.user.staff_role, origin),
        None => Actor::nobody(origin),
    };
    Ok(Caller { actor, signed_in })
}

/// Whether a request is signed by a cookie, which a browser sends for whatever page asks.
pub fn by_cookie(headers: &HeaderMap) -> bool {
    let authorization = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    bearer(authorization).is_none() && session_cookie(headers).is_some()
}

fn bearer(authorization: Option<&str>) -> Option<&str> {
    let (scheme, token) = authorization?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn session_cookie(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == SESSION_COOKIE).then_some(value))
}
