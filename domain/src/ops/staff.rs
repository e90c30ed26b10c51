//! The provider's staff: who has which role.

use entities::{enums::StaffRole, user};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};

use crate::{
    Actor, Domain, Result, Tx,
    access::require_staff,
    audit::{Action, Audit},
    ops::{identities, invitations::recall, sign_in},
    read::sso::only_way,
    rules::{policy::StaffRight, staff, text},
    tx::{Unaudited, retrying},
};

#[derive(Debug, Clone)]
pub struct SetStaffRole {
    pub email: String,
    /// `None` takes the role away.
    pub role: Option<StaffRole>,
}

/// Gives or takes a role; who is not known yet is registered. Only an owner (or the command line) makes or changes owners,
/// and the last one stays.
pub async fn set_role(ctx: &Domain, actor: &Actor, cmd: SetStaffRole) -> Result<user::Model> {
    require_staff(actor, StaffRight::ManageStaff)?;
    let email = text::email("email", &cmd.email)?;
    retrying(async || apply(ctx, actor, &email, cmd.role).await).await
}

/// Makes the address of `PORTICO_ADMIN_EMAIL` an owner.
pub async fn ensure_owner(ctx: &Domain, email: &str) -> Result<()> {
    set_role(ctx, &Actor::system(), SetStaffRole { email: email.to_owned(), role: Some(StaffRole::Owner) }).await.map(drop)
}

/// Whether the sessions and tokens of before have ended: they may come from a way in that staff do not have, and who leaves the
/// staff is no longer vouched for by its provider.
async fn signed_out(tx: &Tx<'_>, before: &user::Model, role: Option<StaffRole>) -> Result<bool> {
    match (before.staff_role, role) {
        (Some(_), None) => identities::unlink_from_staff(tx, before.id).await,
        (None, Some(_)) if only_way(tx.ctx(), tx.db(), &before.email).await?.is_some() => {
            identities::sign_out(tx, before.id).await.map(|()| true)
        }
        _ => Ok(false),
    }
}

async fn apply(ctx: &Domain, actor: &Actor, email: &str, role: Option<StaffRole>) -> Result<user::Model> {
    let tx = Tx::begin(ctx).await?;
    tx.alone("staff", "roles").await?;
    let (before, registered) = sign_in::person(&tx, email).await?;
    let owners = user::Entity::find().filter(user::Column::StaffRole.eq(StaffRole::Owner)).count(tx.db()).await?;
    require_staff(actor, staff::right(before.staff_role, role))?;
    staff::keeps_an_owner(owners, before.staff_role, role)?;
    if before.staff_role == role && !registered {
        tx.commit_unaudited(Unaudited::NothingChanged).await?;
        return Ok(before);
    }
    let row = user::ActiveModel { id: Set(before.id), staff_role: Set(role), ..Default::default() };
    let after = user::Entity::update(row).exec(tx.db()).await?;
    let signed_out = signed_out(&tx, &before, role).await?;
    let recalled = recall(&tx, after.id, None).await?;
    let entry = Audit::of(actor, Action::StaffRoleSet, after.id).change("role", before.staff_role, role);
    tx.commit(recalled.noted(entry.change("signedOut", false, signed_out))).await?;
    Ok(after)
}
