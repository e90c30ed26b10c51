//! What a resolver finds in its context, and how it reads ids.

use std::sync::{Arc, OnceLock};

use async_graphql::{Context, ID};
use axum::http::header::SET_COOKIE;
use domain::{
    Actor, Domain, DomainError,
    ops::sessions::NewSession,
    read::{page::PageRequest, sign_in::SignedIn},
};
use entities::id::TypedId;
use secrecy::SecretString;

use crate::{
    auth::{Caller, cookie},
    error::to_graphql,
    explorer::Explorer,
    graphql::{batches::Batches, loaders::Loaders},
    site::Site,
};

/// What each request is executed with.
pub struct RequestData {
    pub domain: Domain,
    pub caller: Caller,
    pub loaders: Loaders,
    pub site: Arc<Site>,
    pub explorer: Arc<Explorer>,
    /// Held by work that takes a core.
    pub one_at_a_time: tokio::sync::Mutex<()>,
    /// Who signed in by this very request.
    signed_in: OnceLock<Caller>,
    /// The same, once the second factor was proven or changed by this very request.
    renewed: OnceLock<Caller>,
}

impl RequestData {
    pub fn new(domain: &Domain, batches: &Batches, caller: Caller, site: Arc<Site>, explorer: Arc<Explorer>) -> Self {
        let loaders = Loaders::new(domain, batches);
        Self {
            loaders,
            domain: domain.answering(),
            caller,
            site,
            explorer,
            one_at_a_time: tokio::sync::Mutex::default(),
            signed_in: OnceLock::new(),
            renewed: OnceLock::new(),
        }
    }
}

pub trait RequestContext {
    fn data_of_request(&self) -> &RequestData;
    /// From here on the request is this person's, and its answer brings the cookie. Gives the session's token.
    fn sign_in(&self, session: NewSession) -> SecretString;
    /// From here on the request may what its session has come to.
    fn renew(&self, now: SignedIn);
    /// The answer takes the cookie away.
    fn drop_cookie(&self);

    fn op(&self) -> &Domain {
        &self.data_of_request().domain
    }
    fn actor(&self) -> &Actor {
        &self.caller().actor
    }
    fn caller(&self) -> &Caller {
        let data = self.data_of_request();
        data.renewed.get().or(data.signed_in.get()).unwrap_or(&data.caller)
    }
    fn loaders(&self) -> &Loaders {
        &self.data_of_request().loaders
    }
    fn explorer(&self) -> &Explorer {
        &self.data_of_request().explorer
    }
    fn site(&self) -> &Site {
        &self.data_of_request().site
    }
}

impl RequestContext for Context<'_> {
    fn data_of_request(&self) -> &RequestData {
        self.data_unchecked::<RequestData>()
    }

    fn sign_in(&self, session: NewSession) -> SecretString {
        self.append_http_header(SET_COOKIE, cookie::set(&session, self.site()));
        let caller = Caller::of(&session, self.actor());
        self.data_of_request().signed_in.get_or_init(|| caller);
        session.token
    }

    fn renew(&self, now: SignedIn) {
        let caller = Caller::by(now, self.actor().origin.clone());
        self.data_of_request().renewed.get_or_init(|| caller);
    }

    fn drop_cookie(&self) {
        self.append_http_header(SET_COOKIE, cookie::clear(self.site()));
    }
}

/// The thing acted on: a malformed id is as unknown as a wrong one.
pub fn id_of<T: TypedId>(id: &ID, what: &'static str) -> Result<T, DomainError> {
    id.parse().map_err(|_| DomainError::NotFound(what))
}

/// A thing referred to, which the operation looks up: a malformed id becomes one that nothing has.
pub fn id_referred_to<T: TypedId>(id: &ID) -> T {
    id.parse().unwrap_or_else(|_| T::from_uuid(uuid::Uuid::nil()))
}

/// The page that a field's arguments ask for; totals are counted only where the query selects them.
pub fn page(
    ctx: &Context<'_>,
    first: Option<i32>,
    after: Option<String>,
    last: Option<i32>,
    before: Option<String>,
) -> PageRequest {
    PageRequest { first, after, last, before, with_total: ctx.look_ahead().field("totalCount").exists() }
}

/// For queries: every refusal is a top-level error.
pub trait OrGraphql<T> {
    fn or_graphql(self) -> async_graphql::Result<T>;
}

impl<T> OrGraphql<T> for Result<T, DomainError> {
    fn or_graphql(self) -> async_graphql::Result<T> {
        self.map_err(to_graphql)
    }
}
