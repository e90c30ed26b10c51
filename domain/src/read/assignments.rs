//! Who products are assigned to; for staff.

use entities::{
    assignment,
    id::{AssignmentId, ProductId},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::{
    catalog,
    page::{self, Page, PageRequest},
};
use crate::{Actor, Domain, Result, rules::visibility::Onlooker};

/// Newest first; `None` for who is no staff.
pub async fn of_product(
    ctx: &Domain,
    actor: &Actor,
    product: ProductId,
    request: &PageRequest,
) -> Result<Option<Page<assignment::Model>>> {
    if catalog::onlooker(actor) != Onlooker::Staff {
        return Ok(None);
    }
    let list = assignment::Entity::find().filter(assignment::Column::ProductId.eq(product));
    page::newest_first::<_, AssignmentId>(ctx, list, assignment::Column::Id, request).await.map(Some)
}

/// `None` for what is not there, and for who is no staff.
pub async fn assignment(ctx: &Domain, actor: &Actor, id: AssignmentId) -> Result<Option<assignment::Model>> {
    if catalog::onlooker(actor) != Onlooker::Staff {
        return Ok(None);
    }
    Ok(assignment::Entity::find_by_id(id).one(&ctx.db).await?)
}
