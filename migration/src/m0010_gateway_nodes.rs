//! The gateway processes there are, what each has applied, and what one does that cannot confirm it.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, boolean, integer, timestamp_with_time_zone, uuid},
};

use crate::shape::table;

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0010_gateway_nodes"
    }
}

fn columns() -> [(&'static str, ColumnDef); 2] {
    [
        ("portals", integer("gateway_stale_seconds").default(60).to_owned()),
        ("portals", boolean("gateway_fail_closed").default(false).to_owned()),
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
                table("gateway_nodes")
                    .col(uuid("id").primary_key())
                    .col(timestamp_with_time_zone("started_at"))
                    .col(timestamp_with_time_zone("last_seen_at"))
                    .col(big_integer("applied_revision"))
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("gateway_nodes").to_owned()).await?;
        for (table, column) in columns().iter().rev() {
            manager.alter_table(Table::alter().table(*table).drop_column(column.get_column_name()).to_owned()).await?;
        }
        Ok(())
    }
}
