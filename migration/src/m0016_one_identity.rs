//! A person is one subject of a provider: who is given their address later is somebody else.

use sea_orm_migration::prelude::*;

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0016_one_identity"
    }
}

/// The index of whose, by what, and the rows that it is of.
const INDEXES: [(&str, &str, &str); 2] = [
    ("sso_identities_of_member", "provider_id, issuer, user_id", "provider_id is not null"),
    ("sso_identities_of_staff_member", "issuer, user_id", "provider_id is null"),
];

/// The one that was linked first stays.
const LATER: &str = "delete from sso_identities where exists (select 1 from sso_identities first \
     where first.user_id = sso_identities.user_id and first.issuer = sso_identities.issuer \
     and (first.provider_id = sso_identities.provider_id or (first.provider_id is null and sso_identities.provider_id is null)) \
     and (first.created_at < sso_identities.created_at \
         or (first.created_at = sso_identities.created_at and first.id < sso_identities.id)))";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        db.execute_unprepared(LATER).await?;
        for (name, columns, which) in INDEXES {
            db.execute_unprepared(&format!("create unique index {name} on sso_identities ({columns}) where {which}")).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, ..) in INDEXES {
            manager.get_connection().execute_unprepared(&format!("drop index {name}")).await?;
        }
        Ok(())
    }
}
