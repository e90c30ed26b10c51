//! The audit log becomes a chain, and rows of it stay as they were written.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, big_integer_null, binary, binary_null, integer, integer_null, text},
    sea_orm::DatabaseBackend,
};

use crate::shape::{table, unique};

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0013_audit_chain"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // Rows from before have no place yet: the next start gives them one.
        for mut column in [big_integer_null("position"), binary_null("hash")] {
            manager.alter_table(Table::alter().table("audit_events").add_column(&mut column).to_owned()).await?;
        }
        manager.create_index(unique("audit_events", &["position"])).await?;
        let mut days = integer_null("audit_days");
        manager.alter_table(Table::alter().table("portals").add_column(&mut days).to_owned()).await?;
        manager
            .create_table(
                table("audit_chains")
                    .col(integer("id").primary_key())
                    .col(text("sealed_key"))
                    .col(big_integer("head_position"))
                    .col(binary("head_hash"))
                    .col(binary("head_seal"))
                    .col(big_integer("anchor_position"))
                    .col(binary("anchor_hash"))
                    .col(binary("anchor_seal"))
                    .to_owned(),
            )
            .await?;
        for statement in append_only(manager.get_database_backend()) {
            manager.get_connection().execute_unprepared(statement).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for statement in as_before(manager.get_database_backend()) {
            manager.get_connection().execute_unprepared(statement).await?;
        }
        manager.drop_table(Table::drop().table("audit_chains").to_owned()).await?;
        manager.alter_table(Table::alter().table("portals").drop_column("audit_days").to_owned()).await?;
        manager.drop_index(Index::drop().name("audit_events_position").table("audit_events").to_owned()).await?;
        for column in ["position", "hash"] {
            manager.alter_table(Table::alter().table("audit_events").drop_column(column).to_owned()).await?;
        }
        Ok(())
    }
}

/// A row may be given its place once, and may go once the anchor is behind it: the anchor is sealed, so that whoever moves it
/// without the key is found.
fn append_only(backend: DatabaseBackend) -> &'static [&'static str] {
    match backend {
        DatabaseBackend::Postgres => &[
            "create function audit_events_stay() returns trigger language plpgsql as $$
            begin
                if tg_op = 'UPDATE' then
                    if old.hash is null then return new; end if;
                elsif tg_op = 'DELETE' then
                    if exists (select from audit_chains where anchor_position >= old.position) then return old; end if;
                end if;
                raise exception 'audit_events is append-only';
            end $$",
            "create trigger audit_events_stay before update or delete on audit_events
            for each row execute function audit_events_stay()",
            "create trigger audit_events_stay_whole before truncate on audit_events
            for each statement execute function audit_events_stay()",
        ],
        _ => &[
            "create trigger audit_events_stay before update on audit_events when old.hash is not null
            begin select raise(abort, 'audit_events is append-only'); end",
            "create trigger audit_events_stay_whole before delete on audit_events
            when not exists (select 1 from audit_chains where anchor_position >= old.position)
            begin select raise(abort, 'audit_events is append-only'); end",
        ],
    }
}

fn as_before(backend: DatabaseBackend) -> &'static [&'static str] {
    match backend {
        DatabaseBackend::Postgres => &[
            "drop trigger audit_events_stay_whole on audit_events",
            "drop trigger audit_events_stay on audit_events",
            "drop function audit_events_stay()",
        ],
        _ => &["drop trigger audit_events_stay_whole", "drop trigger audit_events_stay"],
    }
}
