//! What people change about themselves.

use entities::user;
use sea_orm::{ActiveValue::Set, EntityTrait};

use crate::{
    Actor, Domain, DomainError, Result, Tx,
    audit::{Action, Audit},
    rules::text,
};

/// Changes the name that others see.
pub async fn update(ctx: &Domain, actor: &Actor, name: &str) -> Result<user::Model> {
    let id = actor.signed_in()?;
    let name = text::name("name", name, 80)?;
    let tx = Tx::begin(ctx).await?;
    let before = user::Entity::find_by_id(id).one(tx.db()).await?.ok_or(DomainError::Unauthenticated)?;
    let row = user::ActiveModel { id: Set(id), name: Set(Some(name)), ..Default::default() };
    let after = user::Entity::update(row).exec(tx.db()).await?;
    tx.commit(Audit::of(actor, Action::UserUpdated, id).change("name", before.name, &after.name)).await?;
    Ok(after)
}
