//! Where a product's calls go, per environment.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, SimpleObject};
use domain::{
    ops::product_environments::{self, Header, SetEnvironment},
    read::catalog,
    rules::visibility::Onlooker,
};
use entities::{columns::HeaderContent, product, product_environment};

use crate::graphql::{
    enums::{Backend, Environment, LogSink},
    eyes::Eyes,
    payload::payload,
    portal::change,
    product::{Product, ProductPayload},
    request::{RequestContext, id_of},
    scalars::Url,
};

/// Where a product's calls of one environment go. All but `environment` and `baseUrl` is for staff.
#[derive(Debug, Clone)]
pub struct ProductEnvironment {
    pub row: product_environment::Model,
    pub product: product::Model,
    pub eyes: Eyes,
}

/// A header; the value is null where it is a secret.
#[derive(SimpleObject, Debug, Clone)]
pub struct HeaderValue {
    pub name: String,
    pub value: Option<String>,
}

impl ProductEnvironment {
    fn for_staff<T>(&self, ctx: &Context<'_>, value: impl FnOnce(&product_environment::Model) -> Option<T>) -> Option<T> {
        (catalog::onlooker(&self.eyes.of(ctx)) == Onlooker::Staff).then(|| value(&self.row)).flatten()
    }
}

#[Object]
impl ProductEnvironment {
    async fn environment(&self) -> Environment {
        self.row.environment.into()
    }
    /// What calls start with; a version's path prefix comes behind it.
    async fn base_url(&self, ctx: &Context<'_>) -> Url {
        Url(format!("{}/{}", ctx.site().gateway_url, self.product.base_path))
    }
    async fn backend(&self, ctx: &Context<'_>) -> Option<Backend> {
        self.for_staff(ctx, |row| Some(row.backend.into()))
    }
    async fn upstream_url(&self, ctx: &Context<'_>) -> Option<Url> {
        self.for_staff(ctx, |row| row.upstream_url.clone().map(Url))
    }
    /// What the gateway adds to calls.
    async fn headers(&self, ctx: &Context<'_>) -> Option<Vec<HeaderValue>> {
        self.for_staff(ctx, |row| {
            let shown = row.headers.iter().map(|header| HeaderValue {
                name: header.name.clone(),
                value: match &header.value {
                    HeaderContent::Plain(value) => Some(value.clone()),
                    HeaderContent::Sealed(_) => None,
                },
            });
            Some(shown.collect())
        })
    }
    /// How long the gateway waits for the upstream, in milliseconds.
    async fn timeout_ms(&self, ctx: &Context<'_>) -> Option<i32> {
        self.for_staff(ctx, |row| Some(row.timeout_ms))
    }
    async fn log_sink(&self, ctx: &Context<'_>) -> Option<LogSink> {
        self.for_staff(ctx, |row| Some(row.log_sink.into()))
    }
    /// Origins whose pages may call the gateway here (CORS); `*` alone is all of them. Where there are none, the gateway adds
    /// nothing, and what the upstream says of it passes.
    async fn allowed_origins(&self, ctx: &Context<'_>) -> Option<Vec<String>> {
        self.for_staff(ctx, |row| Some(row.allowed_origins.to_vec()))
    }
}

/// A header that the gateway adds to calls.
#[derive(InputObject)]
pub struct HeaderInput {
    name: String,
    /// Of a secret: empty keeps the value that is stored under this name.
    value: String,
    /// Encrypted, and never shown again.
    secret: bool,
}

/// An omitted field stays.
#[derive(InputObject)]
pub struct SetProductEnvironmentInput {
    product_id: ID,
    environment: Environment,
    /// MOCK takes no upstreamUrl and no headers; those that are stored stay for when it is UPSTREAM again.
    backend: Backend,
    /// http or https; private networks are allowed, addresses that hand out a machine's secrets are not.
    #[graphql(default)]
    upstream_url: MaybeUndefined<Url>,
    /// The whole list, 32 at most.
    headers: Option<Vec<HeaderInput>>,
    /// From 1 to 120000; unless given, 30000.
    timeout_ms: Option<i32>,
    log_sink: Option<LogSink>,
    /// The whole list: origins such as `https://app.example.com`, or `*` alone for every page. Empty: none are set.
    allowed_origins: Option<Vec<String>>,
}

#[derive(Default)]
pub struct ProductEnvironmentMutation;

#[Object]
impl ProductEnvironmentMutation {
    async fn set_product_environment(
        &self,
        ctx: &Context<'_>,
        input: SetProductEnvironmentInput,
    ) -> async_graphql::Result<Option<ProductPayload>> {
        let header = |header: HeaderInput| Header { name: header.name, value: header.value.into(), secret: header.secret };
        let done = async {
            let cmd = SetEnvironment {
                product: id_of(&input.product_id, "product")?,
                environment: input.environment.into(),
                backend: input.backend.into(),
                upstream_url: change(input.upstream_url, |url| url.0),
                headers: input.headers.map(|all| all.into_iter().map(header).collect()),
                timeout_ms: input.timeout_ms,
                log_sink: input.log_sink.map(Into::into),
                allowed_origins: input.allowed_origins,
            };
            product_environments::set(ctx.op(), ctx.actor(), cmd).await
        };
        payload(done.await.map(Product::from))
    }
}
