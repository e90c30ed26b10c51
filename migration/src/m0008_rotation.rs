//! Rotating secrets: how long the ones before may work, and what ends them sooner.

use sea_orm_migration::{
    prelude::*,
    schema::{integer, integer_null},
};

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0008_rotation"
    }
}

fn columns() -> [(&'static str, ColumnDef); 2] {
    [
        ("plans", integer("rotation_overlap_hours").default(24).to_owned()),
        ("credential_secrets", integer_null("end_when_silent_minutes")),
    ]
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, mut column) in columns() {
            manager.alter_table(Table::alter().table(table).add_column(&mut column).to_owned()).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in columns().iter().rev() {
            manager.alter_table(Table::alter().table(*table).drop_column(column.get_column_name()).to_owned()).await?;
        }
        Ok(())
    }
}
