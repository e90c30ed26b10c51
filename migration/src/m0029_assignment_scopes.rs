//! The scopes that an assignment gives; none named: all of the product's.

use sea_orm_migration::{prelude::*, schema::json_binary_null};

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0029_assignment_scopes"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut column = json_binary_null("scopes");
        manager.alter_table(Table::alter().table("assignments").add_column(&mut column).to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.alter_table(Table::alter().table("assignments").drop_column("scopes").to_owned()).await
    }
}
