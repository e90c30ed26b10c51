//! How many open calls a change at the portal ended, beside the change.

use sea_orm_migration::{prelude::*, schema::integer};

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0018_streams_ended"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let added = Table::alter().table("gateway_changes").add_column(integer("streams_ended").default(0)).to_owned();
        manager.alter_table(added).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let gone = Table::alter().table("gateway_changes").drop_column("streams_ended").to_owned();
        manager.alter_table(gone).await
    }
}
