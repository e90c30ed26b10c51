//! The headings of the catalog.

use async_graphql::{Context, ID, InputObject, Object};
use domain::{ops::categories, read::catalog};
use entities::category;

use crate::{
    graphql::{
        payload::{DeletePayload, payload},
        request::{OrGraphql, RequestContext, id_of},
    },
    payload_type,
};

/// A heading that products stand under.
#[derive(Debug, Clone)]
pub struct Category(pub category::Model);

#[Object]
impl Category {
    pub async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }
    async fn name(&self) -> &str {
        &self.0.name
    }
    /// What `products(category:)` takes.
    async fn slug(&self) -> &str {
        &self.0.slug
    }
}

#[derive(Default)]
pub struct CategoryQuery;

#[Object]
impl CategoryQuery {
    /// By name; without a staff role only those that hold a product you may see.
    async fn categories(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<Category>> {
        let rows = catalog::categories(ctx.op(), ctx.actor()).await.or_graphql()?;
        Ok(rows.into_iter().map(Category).collect())
    }
}

/// A new heading; its slug is made from the name.
#[derive(InputObject)]
pub struct CreateCategoryInput {
    name: String,
}

/// Which heading.
#[derive(InputObject)]
pub struct CategoryIdInput {
    category_id: ID,
}

payload_type! { CategoryPayload { category: Category } }

#[derive(Default)]
pub struct CategoryMutation;

#[Object]
impl CategoryMutation {
    async fn create_category(
        &self,
        ctx: &Context<'_>,
        input: CreateCategoryInput,
    ) -> async_graphql::Result<Option<CategoryPayload>> {
        payload(categories::create(ctx.op(), ctx.actor(), &input.name).await.map(Category))
    }

    /// The products under it stay.
    async fn delete_category(&self, ctx: &Context<'_>, input: CategoryIdInput) -> async_graphql::Result<Option<DeletePayload>> {
        let done = async {
            let id = id_of(&input.category_id, "category")?;
            categories::delete(ctx.op(), ctx.actor(), id).await
        };
        payload(done.await.map(|id| ID(id.to_string())))
    }
}
