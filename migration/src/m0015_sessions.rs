//! Sessions end when they lie unused.

use sea_orm_migration::{prelude::*, schema::integer_null};

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0015_sessions"
    }
}

fn columns() -> [(&'static str, ColumnDef); 1] {
    [("portals", integer_null("session_idle_hours").default(72).to_owned())]
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
