//! The keys that access tokens are signed with: made in time, known to all who verify before they sign, kept until nothing
//! signed with them is valid any more.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use chrono::TimeDelta;
use entities::signing_key::{Column, Entity, Model};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use secrecy::ExposeSecret;

use crate::{
    Domain, DomainError, Result, Tx,
    keyring::Purpose,
    rules::jose::SigningKey,
    tx::{Touch, Unaudited},
};

/// How long a key signs.
const TERM: TimeDelta = TimeDelta::days(30);
/// How long a key is published before it signs.
const NOTICE: TimeDelta = TimeDelta::hours(1);
/// How long a key is published after it signed last; longer than any token lives.
const KEPT: TimeDelta = TimeDelta::days(1);

/// Sees to it that there is a key that signs, and in time a next one; drops those that are out of use. Whether anything changed.
pub async fn keep(ctx: &Domain) -> Result<bool> {
    let due = |keys: &[Model]| keys.last().is_none_or(|newest| newest.signs_from + TERM <= ctx.now());
    if !due(&all(&ctx.db).await?) {
        return Ok(false);
    }
    let tx = Tx::begin(ctx).await?;
    tx.alone("signing", "keys").await?;
    let keys = all(tx.db()).await?;
    if !due(&keys) {
        tx.commit_unaudited(Unaudited::NothingChanged).await?;
        return Ok(false);
    }
    let (key, pkcs8) = SigningKey::generate().map_err(DomainError::internal)?;
    let sealed = ctx.keys.seal(&ctx.env, Purpose::SigningKey, &BASE64.encode(pkcs8.expose_secret()));
    let signs_from = if keys.is_empty() { tx.now() } else { tx.now() + NOTICE };
    let id = ctx.env.id();
    tx.insert(Model { id, kid: key.kid().to_owned(), sealed, created_at: tx.now(), signs_from }).await?;
    // A key signs until the next one does.
    let over = keys.windows(2).filter(|pair| pair[1].signs_from + KEPT < tx.now()).map(|pair| pair[0].id);
    Entity::delete_many().filter(Column::Id.is_in(over)).exec(tx.db()).await?;
    tx.touch_gateway(Touch::SigningKeys);
    tx.commit_unaudited(Unaudited::SigningKeys).await?;
    Ok(true)
}

async fn all(db: &impl sea_orm::ConnectionTrait) -> Result<Vec<Model>> {
    Ok(Entity::find().order_by_asc(Column::SignsFrom).order_by_asc(Column::Id).all(db).await?)
}
