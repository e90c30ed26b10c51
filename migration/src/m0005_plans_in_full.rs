//! What plans say beside limits and scopes, and when subscriptions end.

use sea_orm_migration::{
    prelude::*,
    schema::{boolean, integer_null, json_binary, uuid_null},
    sea_orm::{ConnectionTrait, TransactionTrait},
};

use crate::shape::index;

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0005_plans_in_full"
    }
}

fn columns() -> [(&'static str, ColumnDef); 9] {
    let list = |name| json_binary(name).default("[]").to_owned();
    let flag = |name| boolean(name).default(false).to_owned();
    [
        ("plans", list("custom_properties")),
        ("plans", list("sandbox_test_data")),
        ("plans", integer_null("duration_days")),
        ("plans", integer_null("credential_lifetime_days")),
        ("plans", flag("auto_subscribe")),
        ("subscriptions", flag("awaits_payment")),
        ("subscriptions", list("custom_properties")),
        ("plans", uuid_null("superseded_by")),
        ("subscriptions", uuid_null("pending_plan_id")),
    ]
}

/// What ends is looked for by status and time.
const ENDS: [[&str; 2]; 2] = [["status", "cancel_at"], ["status", "expires_at"]];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, mut column) in columns() {
            manager.alter_table(Table::alter().table(table).add_column(&mut column).to_owned()).await?;
        }
        for columns in ENDS {
            manager.create_index(index("subscriptions", &columns)).await?;
        }
        // A version keeps its slug when another takes its place.
        one_slug(manager, "where superseded_by is null").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        one_slug(manager, "").await?;
        for columns in ENDS {
            let name = format!("subscriptions_{}", columns.join("_"));
            manager.drop_index(Index::drop().name(name).table("subscriptions").to_owned()).await?;
        }
        for (table, column) in columns().iter().rev() {
            manager.alter_table(Table::alter().table(*table).drop_column(column.get_column_name()).to_owned()).await?;
        }
        Ok(())
    }
}

async fn one_slug(manager: &SchemaManager<'_>, of: &str) -> Result<(), DbErr> {
    // On one connection: another of SQLite's may not have seen yet that the name is free.
    let db = manager.get_connection().begin().await?;
    db.execute_unprepared("drop index plans_product_id_slug").await?;
    db.execute_unprepared(&format!("create unique index plans_product_id_slug on plans (product_id, slug) {of}")).await?;
    db.commit().await
}
