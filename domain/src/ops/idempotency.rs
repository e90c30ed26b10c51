//! The same mutation twice under one key acts once, and answers twice.

use chrono::TimeDelta;
use entities::{
    id::{IdempotencyKeyId, TypedId, UserId},
    idempotency_key::{Column, Entity, Model},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    Actor, Domain, DomainError, ProblemCode, Result, Tx,
    keyring::{Purpose, sha256},
    rules::credential::RANDOM_BYTES,
};

/// How long a key is remembered.
const LIFETIME: TimeDelta = TimeDelta::days(1);

const MAX_KEY: usize = 200;

/// What a caller's key stands for: this person, this operation, this input.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    user: UserId,
    operation: &'static str,
    key_hash: [u8; 32],
    input_hash: [u8; 32],
    /// Over all of it, and the key itself, which is stored nowhere.
    seed: [u8; 32],
}

impl Claim {
    /// `None` where no key was given. `input` must not hold the key.
    pub fn new(actor: &Actor, operation: &'static str, key: Option<&str>, input: &impl Serialize) -> Result<Option<Self>> {
        let Some(key) = key else { return Ok(None) };
        if !(1..=MAX_KEY).contains(&key.len()) {
            let say = format!("must have 1 to {MAX_KEY} characters");
            return Err(DomainError::refused(ProblemCode::Invalid, "idempotencyKey", say));
        }
        let user = actor.signed_in()?;
        let input_hash = sha256(serde_json::to_vec(input).map_err(DomainError::internal)?);
        let seed = sha256([user.0.as_bytes(), operation.as_bytes(), &input_hash[..], key.as_bytes()].concat());
        Ok(Some(Self { user, operation, key_hash: sha256(key), input_hash, seed }))
    }

    /// What the first run made; `None` when this is the first. Another input under the same key is refused.
    pub async fn recall(&self, tx: &Tx<'_>) -> Result<Option<Uuid>> {
        let earlier = Entity::find()
            .filter(Column::UserId.eq(self.user))
            .filter(Column::Operation.eq(self.operation))
            .filter(Column::KeyHash.eq(self.key_hash.to_vec()))
            .one(tx.db())
            .await?;
        let Some(earlier) = earlier else { return Ok(None) };
        if earlier.created_at + LIFETIME <= tx.now() {
            Entity::delete_by_id(earlier.id).exec(tx.db()).await?;
            return Ok(None);
        }
        if earlier.input_hash != self.input_hash {
            let say = "this key was used for another input within the last day: use a new one";
            return Err(DomainError::refused(ProblemCode::Invalid, "idempotencyKey", say));
        }
        Ok(Some(earlier.subject_id))
    }

    pub async fn remember<T: TypedId>(&self, tx: &Tx<'_>, made: T) -> Result<()> {
        tx.insert(Model {
            id: tx.ctx().env.id::<IdempotencyKeyId>(),
            user_id: self.user,
            operation: self.operation.to_owned(),
            key_hash: self.key_hash.to_vec(),
            input_hash: self.input_hash.to_vec(),
            subject_id: made.uuid(),
            created_at: tx.now(),
        })
        .await
        .map(drop)
    }

    /// What a secret is made from: the same for the same claim and what it made, so that it can be shown again and never stored.
    /// The id of what was made keeps a key that is used again after its day from giving out the old secret.
    pub fn secret_bytes(&self, ctx: &Domain, made: Uuid) -> [u8; RANDOM_BYTES] {
        let part = |n: u8| {
            let message = [&self.seed[..], made.as_bytes(), &[n]].concat();
            ctx.keys.derive(Purpose::IdempotentSecret, &message)
        };
        let (first, second) = (part(0), part(1));
        std::array::from_fn(|i| if i < 32 { first[i] } else { second[i - 32] })
    }
}
