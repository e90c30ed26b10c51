//! Policies, for staff.

use entities::{
    client,
    id::{ClientId, PolicyId},
    policy,
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::page::{Page, PageRequest, newest_first};
use crate::{Actor, Domain, Result, access::require_staff, rules::policy::StaffRight};

pub async fn by_id(ctx: &Domain, actor: &Actor, id: PolicyId) -> Result<Option<policy::Model>> {
    if require_staff(actor, StaffRight::Read).is_err() {
        return Ok(None);
    }
    Ok(policy::Entity::find_by_id(id).one(&ctx.db).await?)
}

pub async fn all(ctx: &Domain, actor: &Actor, page: &PageRequest) -> Result<Page<policy::Model>> {
    require_staff(actor, StaffRight::Read)?;
    newest_first::<_, PolicyId>(ctx, policy::Entity::find(), policy::Column::Id, page).await
}

/// The clients that a policy is attached to: those that the viewer sees. A member sees their team's alone.
pub async fn clients_of(ctx: &Domain, actor: &Actor, id: PolicyId, page: &PageRequest) -> Result<Page<client::Model>> {
    let list = client::Entity::find().filter(client::Column::PolicyId.eq(id));
    let list = super::clients::seen_by(ctx, actor, list).await?;
    newest_first::<_, ClientId>(ctx, list, client::Column::Id, page).await
}
