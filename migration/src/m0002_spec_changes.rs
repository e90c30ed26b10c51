//! What changed from one version of a document to the next.

use sea_orm_migration::{
    prelude::*,
    schema::{blob, boolean, uuid, uuid_null},
};

use crate::shape::{references, table};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                table("spec_changes")
                    .col(uuid("spec_id").primary_key())
                    .col(uuid_null("previous_id"))
                    .col(boolean("breaking"))
                    .col(blob("body"))
                    .foreign_key(&mut references("spec_changes", "spec_id", "spec_versions"))
                    .foreign_key(&mut references("spec_changes", "previous_id", "spec_versions"))
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("spec_changes").to_owned()).await
    }
}
