//! The log of calls.

use async_graphql::{Context, ID, InputObject, Object};
use chrono::{DateTime, Utc};
use domain::{
    DomainError,
    read::{
        catalog,
        page::PageRequest,
        request_log::{self, Calls, Filter},
    },
};
use entities::{columns::LoggedHeader, id::RequestId, request_log::Model};

use crate::{
    connection,
    graphql::{
        client::Client,
        connection::HasCursor,
        credential::Credential,
        enums::{DenialReason, Environment},
        loaders::lists::{ProductsOf, one},
        loaders::loaded,
        product::Product,
        product_environment::HeaderValue,
        profile::Profile,
        request::{OrGraphql, RequestContext},
        scalars::Moment,
    },
};

/// A call that reached the gateway.
#[derive(Debug, Clone)]
pub struct RequestLogEntry(pub Model);

connection! { RequestLogConnection RequestLogEdge RequestLogEntry }

impl HasCursor for RequestLogEntry {
    fn cursor(&self) -> String {
        self.0.id.to_string()
    }
}

#[Object]
impl RequestLogEntry {
    pub async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }
    /// What the answer's `X-Request-ID` said.
    async fn request_id(&self) -> String {
        RequestId(self.0.id.0).to_string()
    }
    async fn at(&self) -> DateTime<Utc> {
        self.0.at
    }
    /// PRODUCTION for a call that was refused before its environment was known.
    async fn environment(&self) -> Environment {
        self.0.environment.map_or(Environment::Production, Into::into)
    }
    async fn method(&self) -> &str {
        &self.0.method
    }
    /// Without the query, which may hold secrets.
    async fn path(&self) -> &str {
        &self.0.path
    }
    /// The endpoint's template; null where none was found.
    async fn endpoint(&self) -> Option<&str> {
        self.0.endpoint.as_deref()
    }
    async fn status(&self) -> i32 {
        self.0.status.into()
    }
    /// From the request's head to the answer's end.
    async fn latency_ms(&self) -> f64 {
        // Exact for calls of less than 285 years.
        self.0.latency_us as f64 / 1000.0
    }
    /// Why the gateway refused; null where it did not.
    async fn denial(&self) -> Option<DenialReason> {
        self.0.denial.map(Into::into)
    }
    async fn ip(&self) -> &str {
        &self.0.ip
    }
    async fn user_agent(&self) -> Option<&str> {
        self.0.user_agent.as_deref()
    }
    /// A value is null where it was redacted.
    async fn request_headers(&self) -> Vec<HeaderValue> {
        self.0.request_headers.iter().map(header).collect()
    }
    /// A value is null where it was redacted.
    async fn response_headers(&self) -> Vec<HeaderValue> {
        self.0.response_headers.iter().map(header).collect()
    }
    async fn client(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Client>> {
        let Some(id) = self.0.client_id else { return Ok(None) };
        Ok(loaded(ctx.loaders().clients.load_one(id).await)?.filter(|row| Some(row.team_id) == self.0.team_id).map(Client))
    }
    async fn profile(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Profile>> {
        let Some(id) = self.0.profile_id else { return Ok(None) };
        Ok(loaded(ctx.loaders().profiles.load_one(id).await)?.filter(|row| Some(row.team_id) == self.0.team_id).map(Profile))
    }
    async fn credential(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Credential>> {
        let Some(id) = self.0.credential_id else { return Ok(None) };
        Ok(loaded(ctx.loaders().credentials.load_one(id).await)?
            .filter(|row| Some(row.team_id) == self.0.team_id)
            .map(Credential))
    }
    /// Null where the path led to no product that the viewer may see.
    async fn product(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Product>> {
        let Some(id) = self.0.product_id else { return Ok(None) };
        let Some(product) = loaded(ctx.loaders().products.load_one(id).await)? else { return Ok(None) };
        let held = match self.0.client_id {
            Some(client) => one(ctx, ProductsOf(client)).await?.unwrap_or_default(),
            None => Vec::new(),
        };
        Ok(catalog::may_see_of(ctx.actor(), &product, &held).then_some(Product::from(product)))
    }
    /// Whether it was made from the portal's explorer.
    async fn via_explorer(&self) -> bool {
        self.0.via_explorer
    }
    /// Whether the answer came to its end. False where the upstream broke it off, or the caller went away before.
    async fn completed(&self) -> bool {
        self.0.completed
    }
}

fn header(logged: &LoggedHeader) -> HeaderValue {
    HeaderValue { name: logged.name.clone(), value: logged.value.clone() }
}

/// All that is given has to hold.
#[derive(InputObject)]
pub struct RequestLogFilter {
    environment: Option<Environment>,
    status: Option<i32>,
    /// 2 for 200 to 299.
    status_class: Option<i32>,
    method: Option<String>,
    /// What the path starts with.
    path: Option<String>,
    denial: Option<DenialReason>,
    /// Inclusive.
    from: Option<Moment>,
    /// Exclusive.
    to: Option<Moment>,
    request_id: Option<String>,
}

impl From<RequestLogFilter> for Filter {
    fn from(input: RequestLogFilter) -> Self {
        Self {
            environment: input.environment.map(Into::into),
            status: input.status,
            status_class: input.status_class,
            method: input.method,
            path: input.path,
            denial: input.denial.map(Into::into),
            from: input.from.map(|from| from.0),
            to: input.to.map(|to| to.0),
            request_id: input.request_id,
        }
    }
}

/// A part of the log; null for who may not read it.
pub async fn log(
    ctx: &Context<'_>,
    calls: Calls,
    filter: Option<RequestLogFilter>,
    page: PageRequest,
) -> async_graphql::Result<Option<RequestLogConnection>> {
    let filter = filter.map(Filter::from).unwrap_or_default();
    match request_log::page(ctx.op(), ctx.actor(), calls, &filter, &page).await {
        Ok(rows) => Ok(Some(RequestLogConnection(rows.map(RequestLogEntry)))),
        Err(DomainError::Forbidden(_) | DomainError::NotFound(_) | DomainError::SecondFactorRequired(_)) => Ok(None),
        Err(other) => Err(other).or_graphql(),
    }
}

/// All of the log, for staff.
pub async fn staff_log(
    ctx: &Context<'_>,
    calls: Calls,
    filter: Option<RequestLogFilter>,
    page: PageRequest,
) -> async_graphql::Result<RequestLogConnection> {
    let filter = filter.map(Filter::from).unwrap_or_default();
    let rows = request_log::page(ctx.op(), ctx.actor(), calls, &filter, &page).await.or_graphql()?;
    Ok(RequestLogConnection(rows.map(RequestLogEntry)))
}
