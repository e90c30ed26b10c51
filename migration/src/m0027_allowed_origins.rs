//! Pages of other origins may call products, per environment.

use sea_orm_migration::{prelude::*, schema::json_binary};

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0027_allowed_origins"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut column = json_binary("allowed_origins").default("[]").to_owned();
        manager.alter_table(Table::alter().table("product_environments").add_column(&mut column).to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.alter_table(Table::alter().table("product_environments").drop_column("allowed_origins").to_owned()).await
    }
}
