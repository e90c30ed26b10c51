//! The operations of products.

use async_graphql::{Context, ID, InputObject, Object};
use domain::{ops::specs, read::endpoints};
use entities::endpoint;

use crate::graphql::{
    access_explanation::{self, AccessExplanation},
    connection::HasCursor,
    enums::EndpointStatus,
    json_text::JsonText,
    payload::payload,
    product::{Product, ProductPayload},
    request::{OrGraphql, RequestContext, id_of},
};

/// One operation of a product: a method on a path template.
#[derive(Debug, Clone)]
pub struct Endpoint(pub endpoint::Model);

impl HasCursor for Endpoint {
    fn cursor(&self) -> String {
        self.0.id.to_string()
    }
}

#[Object]
impl Endpoint {
    pub async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }
    async fn operation_id(&self) -> Option<&str> {
        self.0.operation_id.as_deref()
    }
    /// Upper case.
    async fn method(&self) -> &str {
        &self.0.method
    }
    /// The template behind the product's base path, the version's prefix included: `/v2/pets/{id}`.
    async fn path(&self) -> &str {
        &self.0.path
    }
    /// Cut at 300 characters; `operation` has the whole.
    async fn summary(&self) -> Option<&str> {
        self.0.summary.as_deref()
    }
    async fn tags(&self) -> Vec<&str> {
        self.0.tags.iter().map(String::as_str).collect()
    }
    /// Scopes that suffice together; where the document allows several sets, its first. Empty: none is needed.
    async fn required_scopes(&self) -> Vec<&str> {
        self.0.scopes.first().into_iter().flatten().map(String::as_str).collect()
    }
    async fn deprecated(&self) -> bool {
        self.0.deprecated
    }
    async fn status(&self) -> EndpointStatus {
        self.0.status.into()
    }
    /// The OpenAPI operation object with its path's parameters in it and references resolved. One that leads back into itself
    /// stays a `$ref` into the document, and so do those that would make it larger than about 1 MiB.
    async fn operation(&self, ctx: &Context<'_>) -> async_graphql::Result<JsonText> {
        // One after the other: whoever asks for many does not keep others from theirs.
        let _turn = ctx.data_of_request().one_at_a_time.lock().await;
        endpoints::operation(ctx.op(), &self.0).await.map(JsonText).or_graphql()
    }
    /// Whether a team's calls to it pass, and why; for the team's members with READ access to its credentials, and for staff.
    async fn callable(&self, ctx: &Context<'_>, team_id: ID) -> async_graphql::Result<AccessExplanation> {
        access_explanation::callable(ctx, &self.0, &team_id).await
    }
}

crate::connection! { EndpointConnection EndpointEdge Endpoint }

/// An endpoint, and whether partners see and call it.
#[derive(InputObject)]
pub struct SetEndpointStatusInput {
    endpoint_id: ID,
    status: EndpointStatus,
}

#[derive(Default)]
pub struct EndpointMutation;

#[Object]
impl EndpointMutation {
    async fn set_endpoint_status(
        &self,
        ctx: &Context<'_>,
        input: SetEndpointStatusInput,
    ) -> async_graphql::Result<Option<ProductPayload>> {
        let done = async {
            let id = id_of(&input.endpoint_id, "endpoint")?;
            specs::set_endpoint_status(ctx.op(), ctx.actor(), id, input.status.into()).await
        };
        payload(done.await.map(Product::from))
    }
}
