//! The chain's own row: who writes an event holds it until the commit, so that events follow one another.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use entities::{
    audit_chain::{ActiveModel, Column, Entity, Model},
    audit_event,
};
use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait, IntoActiveModel, QuerySelect};
use secrecy::ExposeSecret;

use crate::{
    Domain, DomainError, Result,
    keyring::Purpose,
    rules::audit_chain::{ChainKey, Kept, Mark, START},
};

const CHAIN: i32 = 1;

/// The chain, held until the transaction ends.
pub(crate) struct Chain {
    key: ChainKey,
    pub head: Mark,
    sealed_key: String,
}

impl Chain {
    /// Made by whoever writes first.
    pub async fn hold(ctx: &Domain, db: &impl ConnectionTrait) -> Result<Self> {
        let held = || Entity::find_by_id(CHAIN).lock_exclusive();
        let row = match held().one(db).await? {
            Some(row) => row,
            None => {
                let again = Entity::insert(first(ctx).into_active_model()).on_conflict_do_nothing_on([Column::Id]);
                again.exec_without_returning(db).await?;
                held().one(db).await?.ok_or_else(missing)?
            }
        };
        Ok(Self { key: key(ctx, &row)?, head: mark(row.head_position, &row.head_hash)?, sealed_key: row.sealed_key })
    }

    /// Seals the key with the instance's current one, where an earlier one had sealed it.
    pub fn seal_again(&mut self, ctx: &Domain) -> Result<()> {
        let plain = ctx.keys.open(Purpose::AuditChain, &self.sealed_key).map_err(|_| locked())?;
        self.sealed_key = ctx.keys.seal(&ctx.env, Purpose::AuditChain, plain.expose_secret());
        Ok(())
    }

    /// Gives the row its place behind all others.
    pub fn link(&mut self, row: &mut audit_event::Model) {
        self.head = self.key.after(self.head, row);
        row.position = Some(self.head.position);
        row.hash = Some(self.head.hash.to_vec());
    }

    /// Keeps the new end of the log beside it.
    pub async fn keep(self, db: &impl ConnectionTrait) -> Result<()> {
        let row = ActiveModel {
            id: Set(CHAIN),
            sealed_key: Set(self.sealed_key),
            head_position: Set(self.head.position),
            head_hash: Set(self.head.hash.to_vec()),
            head_seal: Set(self.key.seal(Kept::Head, self.head).to_vec()),
            ..Default::default()
        };
        Entity::update(row).exec(db).await?;
        Ok(())
    }
}

/// What the chain's row says.
pub(crate) struct State {
    pub key: ChainKey,
    pub row: Model,
    pub anchor: Mark,
    pub head: Mark,
}

/// `None`: nothing was ever written.
pub(crate) async fn state(ctx: &Domain, db: &impl ConnectionTrait) -> Result<Option<State>> {
    let Some(row) = Entity::find_by_id(CHAIN).one(db).await? else { return Ok(None) };
    let anchor = mark(row.anchor_position, &row.anchor_hash)?;
    let head = mark(row.head_position, &row.head_hash)?;
    Ok(Some(State { key: key(ctx, &row)?, row, anchor, head }))
}

/// Lets the log begin behind this row: what is up to there may go.
pub(crate) async fn anchor(ctx: &Domain, db: &impl ConnectionTrait, at: Mark) -> Result<()> {
    let row = Entity::find_by_id(CHAIN).one(db).await?.ok_or_else(missing)?;
    let seal = key(ctx, &row)?.seal(Kept::Anchor, at);
    let row = ActiveModel {
        id: Set(CHAIN),
        anchor_position: Set(at.position),
        anchor_hash: Set(at.hash.to_vec()),
        anchor_seal: Set(seal.to_vec()),
        ..Default::default()
    };
    Entity::update(row).exec(db).await?;
    Ok(())
}

fn first(ctx: &Domain) -> Model {
    let plain = BASE64.encode(ctx.env.random::<32>());
    let key = ChainKey::new(plain.as_bytes());
    let seal = |kept| key.seal(kept, START).to_vec();
    Model {
        id: CHAIN,
        sealed_key: ctx.keys.seal(&ctx.env, Purpose::AuditChain, &plain),
        head_position: START.position,
        head_hash: START.hash.to_vec(),
        head_seal: seal(Kept::Head),
        anchor_position: START.position,
        anchor_hash: START.hash.to_vec(),
        anchor_seal: seal(Kept::Anchor),
    }
}

fn key(ctx: &Domain, row: &Model) -> Result<ChainKey> {
    let plain = ctx.keys.open(Purpose::AuditChain, &row.sealed_key).map_err(|_| locked())?;
    Ok(ChainKey::new(plain.expose_secret().as_bytes()))
}

pub(crate) fn mark(position: i64, hash: &[u8]) -> Result<Mark> {
    let hash = hash.try_into().map_err(|_| DomainError::internal("a hash of the audit log has another length"))?;
    Ok(Mark { position, hash })
}

fn missing() -> DomainError {
    DomainError::internal("the audit log's chain is missing")
}

fn locked() -> DomainError {
    DomainError::internal("the audit log's key cannot be opened with the keys given")
}
