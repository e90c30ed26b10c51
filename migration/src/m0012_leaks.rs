//! Secrets that were found in public: what plans have done about them, and what was done.

use sea_orm_migration::{
    prelude::*,
    schema::{json_binary_null, text_null, timestamp_with_time_zone, uuid},
};

use crate::shape::{index, kind, references, table, unique};

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0012_leaks"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut action = kind("leaked_key_action").default("notify").to_owned();
        manager.alter_table(Table::alter().table("plans").add_column(&mut action).to_owned()).await?;
        // A find says no more of a secret than what it is.
        manager.create_index(index("credential_secrets", &["hash"])).await?;
        manager
            .create_table(
                table("leaks")
                    .col(uuid("id").primary_key())
                    .col(uuid("team_id"))
                    .col(uuid("client_id"))
                    .col(uuid("credential_id"))
                    .col(uuid("credential_secret_id"))
                    .col(kind("action"))
                    .col(json_binary_null("scopes"))
                    .col(text_null("url"))
                    .col(text_null("source"))
                    .col(timestamp_with_time_zone("reported_at"))
                    .foreign_key(&mut references("leaks", "client_id", "clients"))
                    .foreign_key(&mut references("leaks", "credential_id", "credentials"))
                    .foreign_key(&mut references("leaks", "credential_secret_id", "credential_secrets"))
                    .to_owned(),
            )
            .await?;
        manager.create_index(unique("leaks", &["credential_secret_id"])).await?;
        manager.create_index(index("leaks", &["client_id"])).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("leaks").to_owned()).await?;
        manager.drop_index(Index::drop().name("credential_secrets_hash").table("credential_secrets").to_owned()).await?;
        manager.alter_table(Table::alter().table("plans").drop_column("leaked_key_action").to_owned()).await
    }
}
