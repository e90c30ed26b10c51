//! From a request's headers to who asks.

pub mod cookie;
pub mod origin;
pub mod strangers;

use std::net::IpAddr;

use axum::http::{
    HeaderMap,
    header::{AUTHORIZATION, COOKIE, USER_AGENT},
};
use domain::{
    Actor, Domain, Result,
    actor::{Origin, SignedBy},
    ops::{
        access_tokens,
        sessions::{self, NewSession},
    },
    read::sign_in::{self, Proof, SignedIn},
    rules::{access_token, second_factor::Standing},
};
use entities::session;

use self::strangers::Strangers;

/// The session cookie's name.
pub const SESSION_COOKIE: &str = "portico_session";

/// Who asks, and how they proved it.
#[derive(Debug, Clone)]
pub struct Caller {
    pub actor: Actor,
    /// How the request was signed; `None` when nobody is signed in, or only so far as to prove a second factor.
    pub signed_in: Option<SignedIn>,
    /// Who has to prove a second factor before they are signed in.
    pub unproven: Option<SignedIn>,
}

impl Caller {
    /// Who just signed in, from where the request came.
    pub fn of(session: &NewSession, by: &Actor) -> Self {
        let (user, by_session) = (session.user.clone(), Proof::Session(session.row.clone()));
        Self::by(SignedIn { user, by: by_session, standing: session.standing }, by.origin.clone())
    }

    /// A person, as far as what they have proven goes.
    pub fn by(proven: SignedIn, mut origin: Origin) -> Self {
        origin.signed_by = Some(match &proven.by {
            Proof::Session(session) => SignedBy::Session(session.id),
            Proof::AccessToken(token) => SignedBy::AccessToken(token.id),
        });
        let actor = Actor::standing(&proven.user, proven.standing, origin);
        match proven.standing {
            Standing::Unproven => Self { actor, signed_in: None, unproven: Some(proven) },
            Standing::Full | Standing::WithoutRole => Self { actor, signed_in: Some(proven), unproven: None },
        }
    }

    /// Whether nobody is signed in, not even so far as to prove a second factor.
    pub fn is_stranger(&self) -> bool {
        self.actor.person().is_none()
    }

    /// The session of this request, whatever was proven in it.
    pub fn session(&self) -> Option<&session::Model> {
        match &self.signed_in.as_ref().or(self.unproven.as_ref())?.by {
            Proof::Session(session) => Some(session),
            Proof::AccessToken(_) => None,
        }
    }
}

/// An unknown, expired or revoked session or token is nobody, never an error: signing in again is the way out.
pub async fn caller(domain: &Domain, headers: &HeaderMap, ip: IpAddr, request_id: Option<String>) -> Result<Caller> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let origin = origin(headers, ip, request_id);
    let signed_in = match (bearer(text(AUTHORIZATION)), session_cookie(headers)) {
        (Some(token), _) if token.starts_with(access_token::PREFIX) => sign_in::by_access_token(domain, token).await?,
        (Some(token), _) => sign_in::by_session(domain, token).await?,
        (None, Some(token)) => sign_in::by_session(domain, token).await?,
        (None, None) => None,
    };
    Ok(match signed_in {
        Some(proven) => {
            mark(domain, proven.by.clone(), origin.clone());
            Caller::by(proven, origin)
        }
        None => Caller { actor: Actor::nobody(origin), signed_in: None, unproven: None },
    })
}

/// As `caller`; strangers who ask too often are refused.
pub async fn admitted(
    domain: &Domain,
    strangers: &Strangers,
    headers: &HeaderMap,
    ip: IpAddr,
    request_id: Option<String>,
) -> Result<Caller> {
    let caller = caller(domain, headers, ip, request_id).await?;
    if caller.is_stranger() {
        strangers.admit(ip)?;
    }
    Ok(caller)
}

/// Where a request came from, for the audit log.
pub fn origin(headers: &HeaderMap, ip: IpAddr, request_id: Option<String>) -> Origin {
    let agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
    Origin {
        ip: Some(ip.to_string()),
        user_agent: agent.map(|agent| agent.chars().take(256).collect()),
        request_id,
        signed_by: None,
    }
}

/// Whether a request is signed by a cookie, which a browser sends for whatever page asks.
pub fn by_cookie(headers: &HeaderMap) -> bool {
    let authorization = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    bearer(authorization).is_none() && session_cookie(headers).is_some()
}

/// "Last seen" and "last used" are written beside the request: it never waits for a writer.
fn mark(domain: &Domain, proof: Proof, origin: Origin) {
    let due = match &proof {
        Proof::Session(session) => sessions::is_mark_due(domain, session),
        Proof::AccessToken(token) => access_tokens::is_mark_due(domain, token),
    };
    if !due {
        return;
    }
    // It may be written after a later one.
    let (domain, at) = (domain.clone(), domain.now());
    tokio::spawn(async move {
        let marked = match &proof {
            Proof::Session(session) => sessions::mark_seen(&domain, session, &origin, at).await,
            Proof::AccessToken(token) => access_tokens::mark_used(&domain, token).await,
        };
        if let Err(error) = marked {
            tracing::debug!(error = %error, "a session's or token's last use was not noted; the next use is");
        }
    });
}

/// The token of an `Authorization` field.
pub fn bearer(authorization: Option<&str>) -> Option<&str> {
    let (scheme, token) = authorization?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn session_cookie(headers: &HeaderMap) -> Option<&str> {
    named_cookie(headers, SESSION_COOKIE)
}

pub fn named_cookie<'a>(headers: &'a HeaderMap, named: &str) -> Option<&'a str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == named).then_some(value))
}
