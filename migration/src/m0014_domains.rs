//! Mail domains of teams, their identity providers, and whom these have signed in.

use sea_orm_migration::{
    prelude::*,
    schema::{boolean, integer, text, text_null, timestamp_with_time_zone, timestamp_with_time_zone_null, uuid, uuid_null},
};

use crate::shape::{index, kind, references, table, unique};

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0014_domains"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for mut made in [sso_providers(), team_domains(), sso_identities(), removed_members()] {
            manager.create_table(made.take()).await?;
        }
        for made in [
            index("sso_providers", &["team_id"]),
            unique("team_domains", &["team_id", "domain"]),
            index("team_domains", &["sso_provider_id"]),
            index("sso_identities", &["user_id"]),
        ] {
            manager.create_index(made).await?;
        }
        let db = manager.get_connection();
        db.execute_unprepared("create unique index team_domains_proven on team_domains (domain) where verified_at is not null")
            .await?;
        // NULL differs from NULL in a plain index: the staff's provider has one of its own.
        for (name, columns, whose) in [
            ("sso_identities_of_team", "provider_id, issuer, subject", "not null"),
            ("sso_identities_of_staff", "issuer, subject", "null"),
        ] {
            let made = format!("create unique index {name} on sso_identities ({columns}) where provider_id is {whose}");
            db.execute_unprepared(&made).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for gone in ["removed_members", "sso_identities", "team_domains", "sso_providers"] {
            manager.drop_table(Table::drop().table(gone).to_owned()).await?;
        }
        Ok(())
    }
}

fn sso_providers() -> TableCreateStatement {
    table("sso_providers")
        .col(uuid("id").primary_key())
        .col(uuid("team_id"))
        .col(text("name"))
        .col(text("issuer"))
        .col(text("client_id"))
        .col(text_null("sealed_secret"))
        .col(boolean("enforced"))
        .col(timestamp_with_time_zone("created_at"))
        .col(timestamp_with_time_zone_null("last_sign_in_at"))
        .col(integer("version"))
        .foreign_key(&mut references("sso_providers", "team_id", "teams"))
        .to_owned()
}

fn team_domains() -> TableCreateStatement {
    table("team_domains")
        .col(uuid("id").primary_key())
        .col(uuid("team_id"))
        .col(text("domain"))
        .col(text("token"))
        .col(boolean("auto_join"))
        .col(kind("access_team"))
        .col(kind("access_credentials"))
        .col(kind("access_billing"))
        .col(uuid_null("sso_provider_id"))
        .col(timestamp_with_time_zone("created_at"))
        .col(timestamp_with_time_zone_null("verified_at"))
        .col(timestamp_with_time_zone_null("checked_at"))
        .col(timestamp_with_time_zone_null("missing_since"))
        .foreign_key(&mut references("team_domains", "team_id", "teams"))
        .foreign_key(&mut references("team_domains", "sso_provider_id", "sso_providers"))
        .to_owned()
}

fn sso_identities() -> TableCreateStatement {
    table("sso_identities")
        .col(uuid("id").primary_key())
        .col(uuid_null("provider_id"))
        .col(text("issuer"))
        .col(text("subject"))
        .col(uuid("user_id"))
        .col(timestamp_with_time_zone("created_at"))
        .col(timestamp_with_time_zone("last_sign_in_at"))
        .foreign_key(references("sso_identities", "provider_id", "sso_providers").on_delete(ForeignKeyAction::Cascade))
        .foreign_key(&mut references("sso_identities", "user_id", "users"))
        .to_owned()
}

fn removed_members() -> TableCreateStatement {
    table("removed_members")
        .col(uuid("team_id"))
        .col(uuid("user_id"))
        .col(timestamp_with_time_zone("removed_at"))
        .primary_key(Index::create().col("team_id").col("user_id"))
        .foreign_key(&mut references("removed_members", "team_id", "teams"))
        .foreign_key(&mut references("removed_members", "user_id", "users"))
        .to_owned()
}
