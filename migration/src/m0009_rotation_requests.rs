//! Rotations that are asked for and decided on, and marks of what teams were warned of.

use sea_orm_migration::{
    prelude::*,
    schema::{
        boolean, integer, integer_null, json_binary_null, text_null, timestamp_with_time_zone, timestamp_with_time_zone_null,
        uuid, uuid_null,
    },
};

use crate::shape::{index, kind, references, table};

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0009_rotation_requests"
    }
}

fn columns() -> [(&'static str, ColumnDef); 3] {
    [
        ("plans", boolean("elevated").default(false).to_owned()),
        ("credentials", integer_null("expiry_warned_days")),
        ("credential_secrets", timestamp_with_time_zone_null("end_warned_at")),
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
                table("rotation_requests")
                    .col(uuid("id").primary_key())
                    .col(uuid("credential_id"))
                    .col(uuid("team_id"))
                    .col(kind("status"))
                    .col(integer("overlap_hours"))
                    .col(integer_null("end_when_silent_minutes"))
                    .col(json_binary_null("given"))
                    .col(uuid("requested_by"))
                    .col(timestamp_with_time_zone("requested_at"))
                    .col(uuid_null("decided_by"))
                    .col(timestamp_with_time_zone_null("decided_at"))
                    .col(text_null("notes"))
                    .col(timestamp_with_time_zone_null("claimed_at"))
                    .col(integer("version"))
                    .foreign_key(&mut references("rotation_requests", "credential_id", "credentials"))
                    .to_owned(),
            )
            .await?;
        manager.create_index(index("rotation_requests", &["credential_id", "id"])).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("rotation_requests").to_owned()).await?;
        for (table, column) in columns().iter().rev() {
            manager.alter_table(Table::alter().table(*table).drop_column(column.get_column_name()).to_owned()).await?;
        }
        Ok(())
    }
}
