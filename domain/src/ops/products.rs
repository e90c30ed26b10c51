//! Products: making them, changing them, their way from draft to retired.

use std::collections::BTreeSet;

use entities::{
    category,
    enums::{ProductStatus, Visibility},
    id::{CategoryId, ProductId},
    product::{ActiveModel, Column, Entity, Model},
    product_category,
};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter};

use crate::{
    Actor, Domain, DomainError, Problem, ProblemCode, Result, Tx,
    access::require_staff,
    audit::{Action, Audit},
    error::Problems,
    rules::{policy::StaffRight, product, text},
    tx::{Touch, retrying},
};

const NAME_MAX: usize = 80;
const SUMMARY_MAX: usize = 200;
const DESCRIPTION_MAX: usize = 20_000;

#[derive(Debug, Clone)]
pub struct CreateProduct {
    pub slug: String,
    pub name: String,
    pub summary: String,
    /// Markdown.
    pub description: Option<String>,
    pub base_path: String,
    pub visibility: Visibility,
    pub categories: Vec<CategoryId>,
    pub encoded_slashes: bool,
}

/// An omitted field stays; `Some(None)` clears it.
#[derive(Debug, Clone)]
pub struct UpdateProduct {
    pub product: ProductId,
    pub slug: Option<String>,
    pub name: Option<String>,
    pub summary: Option<String>,
    pub description: Option<Option<String>>,
    pub visibility: Option<Visibility>,
    pub categories: Option<Vec<CategoryId>>,
    pub icon_url: Option<Option<String>>,
    pub encoded_slashes: Option<bool>,
}

/// The product, or `NotFound`.
pub(crate) async fn load(db: &impl ConnectionTrait, id: ProductId) -> Result<Model> {
    Entity::find_by_id(id).one(db).await?.ok_or(DomainError::NotFound("product"))
}

/// Raises the product's version, so that of two operations on what belongs to it one comes after the other; and has
/// gateways load it anew.
pub(crate) async fn changed(tx: &Tx<'_>, product: Model) -> Result<Model> {
    tx.touch_gateway(Touch::Product(product.id));
    let version = product.version;
    tx.update::<Entity>(product.into_active_model(), Column::Version, version).await
}

/// A new product, in status DRAFT.
pub async fn create(ctx: &Domain, actor: &Actor, cmd: CreateProduct) -> Result<Model> {
    require_staff(actor, StaffRight::Edit)?;
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        let row = checked(&tx, &cmd).await?;
        Entity::insert(row.clone().into_active_model()).exec_without_returning(tx.db()).await?;
        let categories = link(&tx, row.id, &cmd.categories).await?;
        tx.touch_gateway(Touch::Product(row.id));
        let entry = Audit::of(actor, Action::ProductCreated, row.id)
            .set("slug", &row.slug)
            .set("name", &row.name)
            .set("basePath", &row.base_path)
            .set("visibility", row.visibility)
            .set("encodedSlashes", row.encoded_slashes)
            .set("categories", categories);
        tx.commit(entry).await?;
        Ok(row)
    })
    .await
}

async fn checked(tx: &Tx<'_>, cmd: &CreateProduct) -> Result<Model> {
    let mut problems = Problems::default();
    let slug = problems.take(text::slug("slug", &cmd.slug));
    let name = problems.take(text::name("name", &cmd.name, NAME_MAX));
    let summary = problems.take(text::name("summary", &cmd.summary, SUMMARY_MAX));
    let description = problems.take(text::prose("description", cmd.description.as_deref(), DESCRIPTION_MAX));
    let base_path = problems.take(product::base_path("basePath", &cmd.base_path));
    if let Some(slug) = &slug {
        problems.take(free(tx, Column::Slug, "slug", slug, None).await?);
    }
    if let Some(base_path) = &base_path {
        problems.take(free(tx, Column::BasePath, "basePath", base_path, None).await?);
    }
    problems.take(known(tx, &cmd.categories).await?);
    problems.into_result()?;
    let (Some(slug), Some(name), Some(summary), Some(base_path)) = (slug, name, summary, base_path) else {
        return Err(DomainError::internal("a field is missing although nothing is wrong with it"));
    };
    Ok(Model {
        id: tx.ctx().env.id(),
        slug,
        name,
        summary,
        description: description.flatten(),
        icon_url: None,
        status: ProductStatus::Draft,
        visibility: cmd.visibility,
        base_path,
        encoded_slashes: cmd.encoded_slashes,
        created_at: tx.now(),
        version: 1,
    })
}

pub async fn update(ctx: &Domain, actor: &Actor, cmd: UpdateProduct) -> Result<Model> {
    require_staff(actor, StaffRight::Edit)?;
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        let before = load(tx.db(), cmd.product).await?;
        let mut row = before.clone().into_active_model();
        apply(&tx, &mut row, &cmd).await?;
        let after = tx.update::<Entity>(row, Column::Version, before.version).await?;
        let mut entry = Audit::of(actor, Action::ProductUpdated, after.id)
            .change("slug", &before.slug, &after.slug)
            .change("name", &before.name, &after.name)
            .change("summary", &before.summary, &after.summary)
            .change("description", &before.description, &after.description)
            .change("visibility", before.visibility, after.visibility)
            .change("iconUrl", &before.icon_url, &after.icon_url)
            .change("encodedSlashes", before.encoded_slashes, after.encoded_slashes);
        if let Some(categories) = &cmd.categories {
            let old = unlink(&tx, after.id).await?;
            entry = entry.change("categories", old, link(&tx, after.id, categories).await?);
        }
        tx.touch_gateway(Touch::Product(after.id));
        tx.commit(entry).await?;
        Ok(after)
    })
    .await
}

async fn apply(tx: &Tx<'_>, row: &mut ActiveModel, cmd: &UpdateProduct) -> Result<()> {
    let mut problems = Problems::default();
    if let Some(slug) = cmd.slug.as_ref().and_then(|slug| problems.take(text::slug("slug", slug))) {
        problems.take(free(tx, Column::Slug, "slug", &slug, Some(cmd.product)).await?);
        row.slug = Set(slug);
    }
    if let Some(name) = cmd.name.as_ref().and_then(|name| problems.take(text::name("name", name, NAME_MAX))) {
        row.name = Set(name);
    }
    if let Some(summary) = cmd.summary.as_ref().and_then(|s| problems.take(text::name("summary", s, SUMMARY_MAX))) {
        row.summary = Set(summary);
    }
    if let Some(description) = &cmd.description
        && let Some(description) = problems.take(text::prose("description", description.as_deref(), DESCRIPTION_MAX))
    {
        row.description = Set(description);
    }
    if let Some(url) = &cmd.icon_url
        && let Some(url) = problems.take(url.as_deref().map(|url| text::web_url("iconUrl", url)).transpose())
    {
        row.icon_url = Set(url);
    }
    if let Some(visibility) = cmd.visibility {
        row.visibility = Set(visibility);
    }
    if let Some(encoded_slashes) = cmd.encoded_slashes {
        row.encoded_slashes = Set(encoded_slashes);
    }
    problems.take(known(tx, cmd.categories.as_deref().unwrap_or_default()).await?);
    problems.into_result()
}

pub async fn set_status(ctx: &Domain, actor: &Actor, id: ProductId, status: ProductStatus) -> Result<Model> {
    require_staff(actor, StaffRight::Edit)?;
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        let before = load(tx.db(), id).await?;
        product::transition(before.status, status)?;
        let mut row = before.clone().into_active_model();
        row.status = Set(status);
        let after = tx.update::<Entity>(row, Column::Version, before.version).await?;
        tx.touch_gateway(Touch::Product(id));
        tx.commit(Audit::of(actor, Action::ProductStatusSet, id).change("status", before.status, after.status)).await?;
        Ok(after)
    })
    .await
}

/// Whether no other product has this value; `path` names the field.
async fn free(tx: &Tx<'_>, column: Column, path: &str, value: &str, but: Option<ProductId>) -> Result<Result<(), Problem>> {
    let holder = Entity::find().filter(column.eq(value)).one(tx.db()).await?;
    Ok(match holder {
        Some(other) if Some(other.id) != but => {
            Err(Problem::new(ProblemCode::Taken, path, format!("{value} is taken by another product: choose another")))
        }
        _ => Ok(()),
    })
}

async fn known(tx: &Tx<'_>, categories: &[CategoryId]) -> Result<Result<(), Problem>> {
    let wanted: BTreeSet<_> = categories.iter().map(|id| id.0).collect();
    if wanted.is_empty() {
        return Ok(Ok(()));
    }
    let found = category::Entity::find().filter(category::Column::Id.is_in(wanted.iter().copied())).count(tx.db()).await?;
    Ok(match found == wanted.len() as u64 {
        true => Ok(()),
        false => Err(Problem::new(ProblemCode::NotFound, "categories", "names a category that does not exist")),
    })
}

async fn unlink(tx: &Tx<'_>, product: ProductId) -> Result<BTreeSet<CategoryId>> {
    let of_product = product_category::Column::ProductId.eq(product);
    let old = product_category::Entity::find().filter(of_product.clone()).all(tx.db()).await?;
    product_category::Entity::delete_many().filter(of_product).exec(tx.db()).await?;
    Ok(old.into_iter().map(|row| row.category_id).collect())
}

async fn link(tx: &Tx<'_>, product: ProductId, categories: &[CategoryId]) -> Result<BTreeSet<CategoryId>> {
    let categories: BTreeSet<_> = categories.iter().copied().collect();
    let rows = categories.iter().map(|&id| product_category::ActiveModel { product_id: Set(product), category_id: Set(id) });
    if !categories.is_empty() {
        product_category::Entity::insert_many(rows).exec_without_returning(tx.db()).await?;
    }
    Ok(categories)
}
