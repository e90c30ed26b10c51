//! What plans say beside limits and scopes, and when subscriptions end.

use sea_orm_migration::{
    prelude::*,
    schema::{boolean, integer_null, json_binary},
};

use crate::shape::index;

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0005_plans_in_full"
    }
}

fn columns() -> [(&'static str, ColumnDef); 7] {
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
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
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
