//! What a resolver finds in its context, and how it reads ids.

use async_graphql::{Context, ID};
use domain::{Actor, Domain, DomainError, read::page::PageRequest};
use entities::id::TypedId;

use crate::{auth::Caller, error::to_graphql, graphql::loaders::Loaders};

/// What each request is executed with.
pub struct RequestData {
    pub domain: Domain,
    pub caller: Caller,
    pub loaders: Loaders,
    pub site: std::sync::Arc<Site>,
}

/// Where this instance is reached.
#[derive(Debug, Clone)]
pub struct Site {
    /// Without a trailing slash.
    pub base_url: String,
    pub gateway_url: String,
}

pub trait RequestContext {
    fn data_of_request(&self) -> &RequestData;

    fn op(&self) -> &Domain {
        &self.data_of_request().domain
    }
    fn actor(&self) -> &Actor {
        &self.data_of_request().caller.actor
    }
    fn caller(&self) -> &Caller {
        &self.data_of_request().caller
    }
    fn loaders(&self) -> &Loaders {
        &self.data_of_request().loaders
    }
    fn site(&self) -> &Site {
        &self.data_of_request().site
    }
}

impl RequestContext for Context<'_> {
    fn data_of_request(&self) -> &RequestData {
        self.data_unchecked::<RequestData>()
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
