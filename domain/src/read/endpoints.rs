//! The operations of products, in the order of their documents.

use std::{sync::Arc, time::Duration};

use entities::{
    endpoint,
    enums::{EndpointStatus, SpecStatus},
    id::{EndpointId, ProductId, SpecVersionId},
    spec_version,
};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select};

use super::{
    catalog,
    page::{Page, PageRequest},
    search, specs,
};
use crate::{
    Actor, Domain, DomainError, ProblemCode, Result,
    rules::{openapi::Untold, visibility::Onlooker},
};

/// What the actor may see of a product's endpoints: the served versions', and drafts for staff only.
fn shown(actor: &Actor, list: Select<endpoint::Entity>) -> Select<endpoint::Entity> {
    match catalog::onlooker(actor) {
        Onlooker::Staff => list,
        Onlooker::SignedIn | Onlooker::Stranger => list.filter(endpoint::Column::Status.eq(EndpointStatus::Published)),
    }
}

/// The endpoints of a product that the actor was found to see: those of its served versions, the current one's first, then
/// the newest's, each in the order of its document. Every word of the search is found in method, path, operation id,
/// summary or tags.
pub async fn of_product(
    ctx: &Domain,
    actor: &Actor,
    product: ProductId,
    search: Option<&str>,
    request: &PageRequest,
) -> Result<Page<endpoint::Model>> {
    let window = request.window::<EndpointId>()?;
    let versions = served(ctx, product).await?;
    let mut list = shown(actor, endpoint::Entity::find().filter(endpoint::Column::ProductId.eq(product)));
    for word in search::words(search) {
        list = list.filter(endpoint::Column::SearchText.like(search::containing(&word)));
    }
    let total = match request.with_total {
        true => Some(list.clone().filter(endpoint::Column::SpecId.is_in(versions.iter().copied())).count(&ctx.db).await?),
        false => None,
    };
    let after = place(ctx, &versions, "after", window.after).await?;
    let before = place(ctx, &versions, "before", window.before).await?;
    let limit = window.limit + 1;
    let mut rows = Vec::new();
    let mut order: Vec<_> = versions.into_iter().enumerate().collect();
    if window.backward {
        order.reverse();
    }
    // Version by version until the page is full: each part is read along the index.
    for (index, version) in order {
        if after.is_some_and(|at| index < at.index) || before.is_some_and(|at| index > at.index) {
            continue;
        }
        let position = endpoint::Column::Position;
        let mut part = list.clone().filter(endpoint::Column::SpecId.eq(version));
        if let Some(at) = after.filter(|at| at.index == index) {
            part = part.filter(position.gt(at.position));
        }
        if let Some(at) = before.filter(|at| at.index == index) {
            part = part.filter(position.lt(at.position));
        }
        let direction = if window.backward { sea_orm::Order::Desc } else { sea_orm::Order::Asc };
        rows.extend(part.order_by(position, direction).limit(limit - rows.len() as u64).all(&ctx.db).await?);
        if rows.len() as u64 == limit {
            break;
        }
    }
    Ok(Page::from_read(rows, &window, total))
}

/// Where a cursor stands: its version's index, and the place in the document.
#[derive(Clone, Copy)]
struct Place {
    index: usize,
    position: i32,
}

async fn place(ctx: &Domain, versions: &[SpecVersionId], path: &str, cursor: Option<EndpointId>) -> Result<Option<Place>> {
    let Some(cursor) = cursor else { return Ok(None) };
    let found: Option<(SpecVersionId, i32)> = endpoint::Entity::find_by_id(cursor)
        .select_only()
        .columns([endpoint::Column::SpecId, endpoint::Column::Position])
        .into_tuple()
        .one(&ctx.db)
        .await?;
    let index = |spec| versions.iter().position(|version| *version == spec);
    match found.and_then(|(spec, position)| Some(Place { index: index(spec)?, position })) {
        Some(place) => Ok(Some(place)),
        None => Err(DomainError::refused(ProblemCode::Invalid, path, format!("{path} is not a cursor of this list"))),
    }
}

/// The served versions of a product in the order in which gateways look into them.
async fn served(ctx: &Domain, product: ProductId) -> Result<Vec<SpecVersionId>> {
    use spec_version::Column as V;
    let mut found: Vec<(SpecVersionId, SpecStatus)> = spec_version::Entity::find()
        .filter(V::ProductId.eq(product))
        .filter(V::Status.ne(SpecStatus::Retired))
        .order_by_desc(V::PublishedAt)
        .order_by_desc(V::Id)
        .select_only()
        .columns([V::Id, V::Status])
        .into_tuple()
        .all(&ctx.db)
        .await?;
    found.sort_by_key(|(_, status)| *status != SpecStatus::Current);
    Ok(found.into_iter().map(|(id, _)| id).collect())
}

/// `None` for what is not there or not to be seen: a draft, an endpoint of a version that is not served, or one of a product
/// that the actor may not see.
pub async fn endpoint(ctx: &Domain, actor: &Actor, id: EndpointId) -> Result<Option<endpoint::Model>> {
    let one = shown(actor, endpoint::Entity::find_by_id(id)).one(&ctx.db).await?;
    let Some(found) = one else { return Ok(None) };
    if catalog::product(ctx, actor, found.product_id).await?.is_none() {
        return Ok(None);
    }
    let is_served = catalog::onlooker(actor) == Onlooker::Staff || served(ctx, found.product_id).await?.contains(&found.spec_id);
    Ok(is_served.then_some(found))
}

/// What resolving one operation may take.
const TIME: Duration = Duration::from_secs(5);
/// Bytes of an operation as its document writes it.
const MAX_WRITTEN: usize = 8 << 20;

/// The OpenAPI operation object behind an endpoint that the actor was found to see, references resolved as far as
/// [`crate::rules::openapi::Document::operation`] does: as JSON, made once and kept for a while.
pub async fn operation(ctx: &Domain, endpoint: &endpoint::Model) -> Result<Arc<str>> {
    if let Some(text) = ctx.documents.operation(endpoint.id) {
        return Ok(text);
    }
    let turn = ctx.documents.turn_of_the_portal().await;
    if let Some(text) = ctx.documents.operation(endpoint.id) {
        return Ok(text);
    }
    let document = specs::document(ctx, endpoint.spec_id).await?;
    let (path, method) = (endpoint.document_path.clone(), endpoint.method.clone());
    let text = specs::blocking(move || {
        let _turn = turn;
        let told = document.operation(&path, &method, MAX_WRITTEN, &specs::lasting(TIME)).map_err(untold)?;
        Ok(Arc::from(told.to_string()))
    });
    let text = text.await?;
    ctx.documents.keep_operation(endpoint.id, &text);
    Ok(text)
}

fn untold(why: Untold) -> DomainError {
    match why {
        Untold::Missing => DomainError::internal("an endpoint's operation is missing in its document"),
        Untold::TooLarge => DomainError::TooMuch("the operation has more than 8 MiB: download the document (downloadUrl)"),
        Untold::TooLong => {
            DomainError::TooMuch("resolving the operation's references takes too long: download the document (downloadUrl)")
        }
    }
}
