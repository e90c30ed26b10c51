//! What this process tells of itself: that it lives, and the last change that its decisions follow.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use entities::{
    gateway_change,
    gateway_node::{Column, Entity, Model},
    id::GatewayNodeId,
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter,
    sea_query::{Expr, OnConflict},
};

use super::followers::Change;
use crate::{Domain, Result, Tx, tx::Unaudited};

/// How often a process says that it lives.
const EVERY: Duration = Duration::from_secs(2);

pub(super) struct Node {
    id: GatewayNodeId,
    started_at: chrono::DateTime<chrono::Utc>,
    /// What was told last, and when.
    told: Option<(i64, Instant)>,
}

impl Node {
    pub fn new(ctx: &Domain) -> Self {
        Self { id: ctx.env.id(), started_at: ctx.now(), told: None }
    }

    pub fn id(&self) -> GatewayNodeId {
        self.id
    }

    /// Tells what is applied and what it ended, where that is new or the last sign of life is some time ago.
    pub async fn tell(&mut self, ctx: &Domain, applied: i64, ended: &HashMap<Change, i32>) -> Result<()> {
        if !ended.is_empty() {
            // In one transaction: a count that was told must not be told again.
            let tx = Tx::begin(ctx).await?;
            for (change, count) in ended {
                add(tx.db(), change, *count).await?;
            }
            self.write(ctx, tx.db(), applied).await?;
            tx.commit_unaudited(Unaudited::Mark).await?;
            self.told = Some((applied, Instant::now()));
            return Ok(());
        }
        if self.told.is_some_and(|(revision, at)| revision == applied && at.elapsed() < EVERY) {
            return Ok(());
        }
        self.write(ctx, &ctx.db, applied).await?;
        self.told = Some((applied, Instant::now()));
        Ok(())
    }

    async fn write(&self, ctx: &Domain, db: &impl ConnectionTrait, applied: i64) -> Result<()> {
        let row = Model { id: self.id, started_at: self.started_at, last_seen_at: ctx.now(), applied_revision: applied };
        let again = OnConflict::column(Column::Id).update_columns([Column::LastSeenAt, Column::AppliedRevision]).to_owned();
        Entity::insert(row.into_active_model()).on_conflict(again).exec_without_returning(db).await?;
        Ok(())
    }
}

/// Several gateways count at one change.
async fn add(db: &impl ConnectionTrait, (revision, subject, id): &Change, count: i32) -> Result<()> {
    use gateway_change::Column as C;
    let counted = gateway_change::Entity::update_many().col_expr(C::StreamsEnded, Expr::col(C::StreamsEnded).add(count));
    counted.filter(C::Revision.eq(*revision)).filter(C::Subject.eq(*subject)).filter(C::SubjectId.eq(*id)).exec(db).await?;
    Ok(())
}

/// Takes a process off the list, as it stops.
pub(super) async fn leave(ctx: &Domain, id: GatewayNodeId) -> Result<()> {
    Entity::delete_by_id(id).exec(&ctx.db).await?;
    Ok(())
}
