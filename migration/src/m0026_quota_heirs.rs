//! Whose quota counts what an ended client has used.

use sea_orm_migration::{prelude::*, schema::uuid_null};

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0026_quota_heirs"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut column = uuid_null("heir_id");
        manager.alter_table(Table::alter().table("quota_windows").add_column(&mut column).to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.alter_table(Table::alter().table("quota_windows").drop_column("heir_id").to_owned()).await
    }
}
