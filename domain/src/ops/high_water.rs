//! How far the database has come, for those who outlive it: what was copied back from earlier has lost what came after, such as
//! revocations, and shows it by its audit log.

use entities::{audit_event, gateway_revision};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};

use crate::{
    Domain, Result,
    audit::chain,
    rules::audit_chain::{Hash, Kept, Mark, START},
};

/// Where a database stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HighWater {
    /// The same for as long as the audit log has the same key: of one database and its copies.
    pub database: Hash,
    pub audit: Mark,
    /// The gateways'.
    pub revision: i64,
}

/// What a database is to one that stood somewhere once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// Another altogether.
    Other,
    /// It, at that place or later.
    Same,
    /// A copy of it from before, and perhaps what was done on that since.
    Earlier,
}

/// `None`: nothing was ever written.
pub async fn of(ctx: &Domain) -> Result<Option<HighWater>> {
    let Some(chain) = chain::state(ctx, &ctx.db).await? else { return Ok(None) };
    let revision = gateway_revision::Entity::find_by_id(1).one(&ctx.db).await?.map_or(0, |row| row.revision);
    Ok(Some(HighWater { database: chain.key.seal(Kept::Head, START), audit: chain.head, revision }))
}

pub async fn since(ctx: &Domain, stood: &HighWater) -> Result<Since> {
    let Some(chain) = chain::state(ctx, &ctx.db).await? else { return Ok(Since::Other) };
    if chain.key.seal(Kept::Head, START) != stood.database {
        return Ok(Since::Other);
    }
    // What retention took is not there to be looked at, and a later anchor tells of a later log.
    if stood.audit == chain.head || stood.audit.position <= chain.anchor.position {
        return Ok(Since::Same);
    }
    let there = audit_event::Entity::find()
        .filter(audit_event::Column::Position.eq(stood.audit.position))
        .filter(audit_event::Column::Hash.eq(stood.audit.hash.to_vec()));
    Ok(if there.count(&ctx.db).await? > 0 { Since::Same } else { Since::Earlier })
}
