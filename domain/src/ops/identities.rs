//! Whom identity providers know people as.

use entities::{
    id::{SsoProviderId, TeamId, UserId},
    session,
    sso_identity::{ActiveModel, Column, Entity, Model},
    sso_provider, user,
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect, sea_query::IntoCondition,
};

use super::{access_tokens, sessions};
use crate::{Result, Tx, read::sso::Provider, updates::Update};

/// Whom this provider has signed in as this subject before.
pub(crate) async fn known(tx: &Tx<'_>, provider: &Provider, subject: &str) -> Result<Option<(Model, user::Model)>> {
    let found = Entity::find().filter(told_by(provider)).filter(Column::Subject.eq(subject));
    let Some(row) = found.one(tx.db()).await? else { return Ok(None) };
    let user = user::Entity::find_by_id(row.user_id).one(tx.db()).await?;
    Ok(user.map(|user| (row, user)))
}

/// Whether this provider knows somebody here, by whatever subject.
pub(crate) async fn has_one(tx: &Tx<'_>, provider: &Provider, user: UserId) -> Result<bool> {
    Ok(Entity::find().filter(told_by(provider)).filter(Column::UserId.eq(user)).count(tx.db()).await? > 0)
}

pub(crate) async fn link(tx: &Tx<'_>, provider: &Provider, subject: &str, user_id: UserId) -> Result<()> {
    let row = Model {
        id: tx.ctx().env.id(),
        provider_id: provider.id(),
        issuer: provider.issuer().to_owned(),
        subject: subject.to_owned(),
        user_id,
        created_at: tx.now(),
        last_sign_in_at: tx.now(),
    };
    tx.insert(row).await.map(drop)
}

/// Notes that somebody signed in as this subject.
pub(crate) async fn mark(tx: &Tx<'_>, row: Model) -> Result<()> {
    let row = ActiveModel { id: Set(row.id), last_sign_in_at: Set(tx.now()), ..Default::default() };
    Entity::update(row).exec(tx.db()).await?;
    Ok(())
}

/// The team's providers vouch for somebody no longer.
pub(crate) async fn unlink_from_team(tx: &Tx<'_>, team: TeamId, user: UserId) -> Result<bool> {
    let own: Vec<SsoProviderId> =
        sso_provider::Entity::for_team(team).select_only().column(sso_provider::Column::Id).into_tuple().all(tx.db()).await?;
    unlink(tx, user, Column::ProviderId.is_in(own)).await
}

/// The staff's provider vouches for somebody no longer.
pub(crate) async fn unlink_from_staff(tx: &Tx<'_>, user: UserId) -> Result<bool> {
    unlink(tx, user, Column::ProviderId.is_null()).await
}

/// Whether there was a link. Whoever is given their address next can be linked to it, so nothing of theirs is left open.
async fn unlink(tx: &Tx<'_>, user: UserId, by: impl IntoCondition) -> Result<bool> {
    let gone = Entity::delete_many().filter(by).filter(Column::UserId.eq(user)).exec(tx.db()).await?;
    if gone.rows_affected > 0 {
        sign_out(tx, user).await?;
    }
    Ok(gone.rows_affected > 0)
}

/// Ends all sessions and access tokens of a person, who may have signed in by a way that is closed now.
pub(crate) async fn sign_out(tx: &Tx<'_>, user: UserId) -> Result<()> {
    sessions::end_all(tx, session::Column::UserId.eq(user)).await?;
    tx.announce(Update::Person(user));
    access_tokens::end_all(tx, user).await.map(drop)
}

fn told_by(provider: &Provider) -> Condition {
    let whose = match provider.id() {
        Some(id) => Column::ProviderId.eq(id),
        None => Column::ProviderId.is_null(),
    };
    Condition::all().add(whose).add(Column::Issuer.eq(provider.issuer()))
}
