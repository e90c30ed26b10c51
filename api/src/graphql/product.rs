//! Products.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object};
use domain::{
    access,
    ops::products,
    read::{
        assignments,
        catalog::{self, Filter},
        endpoints, specs,
    },
    rules::policy::StaffRight,
};
use entities::product;

use crate::{
    graphql::{
        assignment::{Assignment, AssignmentConnection},
        category::Category,
        connection::HasCursor,
        endpoint::{Endpoint, EndpointConnection},
        enums::{ProductStatus, Visibility},
        eyes::Eyes,
        loaders::catalog::{CategoriesOf, CurrentSpecOf, EnvironmentsOf},
        loaders::lists::{HeldOf, PlansOf, one},
        loaders::loaded,
        payload::payload,
        plan::Plan,
        portal::change,
        product_environment::ProductEnvironment,
        request::{OrGraphql, RequestContext, id_of, id_referred_to, page},
        scalars::Url,
        spec::{SpecVersion, SpecVersionConnection},
        subscription::Subscription,
    },
    payload_type,
};

/// An API under one gateway base path.
#[derive(Debug, Clone)]
pub struct Product {
    pub row: product::Model,
    eyes: Eyes,
}

impl Product {
    /// As it is seen by the eyes that something it belongs to is seen by.
    pub fn seen(row: product::Model, eyes: Eyes) -> Self {
        Self { row, eyes }
    }
}

impl From<product::Model> for Product {
    fn from(row: product::Model) -> Self {
        Self::seen(row, Eyes::Own)
    }
}

impl HasCursor for Product {
    fn cursor(&self) -> String {
        self.row.id.to_string()
    }
}

#[Object]
impl Product {
    pub async fn id(&self) -> ID {
        self.row.id.to_string().into()
    }
    async fn slug(&self) -> &str {
        &self.row.slug
    }
    async fn name(&self) -> &str {
        &self.row.name
    }
    async fn summary(&self) -> &str {
        &self.row.summary
    }
    /// Markdown.
    async fn description(&self) -> Option<&str> {
        self.row.description.as_deref()
    }
    async fn icon_url(&self) -> Option<Url> {
        self.row.icon_url.clone().map(Url)
    }
    async fn categories(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<Category>> {
        let rows = loaded(ctx.loaders().products.load_one(CategoriesOf(self.row.id)).await)?;
        Ok(rows.unwrap_or_default().into_iter().map(Category).collect())
    }
    async fn status(&self) -> ProductStatus {
        self.row.status.into()
    }
    async fn visibility(&self) -> Visibility {
        self.row.visibility.into()
    }
    /// The first segment of every call's path, without slashes.
    async fn base_path(&self) -> &str {
        &self.row.base_path
    }
    /// Whether a parameter of a path may hold `%2F`; else such a call is refused.
    async fn encoded_slashes(&self) -> bool {
        self.row.encoded_slashes
    }
    /// The operations of the served versions in the order of their documents, the current version's first. Every word of
    /// `search` is found in method, path, operation id, summary or tags.
    async fn endpoints(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        search: Option<String>,
    ) -> async_graphql::Result<EndpointConnection> {
        let page = page(ctx, first, after, last, before);
        let found =
            endpoints::of_product(ctx.op(), &self.eyes.of(ctx), self.row.id, search.as_deref(), &page).await.or_graphql()?;
        Ok(EndpointConnection(found.map(Endpoint)))
    }
    /// The versions of its document, newest first, retired ones too.
    async fn specs(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<SpecVersionConnection> {
        let page = page(ctx, first, after, last, before);
        let found = specs::of_product(ctx.op(), self.row.id, &page).await.or_graphql()?;
        Ok(SpecVersionConnection(found.map(|row| SpecVersion::seen(row, self.eyes))))
    }
    async fn current_spec(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<SpecVersion>> {
        Ok(loaded(ctx.loaders().products.load_one(CurrentSpecOf(self.row.id)).await)?
            .map(|row| SpecVersion::seen(row, self.eyes)))
    }
    /// Those that are set up, sandbox first.
    async fn environments(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<ProductEnvironment>> {
        let rows = loaded(ctx.loaders().products.load_one(EnvironmentsOf(self.row.id)).await)?.unwrap_or_default();
        Ok(rows.into_iter().map(|row| ProductEnvironment { row, product: self.row.clone(), eyes: self.eyes }).collect())
    }
    /// What it is offered under, oldest first. Staff see plans that are not offered too.
    async fn plans(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<Plan>> {
        let key = PlansOf { product: self.row.id, all: domain::read::plans::sees_all(&self.eyes.of(ctx)) };
        Ok(one(ctx, key).await?.unwrap_or_default().into_iter().map(|row| Plan::seen(row, self.eyes)).collect())
    }
    /// What your teams hold of it, newest first.
    async fn viewer_subscriptions(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<Subscription>> {
        let Some(teams) = catalog::teams(&self.eyes.of(ctx)) else { return Ok(Vec::new()) };
        Ok(one(ctx, HeldOf(teams, self.row.id)).await?.unwrap_or_default().into_iter().map(Subscription).collect())
    }
    /// To whom it is assigned, newest first; for staff.
    async fn assignments(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<Option<AssignmentConnection>> {
        let page = page(ctx, first, after, last, before);
        let found = assignments::of_product(ctx.op(), &self.eyes.of(ctx), self.row.id, &page).await.or_graphql()?;
        Ok(found.map(|found| AssignmentConnection(found.map(Assignment))))
    }
}

crate::connection! { ProductConnection ProductEdge Product }

#[derive(Default)]
pub struct ProductQuery;

#[Object]
impl ProductQuery {
    /// The catalog as you may see it, by name. Every word of `search` is found in name, slug, summary, description or a
    /// category's name; `category` is a category's slug.
    #[expect(clippy::too_many_arguments, reason = "the field's arguments")]
    async fn products(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        search: Option<String>,
        category: Option<String>,
    ) -> async_graphql::Result<ProductConnection> {
        let page = page(ctx, first, after, last, before);
        let filter = Filter { search, category, status: None };
        let found = catalog::products(ctx.op(), ctx.actor(), &filter, &page).await.or_graphql()?;
        Ok(ProductConnection(found.map(Product::from)))
    }

    /// Null for what does not exist or you may not see.
    async fn product(&self, ctx: &Context<'_>, slug: String) -> async_graphql::Result<Option<Product>> {
        let found = catalog::product_by_slug(ctx.op(), ctx.actor(), &slug).await.or_graphql()?;
        Ok(found.map(Product::from))
    }
}

/// The provider's view of the catalog.
#[derive(Default)]
pub struct ProviderCatalog;

#[Object]
impl ProviderCatalog {
    /// All products by name, drafts and retired ones too.
    #[expect(clippy::too_many_arguments, reason = "the field's arguments")]
    async fn products(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        status: Option<ProductStatus>,
        search: Option<String>,
    ) -> async_graphql::Result<ProductConnection> {
        access::require_staff(ctx.actor(), StaffRight::Read).or_graphql()?;
        let page = page(ctx, first, after, last, before);
        let filter = Filter { search, category: None, status: status.map(Into::into) };
        let found = catalog::products(ctx.op(), ctx.actor(), &filter, &page).await.or_graphql()?;
        Ok(ProductConnection(found.map(Product::from)))
    }

    /// The catalog as the members of this team see it, by name, and all that leads on from it too: plans, endpoints, versions and
    /// what the team holds.
    async fn catalog_as(
        &self,
        ctx: &Context<'_>,
        team_id: ID,
        first: Option<i32>,
        after: Option<String>,
    ) -> async_graphql::Result<ProductConnection> {
        let team = id_of(&team_id, "team").or_graphql()?;
        let page = page(ctx, first, after, None, None);
        let found = catalog::products_as(ctx.op(), ctx.actor(), team, &page).await.or_graphql()?;
        Ok(ProductConnection(found.map(|row| Product::seen(row, Eyes::MemberOf(team)))))
    }
}

/// A new product; it starts as a DRAFT.
#[derive(InputObject)]
pub struct CreateProductInput {
    /// Lower case letters, digits and hyphens; stands in addresses of the portal.
    slug: String,
    name: String,
    /// One line.
    summary: String,
    /// Markdown.
    description: Option<String>,
    /// The first segment of every call's path; it cannot be changed.
    base_path: String,
    visibility: Visibility,
    categories: Option<Vec<ID>>,
    /// Takes `%2F` in a parameter of a path and forwards it as it is. Only for an upstream that does not split a path there.
    encoded_slashes: Option<bool>,
}

/// An omitted field stays; null clears it.
#[derive(InputObject)]
pub struct UpdateProductInput {
    product_id: ID,
    slug: Option<String>,
    name: Option<String>,
    summary: Option<String>,
    #[graphql(default)]
    description: MaybeUndefined<String>,
    visibility: Option<Visibility>,
    /// The whole list.
    #[graphql(default)]
    categories: MaybeUndefined<Vec<ID>>,
    #[graphql(default)]
    icon_url: MaybeUndefined<Url>,
    /// Takes `%2F` in a parameter of a path and forwards it as it is. Only for an upstream that does not split a path there.
    encoded_slashes: Option<bool>,
}

/// Where a product goes on its way: DRAFT, PUBLISHED, DEPRECATED, RETIRED.
#[derive(InputObject)]
pub struct SetProductStatusInput {
    product_id: ID,
    status: ProductStatus,
}

payload_type! { #[graphql(complex)] ProductPayload { product: Product } }
crate::enforced! { ProductPayload }

#[derive(Default)]
pub struct ProductMutation;

#[Object]
impl ProductMutation {
    async fn create_product(
        &self,
        ctx: &Context<'_>,
        input: CreateProductInput,
    ) -> async_graphql::Result<Option<ProductPayload>> {
        let cmd = products::CreateProduct {
            slug: input.slug,
            name: input.name,
            summary: input.summary,
            description: input.description,
            base_path: input.base_path,
            visibility: input.visibility.into(),
            categories: input.categories.iter().flatten().map(id_referred_to).collect(),
            encoded_slashes: input.encoded_slashes.unwrap_or_default(),
        };
        payload(products::create(ctx.op(), ctx.actor(), cmd).await.map(Product::from))
    }

    async fn update_product(
        &self,
        ctx: &Context<'_>,
        input: UpdateProductInput,
    ) -> async_graphql::Result<Option<ProductPayload>> {
        let done = async {
            let cmd = products::UpdateProduct {
                product: id_of(&input.product_id, "product")?,
                slug: input.slug,
                name: input.name,
                summary: input.summary,
                description: change(input.description, |text| text),
                visibility: input.visibility.map(Into::into),
                categories: change(input.categories, |ids| ids.iter().map(id_referred_to).collect())
                    .map(Option::unwrap_or_default),
                icon_url: change(input.icon_url, |url| url.0),
                encoded_slashes: input.encoded_slashes,
            };
            products::update(ctx.op(), ctx.actor(), cmd).await
        };
        payload(done.await.map(Product::from))
    }

    /// DRAFT and RETIRED products are there for staff alone. A PUBLISHED one is DEPRECATED before it is RETIRED.
    async fn set_product_status(
        &self,
        ctx: &Context<'_>,
        input: SetProductStatusInput,
    ) -> async_graphql::Result<Option<ProductPayload>> {
        let done = async {
            let id = id_of(&input.product_id, "product")?;
            products::set_status(ctx.op(), ctx.actor(), id, input.status.into()).await
        };
        payload(done.await.map(Product::from))
    }
}
