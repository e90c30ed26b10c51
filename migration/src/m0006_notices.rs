//! What people were told.

use sea_orm_migration::{
    prelude::*,
    schema::{text, timestamp_with_time_zone, timestamp_with_time_zone_null, uuid},
};

use crate::shape::{index, kind, references, table};

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0006_notices"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                table("notifications")
                    .col(uuid("id").primary_key())
                    .col(uuid("user_id"))
                    .col(kind("kind"))
                    .col(text("title"))
                    .col(text("body"))
                    .col(text("subject_kind"))
                    .col(uuid("subject_id"))
                    .col(timestamp_with_time_zone("at"))
                    .col(timestamp_with_time_zone_null("read_at"))
                    .foreign_key(&mut references("notifications", "user_id", "users"))
                    .to_owned(),
            )
            .await?;
        manager.create_index(index("notifications", &["user_id", "id"])).await?;
        // The unread ones: few of many.
        manager.create_index(index("notifications", &["user_id", "read_at", "id"])).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("notifications").to_owned()).await
    }
}
