//! Who may have a sign-in link. Whoever asks gets the same answer; this decides whether a mail follows.

use chrono::{DateTime, Utc};
use entities::{authorized_email, client, enums::InvitationStatus, invitation, portal, user};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter};

use crate::Result;

/// Whether a link may be mailed to this address, or one that was mailed be used: a known person, an invitation that waits
/// for an answer, an authorised address of a client whose portal access is on, or anyone where the portal says so.
pub async fn may_sign_in(db: &impl ConnectionTrait, email: &str, now: DateTime<Utc>) -> Result<bool> {
    let email = email.trim().to_lowercase();
    if user::Entity::by_email(&email).count(db).await? > 0 {
        return Ok(true);
    }
    let invited = invitation::Entity::find()
        .filter(invitation::Column::Email.eq(&email))
        .filter(invitation::Column::Status.eq(InvitationStatus::Pending))
        .filter(invitation::Column::ExpiresAt.gt(now));
    if invited.count(db).await? > 0 {
        return Ok(true);
    }
    let authorised = authorized_email::Entity::find().filter(authorized_email::Column::Email.eq(&email)).all(db).await?;
    let clients: Vec<_> = authorised.iter().map(|row| row.client_id).collect();
    if !clients.is_empty() {
        let open = client::Entity::find().filter(client::Column::Id.is_in(clients)).filter(client::Column::PortalAccess.eq(true));
        if open.count(db).await? > 0 {
            return Ok(true);
        }
    }
    Ok(portal::Entity::find_by_id(1).one(db).await?.is_some_and(|portal| portal.self_registration))
}
