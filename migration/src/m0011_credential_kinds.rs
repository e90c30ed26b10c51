//! Credentials proven by signatures: what verifying them needs, whose tokens from outside are taken, the keys that our own tokens
//! are signed with, and which tokens were used or revoked.

use sea_orm_migration::{
    prelude::*,
    schema::{binary, json_binary_null, text, text_null, timestamp_with_time_zone, uuid},
};

use crate::shape::{index, references, table};

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0011_credential_kinds"
    }
}

fn columns() -> [(&'static str, ColumnDef); 8] {
    [
        ("plan_environments", text_null("issuer")),
        ("plan_environments", text_null("audience")),
        ("profiles", text_null("issuer")),
        ("profiles", text_null("audience")),
        ("credentials", text_null("jwks_url")),
        ("credential_secrets", text_null("sealed")),
        ("credential_secrets", json_binary_null("jwks")),
        ("credential_secrets", text_null("jwks_url")),
    ]
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, mut column) in columns() {
            manager.alter_table(Table::alter().table(table).add_column(&mut column).to_owned()).await?;
        }
        manager.create_index(index("credentials", &["kind", "id"])).await?;
        manager
            .create_table(
                table("signing_keys")
                    .col(uuid("id").primary_key())
                    .col(text("kid"))
                    .col(text("sealed"))
                    .col(timestamp_with_time_zone("created_at"))
                    .col(timestamp_with_time_zone("signs_from"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                table("used_assertions")
                    .col(binary("digest").primary_key())
                    .col(timestamp_with_time_zone("expires_at"))
                    .to_owned(),
            )
            .await?;
        manager.create_index(index("used_assertions", &["expires_at"])).await?;
        manager
            .create_table(
                table("revoked_tokens")
                    .col(uuid("id").primary_key())
                    .col(uuid("client_id"))
                    .col(timestamp_with_time_zone("expires_at"))
                    .foreign_key(&mut references("revoked_tokens", "client_id", "clients"))
                    .to_owned(),
            )
            .await?;
        manager.create_index(index("revoked_tokens", &["client_id"])).await?;
        manager.create_index(index("revoked_tokens", &["expires_at"])).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for name in ["revoked_tokens", "used_assertions", "signing_keys"] {
            manager.drop_table(Table::drop().table(name).to_owned()).await?;
        }
        manager.drop_index(Index::drop().name("credentials_kind_id").table("credentials").to_owned()).await?;
        for (table, column) in columns().iter().rev() {
            manager.alter_table(Table::alter().table(*table).drop_column(column.get_column_name()).to_owned()).await?;
        }
        Ok(())
    }
}
