//! What this process tells of itself: that it lives, and the last change that its decisions follow.

use std::time::{Duration, Instant};

use entities::{
    gateway_node::{Column, Entity, Model},
    id::GatewayNodeId,
};
use sea_orm::{EntityTrait, IntoActiveModel, sea_query::OnConflict};

use crate::{Domain, Result};

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

    /// Tells what is applied, where that is new or the last sign of life is some time ago.
    pub async fn tell(&mut self, ctx: &Domain, applied: i64) -> Result<()> {
        if self.told.is_some_and(|(revision, at)| revision == applied && at.elapsed() < EVERY) {
            return Ok(());
        }
        let row = Model { id: self.id, started_at: self.started_at, last_seen_at: ctx.now(), applied_revision: applied };
        let again = OnConflict::column(Column::Id).update_columns([Column::LastSeenAt, Column::AppliedRevision]).to_owned();
        Entity::insert(row.into_active_model()).on_conflict(again).exec_without_returning(&ctx.db).await?;
        self.told = Some((applied, Instant::now()));
        Ok(())
    }
}

/// Takes a process off the list, as it stops.
pub(super) async fn leave(ctx: &Domain, id: GatewayNodeId) -> Result<()> {
    Entity::delete_by_id(id).exec(&ctx.db).await?;
    Ok(())
}
