//! Whether the database can be written is tried on a row of its own; and no statement of SQLite gets around the audit log's
//! triggers: what is replaced is deleted without asking them.

use sea_orm_migration::{
    prelude::*,
    schema::{binary_null, integer, timestamp_with_time_zone_null},
    sea_orm::DatabaseBackend,
};

use crate::shape::table;

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0024_storage"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut tries = table("write_tries");
        tries.col(integer("id").primary_key()).col(timestamp_with_time_zone_null("at")).col(binary_null("room"));
        manager.create_table(tries).await?;
        let db = manager.get_connection();
        db.execute_unprepared("insert into write_tries (id) values (1)").await?;
        if manager.get_database_backend() == DatabaseBackend::Sqlite {
            for statement in NOTHING_REPLACED {
                db.execute_unprepared(statement).await?;
            }
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() == DatabaseBackend::Sqlite {
            for name in ["audit_events_stay_unreplaced", "audit_events_stay_unmoved"] {
                manager.get_connection().execute_unprepared(&format!("drop trigger {name}")).await?;
            }
        }
        manager.drop_table(Table::drop().table("write_tries").to_owned()).await
    }
}

/// `INSERT OR REPLACE` and `UPDATE OR REPLACE` take away the rows whose id, place or row number they want.
const NOTHING_REPLACED: [&str; 2] = [
    "create trigger audit_events_stay_unreplaced before insert on audit_events
    when exists (select 1 from audit_events where id = new.id or position = new.position or rowid = new.rowid)
    begin select raise(abort, 'audit_events is append-only'); end",
    "create trigger audit_events_stay_unmoved before update on audit_events
    when exists (select 1 from audit_events
        where rowid <> old.rowid and (id = new.id or position = new.position or rowid = new.rowid))
    begin select raise(abort, 'audit_events is append-only'); end",
];
