//! What partners asked support, for staff.

use entities::{
    id::{SupportRequestId, TeamId},
    support_request::{Column, Entity, Model},
};
use sea_orm::EntityTrait;

use super::page::{Page, PageRequest, newest_first};
use crate::{Actor, Domain, Result, access::require_staff, rules::policy::StaffRight};

/// Newest first; one team's, or all.
pub async fn all(ctx: &Domain, actor: &Actor, team: Option<TeamId>, page: &PageRequest) -> Result<Page<Model>> {
    require_staff(actor, StaffRight::Read)?;
    let list = team.map_or_else(Entity::find, Entity::for_team);
    newest_first::<_, SupportRequestId>(ctx, list, Column::Id, page).await
}

/// A request by its id, for staff.
pub async fn by_id(ctx: &Domain, actor: &Actor, id: SupportRequestId) -> Result<Option<Model>> {
    if require_staff(actor, StaffRight::Read).is_err() {
        return Ok(None);
    }
    Ok(Entity::find_by_id(id).one(&ctx.db).await?)
}
