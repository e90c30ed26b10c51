//! Support requests, and the stages of its onboarding that each team reached.

use sea_orm_migration::{
    prelude::*,
    schema::{text, timestamp_with_time_zone, uuid, uuid_null},
};

use crate::shape::{index, kind, references, table, unique};

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0003_support"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        support_requests(manager).await?;
        onboarding_stages(manager).await?;
        for reached in REACHED {
            let sql = format!("INSERT INTO onboarding_stages (team_id, stage, \"at\") {reached}");
            manager.get_connection().execute_unprepared(&sql).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("onboarding_stages").to_owned()).await?;
        manager.drop_table(Table::drop().table("support_requests").to_owned()).await
    }
}

async fn support_requests(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            table("support_requests")
                .col(uuid("id").primary_key())
                .col(uuid("team_id"))
                .col(uuid("user_id"))
                .col(text("reference"))
                .col(kind("topic"))
                .col(text("subject"))
                .col(text("body"))
                .col(uuid_null("request_id"))
                .col(timestamp_with_time_zone("created_at"))
                .foreign_key(&mut references("support_requests", "team_id", "teams"))
                .foreign_key(&mut references("support_requests", "user_id", "users"))
                .to_owned(),
        )
        .await?;
    manager.create_index(unique("support_requests", &["reference"])).await?;
    manager.create_index(index("support_requests", &["team_id", "id"])).await?;
    manager.create_index(index("support_requests", &["user_id", "created_at"])).await
}

/// Without a reference to `teams`: the log of calls notes stages too, and must never wait for a row that is not there.
async fn onboarding_stages(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            table("onboarding_stages")
                .col(uuid("team_id"))
                .col(kind("stage"))
                .col(timestamp_with_time_zone("at"))
                .primary_key(Index::create().col("team_id").col("stage"))
                .to_owned(),
        )
        .await?;
    // Who was invited when; which teams reached a stage.
    manager.create_index(index("onboarding_stages", &["stage", "at", "team_id"])).await
}

/// What the teams that are there reached, from the rows that tell.
const REACHED: [&str; 6] = [
    "SELECT id, 'invited', created_at FROM teams",
    "SELECT team_id, 'signed_in', MIN(joined_at) FROM memberships GROUP BY team_id",
    "SELECT team_id, 'sandbox_credential', MIN(created_at) FROM credentials
     WHERE environment = 'sandbox' AND status <> 'unclaimed' GROUP BY team_id",
    "SELECT team_id, 'production_credential', MIN(created_at) FROM credentials
     WHERE environment = 'production' AND status <> 'unclaimed' GROUP BY team_id",
    "SELECT team_id, 'first_sandbox_call', MIN(\"at\") FROM request_log
     WHERE team_id IS NOT NULL AND environment = 'sandbox' AND status BETWEEN 200 AND 299 GROUP BY team_id",
    "SELECT team_id, 'first_production_call', MIN(\"at\") FROM request_log
     WHERE team_id IS NOT NULL AND environment = 'production' AND status BETWEEN 200 AND 299 GROUP BY team_id",
];
