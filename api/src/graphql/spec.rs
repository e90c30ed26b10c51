//! Versions of products' OpenAPI documents.

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, Object};
use chrono::{DateTime, Utc};
use domain::{ops::specs, read::spec_changes};
use entities::spec_version;

use crate::{
    graphql::{
        connection::HasCursor,
        enums::{Environment, SpecChangeKind, SpecFormat, SpecStatus},
        eyes::Eyes,
        loaders::{
            found,
            lists::{Breaks, ChangesOf, one},
        },
        payload::payload,
        product::{Product, ProductPayload},
        request::{RequestContext, id_of},
        scalars::Url,
    },
    payload_type,
};

/// A version of a product's OpenAPI document. Several can be served at once, each under its path prefix.
#[derive(Debug, Clone)]
pub struct SpecVersion {
    pub row: spec_version::Model,
    eyes: Eyes,
}

impl SpecVersion {
    /// As it is seen by the eyes that its product is seen by.
    pub fn seen(row: spec_version::Model, eyes: Eyes) -> Self {
        Self { row, eyes }
    }
}

impl From<spec_version::Model> for SpecVersion {
    fn from(row: spec_version::Model) -> Self {
        Self::seen(row, Eyes::Own)
    }
}

impl HasCursor for SpecVersion {
    fn cursor(&self) -> String {
        self.row.id.to_string()
    }
}

#[Object]
impl SpecVersion {
    pub async fn id(&self) -> ID {
        self.row.id.to_string().into()
    }
    async fn version(&self) -> &str {
        &self.row.version
    }
    /// The version of the OpenAPI specification, such as `3.1.0`.
    async fn openapi(&self) -> &str {
        &self.row.openapi
    }
    async fn published_at(&self) -> DateTime<Utc> {
        self.row.published_at
    }
    async fn status(&self) -> SpecStatus {
        self.row.status.into()
    }
    /// What stands between the product's base path and the document's paths: empty, or such as `/v2`.
    async fn path_prefix(&self) -> &str {
        &self.row.path_prefix
    }
    /// Empty where it is RETIRED.
    async fn served_by(&self) -> Vec<Environment> {
        self.row.served_by.iter().copied().map(Environment::from).collect()
    }
    /// The document with the gateway as its server. Send what signed you in along where the product is not PUBLIC; answers
    /// have an ETag.
    async fn download_url(
        &self,
        ctx: &Context<'_>,
        #[graphql(default_with = "Some(SpecFormat::Json)")] format: Option<SpecFormat>,
    ) -> async_graphql::Result<Url> {
        let product = found(ctx.loaders().products.load_one(self.row.product_id).await)?;
        let extension = match format {
            None | Some(SpecFormat::Json) => "json",
            Some(SpecFormat::Yaml) => "yaml",
        };
        let base = &ctx.site().base_url;
        Ok(Url(format!("{base}/products/{}/openapi/{}.{extension}", product.slug, self.row.version)))
    }
    /// What it changed of the version before it, breaking changes first.
    async fn changes(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<SpecChange>> {
        let key = ChangesOf { spec: self.row.id, all: spec_changes::sees_all(&self.eyes.of(ctx)) };
        Ok(one(ctx, key).await?.unwrap_or_default().into_iter().map(SpecChange).collect())
    }
    /// Whether a caller of the version before it who did nothing wrong may fail now.
    async fn breaking(&self, ctx: &Context<'_>) -> async_graphql::Result<bool> {
        let key = Breaks { spec: self.row.id, all: spec_changes::sees_all(&self.eyes.of(ctx)) };
        Ok(one(ctx, key).await?.unwrap_or_default())
    }
    /// Markdown.
    async fn release_notes(&self) -> Option<&str> {
        self.row.release_notes.as_deref()
    }
}

/// One difference between two versions of a document.
pub struct SpecChange(pub domain::rules::spec_changes::SpecChange);

#[Object]
impl SpecChange {
    async fn kind(&self) -> SpecChangeKind {
        self.0.kind.into()
    }
    /// Whether it may make calls or the reading of their answers fail.
    async fn breaking(&self) -> bool {
        self.0.breaking
    }
    /// Method and template as the document has them, such as `GET /pets/{id}`.
    async fn operation(&self) -> Option<&str> {
        self.0.operation.as_deref()
    }
    /// What is another than before, and what to do about it where that is plain.
    async fn text(&self) -> &str {
        &self.0.text
    }
}

crate::connection! { SpecVersionConnection SpecVersionEdge SpecVersion }

/// A document to publish.
#[derive(InputObject)]
pub struct PublishSpecInput {
    product_id: ID,
    /// OpenAPI 3.0, 3.1 or 3.2 in JSON or YAML, 32 MiB at most, without references to other documents.
    document: String,
    /// Unless given, the document's `info.version`.
    version: Option<String>,
    /// What stands between the product's base path and the document's paths, such as `/v2`; unless given, nothing.
    path_prefix: Option<String>,
    /// Unless given, all environments.
    served_by: Option<Vec<Environment>>,
    /// Markdown.
    release_notes: Option<String>,
    /// False: operations that no served version under the same prefix had before are drafts, for staff alone.
    publish_endpoints: bool,
}

#[derive(InputObject)]
pub struct SetSpecStatusInput {
    spec_id: ID,
    status: SpecStatus,
    /// Unless given, where it was, or everywhere. Where it is given, the version takes the place of another under its path prefix
    /// there, without a moment in which neither is served.
    served_by: Option<Vec<Environment>>,
}

payload_type! { #[graphql(complex)] PublishSpecPayload { spec: SpecVersion, product: Product } }
crate::enforced! { PublishSpecPayload }

#[derive(Default)]
pub struct SpecMutation;

#[Object]
impl SpecMutation {
    /// The document becomes the CURRENT version and takes over its path prefix in the environments that serve it. What is
    /// wrong with it is told with line and column or as a JSON pointer, several faults at once.
    async fn publish_spec(
        &self,
        ctx: &Context<'_>,
        input: PublishSpecInput,
    ) -> async_graphql::Result<Option<PublishSpecPayload>> {
        let done = async {
            let cmd = specs::PublishSpec {
                product: id_of(&input.product_id, "product")?,
                document: Arc::from(input.document),
                version: input.version,
                path_prefix: input.path_prefix,
                served_by: input.served_by.map(|all| all.into_iter().map(Into::into).collect()),
                release_notes: input.release_notes,
                publish_endpoints: input.publish_endpoints,
            };
            specs::publish(ctx.op(), ctx.actor(), cmd).await
        };
        payload(done.await.map(|(spec, product)| (SpecVersion::from(spec), Product::from(product))))
    }

    /// Makes a version CURRENT (the former one stays SUPPORTED), SUPPORTED or RETIRED.
    async fn set_spec_status(
        &self,
        ctx: &Context<'_>,
        input: SetSpecStatusInput,
    ) -> async_graphql::Result<Option<ProductPayload>> {
        let served_by = input.served_by.map(|all| all.into_iter().map(Into::into).collect());
        let done = async {
            let id = id_of(&input.spec_id, "version")?;
            specs::set_status(ctx.op(), ctx.actor(), id, input.status.into(), served_by).await
        };
        payload(done.await.map(Product::from))
    }
}
