//! Products may take encoded slashes in parameters of a path; the log says which answers came to their end.

use sea_orm_migration::{prelude::*, schema::boolean};

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0025_paths_and_ends"
    }
}

fn columns() -> [(&'static str, ColumnDef); 2] {
    [
        ("products", boolean("encoded_slashes").default(false).to_owned()),
        // What was logged before is taken to have been whole.
        ("request_log", boolean("completed").default(true).to_owned()),
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
