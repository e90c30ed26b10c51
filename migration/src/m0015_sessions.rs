//! Sessions end when they lie unused; people prove a second factor in them.

use sea_orm_migration::{
    prelude::*,
    schema::{
        big_integer_null, binary, boolean, integer, integer_null, text, timestamp_with_time_zone, timestamp_with_time_zone_null,
        uuid,
    },
};

use crate::shape::{references, table, unique};

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0015_sessions"
    }
}

fn columns() -> [(&'static str, ColumnDef); 5] {
    [
        ("portals", integer_null("session_idle_hours").default(72).to_owned()),
        ("portals", boolean("staff_second_factor").default(false).to_owned()),
        ("sessions", timestamp_with_time_zone_null("second_factor_at")),
        ("sessions", integer("second_factor_failures").default(0).to_owned()),
        ("access_tokens", boolean("second_factor").default(false).to_owned()),
    ]
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, mut column) in columns() {
            manager.alter_table(Table::alter().table(table).add_column(&mut column).to_owned()).await?;
        }
        manager
            .create_table(
                table("second_factors")
                    .col(uuid("user_id").primary_key())
                    .col(text("sealed"))
                    .col(timestamp_with_time_zone("created_at"))
                    .col(timestamp_with_time_zone_null("enabled_at"))
                    .col(big_integer_null("last_step"))
                    .col(integer("failures"))
                    .col(timestamp_with_time_zone_null("failed_at"))
                    .foreign_key(&mut references("second_factors", "user_id", "users"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                table("recovery_codes")
                    .col(uuid("id").primary_key())
                    .col(uuid("user_id"))
                    .col(binary("code_hash"))
                    .col(timestamp_with_time_zone_null("used_at"))
                    .foreign_key(&mut references("recovery_codes", "user_id", "users"))
                    .to_owned(),
            )
            .await?;
        manager.create_index(unique("recovery_codes", &["user_id", "code_hash"])).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for name in ["recovery_codes", "second_factors"] {
            manager.drop_table(Table::drop().table(name).to_owned()).await?;
        }
        for (table, column) in columns().iter().rev() {
            manager.alter_table(Table::alter().table(*table).drop_column(column.get_column_name()).to_owned()).await?;
        }
        Ok(())
    }
}
