//! A request for a sign-in link. Its token is derived from the id, never stored.

use sea_orm::entity::prelude::*;

use crate::id::{InvitationId, MagicLinkId};

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "magic_links")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: MagicLinkId,
    pub email: String,
    pub redirect_to: Option<String>,
    /// Accepted together with the sign-in.
    pub invitation_id: Option<InvitationId>,
    /// Where it was asked from, as requests are counted: an address, or a /64.
    pub requested_ip: Option<String>,
    pub created_at: DateTimeUtc,
    pub expires_at: DateTimeUtc,
    pub used_at: Option<DateTimeUtc>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
