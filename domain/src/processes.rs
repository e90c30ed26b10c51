//! The processes that serve one instance: each says that it lives and which addresses it was given, so that addresses that
//! differ are noticed. Nothing is decided by it.

use std::time::Duration;

use chrono::TimeDelta;
use entities::{
    id::ProcessId,
    process::{Column, Entity, Model},
};
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, sea_query::OnConflict};
use tokio::time::sleep;

use crate::{Domain, Result, env::Env};

/// How often a process says that it lives.
const EVERY: Duration = Duration::from_secs(10);
/// After its last sign of life a process counts as one that serves no more.
const GONE: TimeDelta = TimeDelta::seconds(60);

/// What a process was given, and what else it says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// As `--role` takes it.
    pub role: String,
    pub base_url: String,
    /// Where the links in mails lead.
    pub portal_url: String,
    pub gateway_url: String,
}

/// Says every ten seconds that this process lives, until `end`, and then that it serves no more.
pub async fn keep(ctx: &Domain, process: &Process, end: impl Future<Output = ()>) {
    let id = ctx.env.id::<ProcessId>();
    tokio::select! {
        () = say(ctx, id, process) => {}
        () = end => {}
    }
    if let Err(error) = Entity::delete_by_id(id).exec(&ctx.db).await {
        tracing::debug!(error = &error as &dyn std::error::Error, "this process is listed for a minute more");
    }
}

async fn say(ctx: &Domain, id: ProcessId, process: &Process) {
    let started_at = ctx.now();
    loop {
        let row = Model {
            id,
            role: process.role.clone(),
            base_url: process.base_url.clone(),
            portal_url: process.portal_url.clone(),
            gateway_url: process.gateway_url.clone(),
            started_at,
            last_seen_at: ctx.now(),
        };
        let again = OnConflict::column(Column::Id).update_column(Column::LastSeenAt).to_owned();
        let told = Entity::insert(row.into_active_model()).on_conflict(again).exec_without_returning(&ctx.db).await;
        if let Err(error) = told {
            tracing::debug!(error = &error as &dyn std::error::Error, "this process could not say that it lives");
        }
        let gone = Entity::delete_many().filter(Column::LastSeenAt.lt(ctx.now() - GONE)).exec(&ctx.db).await;
        if let Err(error) = gone {
            tracing::debug!(error = &error as &dyn std::error::Error, "processes that are gone are still listed");
        }
        sleep(EVERY).await;
    }
}

/// Those that gave a sign of life within the last minute, oldest first.
pub async fn alive(db: &DatabaseConnection, env: &Env) -> Result<Vec<Model>> {
    let alive = Entity::find().filter(Column::LastSeenAt.gt(env.now() - GONE));
    Ok(alive.order_by_asc(Column::StartedAt).order_by_asc(Column::Id).all(db).await?)
}
