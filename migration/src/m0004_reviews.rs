//! Approval groups, submissions, scope requests, and the queue that they wait in.

use sea_orm_migration::{
    prelude::*,
    schema::{
        boolean, integer, json_binary, json_binary_null, string, text, text_null, timestamp_with_time_zone,
        timestamp_with_time_zone_null, uuid, uuid_null,
    },
};

use crate::shape::{index, kind, references, table, unique};

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0004_reviews"
    }
}

/// In the order of creation.
const TABLES: [&str; 5] = ["approval_groups", "approval_group_members", "submissions", "scope_requests", "queue_items"];

fn columns() -> [(&'static str, ColumnDef); 7] {
    [
        ("plans", uuid_null("approval_group_id")),
        ("plans", json_binary_null("submission_form")),
        ("subscriptions", boolean("changes_requested").default(false).to_owned()),
        ("portals", string("time_zone").default("UTC").to_owned()),
        ("portals", string("business_hours").default("09:00-17:00").to_owned()),
        ("portals", integer("standard_review_hours").default(8).to_owned()),
        ("portals", integer("formal_review_days").default(5).to_owned()),
    ]
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, mut column) in columns() {
            manager.alter_table(Table::alter().table(table).add_column(&mut column).to_owned()).await?;
        }
        groups(manager).await?;
        requests(manager).await?;
        queue(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for name in TABLES.iter().rev() {
            manager.drop_table(Table::drop().table(*name).to_owned()).await?;
        }
        for (table, column) in columns().iter().rev() {
            manager.alter_table(Table::alter().table(*table).drop_column(column.get_column_name()).to_owned()).await?;
        }
        Ok(())
    }
}

async fn groups(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            table("approval_groups")
                .col(uuid("id").primary_key())
                .col(text("name"))
                .col(timestamp_with_time_zone("created_at"))
                .col(integer("version"))
                .to_owned(),
        )
        .await?;
    manager.create_index(unique("approval_groups", &["name"])).await?;
    manager
        .create_table(
            table("approval_group_members")
                .col(uuid("id").primary_key())
                .col(uuid("group_id"))
                .col(uuid("user_id"))
                .foreign_key(&mut references("approval_group_members", "group_id", "approval_groups"))
                .foreign_key(&mut references("approval_group_members", "user_id", "users"))
                .to_owned(),
        )
        .await?;
    manager.create_index(unique("approval_group_members", &["group_id", "user_id"])).await?;
    manager.create_index(index("approval_group_members", &["user_id"])).await
}

async fn requests(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            table("submissions")
                .col(uuid("id").primary_key())
                .col(uuid("subscription_id"))
                .col(uuid("team_id"))
                .col(uuid("plan_id"))
                .col(kind("status"))
                .col(json_binary("answers"))
                .col(uuid("submitted_by"))
                .col(timestamp_with_time_zone("submitted_at"))
                .col(timestamp_with_time_zone("due_at"))
                .col(uuid_null("reviewer_id"))
                .col(timestamp_with_time_zone_null("decided_at"))
                .col(text_null("notes"))
                .col(integer("version"))
                .foreign_key(&mut references("submissions", "subscription_id", "subscriptions"))
                .to_owned(),
        )
        .await?;
    manager.create_index(index("submissions", &["subscription_id", "id"])).await?;
    manager
        .create_table(
            table("scope_requests")
                .col(uuid("id").primary_key())
                .col(uuid("subscription_id"))
                .col(uuid("team_id"))
                .col(text("scope"))
                .col(text_null("reason"))
                .col(kind("status"))
                .col(uuid("requested_by"))
                .col(timestamp_with_time_zone("requested_at"))
                .col(uuid_null("decided_by"))
                .col(timestamp_with_time_zone_null("decided_at"))
                .col(text_null("notes"))
                .col(integer("version"))
                .foreign_key(&mut references("scope_requests", "subscription_id", "subscriptions"))
                .to_owned(),
        )
        .await?;
    manager.create_index(index("scope_requests", &["subscription_id", "id"])).await
}

async fn queue(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            table("queue_items")
                .col(uuid("id").primary_key())
                .col(kind("kind"))
                .col(uuid("subject_id"))
                .col(kind("state"))
                .col(uuid("team_id"))
                .col(uuid("plan_id"))
                .col(uuid("product_id"))
                .col(uuid("requested_by"))
                .col(timestamp_with_time_zone("requested_at"))
                .col(timestamp_with_time_zone("due_at"))
                .col(uuid_null("assignee_id"))
                .col(text_null("reason"))
                .foreign_key(&mut references("queue_items", "team_id", "teams"))
                .foreign_key(&mut references("queue_items", "plan_id", "plans"))
                .to_owned(),
        )
        .await?;
    manager.create_index(unique("queue_items", &["subject_id", "id"])).await?;
    manager.create_index(index("queue_items", &["state", "kind", "id"])).await?;
    manager.create_index(index("queue_items", &["state", "id"])).await
}
