//! The portal's name, look and settings, as they are.

use entities::portal::{Entity, Model};
use sea_orm::{ConnectionTrait, EntityTrait};

use crate::{Domain, DomainError, Result};

/// The one row's id.
pub(crate) const PORTAL: i32 = 1;

pub async fn load(ctx: &Domain) -> Result<Model> {
    load_from(&ctx.db).await
}

pub(crate) async fn load_from(db: &impl ConnectionTrait) -> Result<Model> {
    Entity::find_by_id(PORTAL).one(db).await?.ok_or_else(|| DomainError::internal("the portal's row is missing"))
}
