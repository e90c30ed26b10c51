//! The keys that access tokens of our own are signed with.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use entities::signing_key::{Column, Entity};
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, QueryOrder};
use secrecy::ExposeSecret;

use crate::{
    keyring::{Keyring, Purpose},
    rules::{
        jose::{KeySet, SigningKey},
        view::Moment,
    },
};

#[derive(Debug, Default, Clone)]
pub(super) struct Signing {
    /// Oldest first, each with the moment that it signs from.
    keys: Vec<(Moment, Arc<SigningKey>)>,
    /// Of all of them: a token outlives the time in which its key signs.
    pub public: KeySet,
}

impl Signing {
    /// The newest that signs by then; where none does, the oldest.
    pub fn at(&self, now: Moment) -> Option<Arc<SigningKey>> {
        let due = self.keys.iter().rev().find(|(from, _)| *from <= now);
        due.or(self.keys.first()).map(|(_, key)| key.clone())
    }
}

/// A key that cannot be used is left out: tokens signed with it are refused.
pub(super) async fn signing(db: &impl ConnectionTrait, keyring: &Keyring) -> Result<Signing, DbErr> {
    let rows = Entity::find().order_by_asc(Column::SignsFrom).order_by_asc(Column::Id).all(db).await?;
    let mut keys = Vec::new();
    for row in rows {
        let opened = keyring.open(Purpose::SigningKey, &row.sealed).ok();
        let pkcs8 = opened.and_then(|sealed| BASE64.decode(sealed.expose_secret()).ok());
        match pkcs8.and_then(|pkcs8| SigningKey::from_pkcs8(&row.kid, &pkcs8).ok()) {
            Some(key) => keys.push((row.signs_from.into(), Arc::new(key))),
            None => tracing::error!(kid = row.kid, "a signing key cannot be used"),
        }
    }
    let public = keys.iter().map(|(_, key)| key.public_key().clone()).collect();
    Ok(Signing { keys, public })
}
