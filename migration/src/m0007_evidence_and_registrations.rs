//! What reviewers look at, teams that wait to be let in, and what people were told already.

use sea_orm_migration::{
    prelude::*,
    schema::{
        boolean, integer_null, json_binary, text_null, timestamp_with_time_zone, timestamp_with_time_zone_null, uuid, uuid_null,
    },
    sea_orm::{ConnectionTrait, DatabaseBackend, TransactionTrait},
};

use crate::shape::{index, kind, references, table, unique};

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0007_evidence_and_registrations"
    }
}

fn columns() -> [(&'static str, ColumnDef); 5] {
    let list = |name| json_binary(name).default("[]").to_owned();
    [
        ("plans", list("review_checklist")),
        ("submissions", list("evidence")),
        ("portals", boolean("registration_needs_approval").default(false).to_owned()),
        ("spec_versions", timestamp_with_time_zone_null("told_at")),
        ("subscriptions", integer_null("expiry_warned_days")),
    ]
}

/// Of what a team that registers has none of.
const OF_PLANS: [&str; 2] = ["plan_id", "product_id"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, mut column) in columns() {
            manager.alter_table(Table::alter().table(table).add_column(&mut column).to_owned()).await?;
        }
        // What is in review: few of many.
        manager.create_index(index("subscriptions", &["phase", "id"])).await?;
        match manager.get_database_backend() {
            DatabaseBackend::Postgres => alter_queue(manager, "drop not null").await,
            _ => rebuild_queue(manager, uuid_null).await,
        }
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared("delete from queue_items where plan_id is null").await?;
        match manager.get_database_backend() {
            DatabaseBackend::Postgres => alter_queue(manager, "set not null").await?,
            _ => rebuild_queue(manager, uuid).await?,
        }
        manager.drop_index(Index::drop().name("subscriptions_phase_id").table("subscriptions").to_owned()).await?;
        for (table, column) in columns().iter().rev() {
            manager.alter_table(Table::alter().table(*table).drop_column(column.get_column_name()).to_owned()).await?;
        }
        Ok(())
    }
}

async fn alter_queue(manager: &SchemaManager<'_>, how: &str) -> Result<(), DbErr> {
    for column in OF_PLANS {
        let sql = format!("alter table queue_items alter column {column} {how}");
        manager.get_connection().execute_unprepared(&sql).await?;
    }
    Ok(())
}

/// SQLite cannot change a column: the rows move to a new table, on one connection, since another may not have seen yet that the
/// old one is gone.
async fn rebuild_queue(manager: &SchemaManager<'_>, of_plan: fn(&'static str) -> ColumnDef) -> Result<(), DbErr> {
    let db = manager.get_connection().begin().await?;
    let manager = SchemaManager::new(&db);
    let new = table("queue_items_new")
        .col(uuid("id").primary_key())
        .col(kind("kind"))
        .col(uuid("subject_id"))
        .col(kind("state"))
        .col(uuid("team_id"))
        .col(of_plan("plan_id"))
        .col(of_plan("product_id"))
        .col(uuid("requested_by"))
        .col(timestamp_with_time_zone("requested_at"))
        .col(timestamp_with_time_zone("due_at"))
        .col(uuid_null("assignee_id"))
        .col(text_null("reason"))
        .foreign_key(&mut references("queue_items_new", "team_id", "teams"))
        .foreign_key(&mut references("queue_items_new", "plan_id", "plans"))
        .to_owned();
    manager.create_table(new).await?;
    let all =
        "id, kind, subject_id, state, team_id, plan_id, product_id, requested_by, requested_at, due_at, assignee_id, reason";
    db.execute_unprepared(&format!("insert into queue_items_new ({all}) select {all} from queue_items")).await?;
    db.execute_unprepared("drop table queue_items").await?;
    db.execute_unprepared("alter table queue_items_new rename to queue_items").await?;
    manager.create_index(unique("queue_items", &["subject_id", "id"])).await?;
    manager.create_index(index("queue_items", &["state", "kind", "id"])).await?;
    manager.create_index(index("queue_items", &["state", "id"])).await?;
    db.commit().await
}
