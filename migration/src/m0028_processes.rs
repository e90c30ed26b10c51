//! The processes that serve one instance, and the addresses that each was given.

use sea_orm_migration::{
    prelude::*,
    schema::{string, timestamp_with_time_zone, uuid},
};

use crate::shape::table;

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0028_processes"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let processes = table("processes")
            .col(uuid("id").primary_key())
            .col(string("role"))
            .col(string("base_url"))
            .col(string("portal_url"))
            .col(string("gateway_url"))
            .col(timestamp_with_time_zone("started_at"))
            .col(timestamp_with_time_zone("last_seen_at"))
            .to_owned();
        manager.create_table(processes).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("processes").to_owned()).await
    }
}
