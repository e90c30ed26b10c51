//! The audit log stays as it was written; where somebody with the database's own rights changes it, that is found and named.

use chrono::TimeDelta;
use domain::{
    Actor, Domain, Tx,
    actor::Origin,
    audit::{Action, Audit},
    ops::{audit_log, portal, retention},
    read::audit_verification::{Verification, verify},
    rules::audit_chain::{Fault, Mark, START},
};
use entities::{audit_event, enums::StaffRole, id::UserId};
use sea_orm::{ColumnTrait, ConnectionTrait, DatabaseBackend, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};
use uuid::Uuid;

use crate::fixture::Fixture;

async fn write(ctx: &Domain, events: usize) {
    for n in 0..events {
        let tx = Tx::begin(ctx).await.unwrap();
        let entry = Audit::of(&Actor::system(), Action::UserUpdated, UserId(Uuid::from_u128(n as u128)));
        tx.commit(entry.change("name", n, json(n)).set("ratio", 0.1)).await.unwrap();
    }
}

fn json(n: usize) -> serde_json::Value {
    serde_json::json!({ "zeta": n, "alpha": [null, "ä", 1.5], "beta": { "b": true, "a": "" } })
}

fn staff(role: StaffRole) -> Actor {
    Actor::user(UserId(Uuid::nil()), Some(role), Origin::default())
}

async fn verified(ctx: &Domain, from: Option<Mark>) -> Verification {
    verify(ctx, &staff(StaffRole::Auditor), from).await.unwrap()
}

/// What is wrong, and the place of the event that shows it.
async fn fault(ctx: &Domain) -> Option<(Fault, Option<i64>)> {
    let found = verified(ctx, None).await.fault?;
    let row = match found.event {
        Some(id) => audit_event::Entity::find_by_id(id).one(&ctx.db).await.unwrap(),
        None => None,
    };
    Some((found.fault, row.and_then(|row| row.position)))
}

/// As somebody does who owns the tables.
async fn with_the_owners_rights(ctx: &Domain, statements: &[&str]) {
    let off: &[&str] = match ctx.db.get_database_backend() {
        DatabaseBackend::Postgres => &["alter table audit_events disable trigger all"],
        _ => &[
            "drop trigger if exists audit_events_stay",
            "drop trigger if exists audit_events_stay_whole",
            "drop trigger if exists audit_events_stay_unreplaced",
            "drop trigger if exists audit_events_stay_unmoved",
        ],
    };
    for statement in off.iter().chain(statements) {
        ctx.db.execute_unprepared(statement).await.unwrap();
    }
}

#[tokio::test]
async fn events_stay_as_they_were_written() {
    for fixture in Fixture::each().await {
        let ctx = &fixture.ctx;
        write(ctx, 3).await;
        for statement in [
            "update audit_events set action = 'nothing'",
            "update audit_events set position = position + 10, hash = null",
            "delete from audit_events where position = 3",
            "delete from audit_events",
        ] {
            let refused = ctx.db.execute_unprepared(statement).await.unwrap_err().to_string();
            assert!(refused.contains("append-only"), "{statement}: {refused}");
        }
        if ctx.db.get_database_backend() == DatabaseBackend::Postgres {
            let refused = ctx.db.execute_unprepared("truncate audit_events").await.unwrap_err().to_string();
            assert!(refused.contains("append-only"), "{refused}");
        }
        assert_eq!(fault(ctx).await, None);
        assert_eq!(verified(ctx, None).await.events, 3);
    }
}

/// SQLite deletes what is replaced without asking the triggers of deletion.
#[tokio::test]
async fn no_event_is_replaced() {
    let fixture = Fixture::sqlite().await;
    let ctx = &fixture.ctx;
    write(ctx, 3).await;
    let columns = "id, at, actor_kind, action, subject_type, subject_id, changes, position, hash";
    let row = |id: &str, position: &str| {
        format!(
            "({columns}) select {id}, at, actor_kind, 'nothing', subject_type, subject_id, changes, {position}, hash
            from audit_events where position = 2"
        )
    };
    let by_row_number = row("x'00'", "9").replacen('(', "(rowid, ", 1).replacen("select ", "select rowid, ", 1);
    for statement in [
        format!("insert or replace into audit_events {}", row("id", "position")),
        format!("insert or replace into audit_events {}", row("id", "9")),
        format!("replace into audit_events {}", row("x'00'", "2")),
        format!("insert or replace into audit_events {by_row_number}"),
        "insert into audit_events (id, at, actor_kind, action, subject_type, subject_id, changes)
            select x'01', at, actor_kind, action, subject_type, subject_id, changes from audit_events where position = 2;
         update or replace audit_events set position = 2 where id = x'01'"
            .to_owned(),
    ] {
        let refused = ctx.db.execute_unprepared(&statement).await.unwrap_err().to_string();
        assert!(refused.contains("append-only"), "{statement}: {refused}");
    }
    for position in 1..=3 {
        let there = audit_event::Entity::find().filter(audit_event::Column::Position.eq(position)).one(&ctx.db).await.unwrap();
        assert_eq!(there.map(|row| row.action).as_deref(), Some("user.updated"), "{position}");
    }
}

#[tokio::test]
async fn a_change_with_the_owners_rights_is_found_and_named() {
    let cut = "delete from audit_events where position > 4";
    let swap = [
        "update audit_events set position = 100 where position = 2",
        "update audit_events set position = 2 where position = 3",
        "update audit_events set position = 3 where position = 100",
    ];
    let add = "insert into audit_events (id, at, actor_kind, action, subject_type, subject_id, changes)
        select subject_id, at, actor_kind, action, subject_type, id, changes from audit_events where position = 2";
    let tables: [(&[&str], Fault, Option<i64>); 9] = [
        (&["update audit_events set action = 'team.created' where position = 2"], Fault::Changed(2), Some(2)),
        (&["update audit_events set changes = '{}' where position = 5"], Fault::Changed(5), Some(5)),
        (&["delete from audit_events where position = 3"], Fault::Missing(3, 3), Some(4)),
        (&["delete from audit_events where position < 3"], Fault::Missing(1, 2), Some(3)),
        (&[cut], Fault::Missing(5, 6), None),
        (&swap, Fault::Changed(2), Some(2)),
        (&[add], Fault::Added, None),
        // The end that is kept beside the log is sealed, and so is its beginning.
        (&[cut, "update audit_chains set head_position = 4"], Fault::Head, None),
        (&["update audit_chains set anchor_position = 2"], Fault::Anchor, None),
    ];
    for (statements, wrong, at) in tables {
        for fixture in Fixture::each().await {
            let ctx = &fixture.ctx;
            write(ctx, 6).await;
            assert_eq!(fault(ctx).await, None);
            with_the_owners_rights(ctx, statements).await;
            assert_eq!(fault(ctx).await, Some((wrong.clone(), at)), "{statements:?}");
        }
    }
}

#[tokio::test]
async fn what_an_older_end_would_hide_a_checkpoint_shows() {
    for fixture in Fixture::each().await {
        let ctx = &fixture.ctx;
        write(ctx, 4).await;
        let kept = "create table kept as select * from audit_chains";
        ctx.db.execute_unprepared(kept).await.unwrap();
        write(ctx, 3).await;
        let checkpoint = verified(ctx, None).await.head;
        write(ctx, 2).await;
        assert_eq!(verified(ctx, Some(checkpoint)).await.fault, None);
        // Somebody cuts the log and puts an old end back, with its seal.
        let back = "update audit_chains set head_position = 4, head_hash = (select head_hash from kept),
            head_seal = (select head_seal from kept)";
        with_the_owners_rights(ctx, &["delete from audit_events where position > 4", back]).await;
        assert_eq!(fault(ctx).await, None, "by itself the log cannot know");
        let told = verified(ctx, Some(checkpoint)).await.fault.unwrap();
        assert_eq!(told.fault, Fault::Missing(7, 7));
        let other = Mark { hash: [1; 32], position: 2 };
        assert_eq!(verified(ctx, Some(other)).await.fault.unwrap().fault, Fault::Checkpoint(2));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_write_at_once_make_one_chain() {
    for fixture in Fixture::each().await {
        let writers = (0..8).map(|_| {
            let ctx = fixture.other_process();
            tokio::spawn(async move { write(&ctx, 10).await })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
        let whole = verified(&fixture.ctx, None).await;
        assert_eq!((whole.fault, whole.events), (None, 80));
    }
}

#[tokio::test]
async fn what_an_earlier_version_wrote_begins_the_chain_and_nothing_later_does() {
    for fixture in Fixture::each().await {
        let ctx = &fixture.ctx;
        write(ctx, 5).await;
        let as_before = ["update audit_events set position = null, hash = null", "delete from audit_chains"];
        with_the_owners_rights(ctx, &as_before).await;
        assert_eq!(fault(ctx).await, Some((Fault::Added, None)));
        audit_log::begin(ctx).await.unwrap();
        assert_eq!((fault(ctx).await, verified(ctx, None).await.events), (None, 5));
        let order = audit_event::Entity::find().order_by_asc(audit_event::Column::Id).all(&ctx.db).await.unwrap();
        assert!(order.iter().map(|row| row.position).eq((1..=5).map(Some)));
        with_the_owners_rights(ctx, &["update audit_events set position = null, hash = null where position = 5"]).await;
        audit_log::begin(ctx).await.unwrap();
        assert_eq!(fault(ctx).await, Some((Fault::Missing(5, 5), None)));
    }
}

#[tokio::test]
async fn retention_takes_the_oldest_and_the_rest_stays_whole() {
    for fixture in Fixture::each().await {
        let ctx = &fixture.ctx;
        write(ctx, 1_500).await;
        fixture.clock.advance(TimeDelta::days(20));
        write(ctx, 4).await;
        fixture.clock.advance(TimeDelta::days(20));
        assert_eq!(retention::prune(ctx).await.unwrap().audit_events, 0, "kept for ever");
        let settings = portal::Settings { audit_days: Some(Some(30)), ..Default::default() };
        let cmd = portal::UpdatePortal { settings, ..Default::default() };
        portal::update(ctx, &staff(StaffRole::Admin), cmd).await.unwrap();
        assert_eq!(retention::prune(ctx).await.unwrap().audit_events, 1_500);
        assert_eq!(retention::prune(ctx).await.unwrap().audit_events, 0);
        let whole = verified(ctx, None).await;
        assert_eq!((whole.fault, whole.events, whole.head.position), (None, 5, 1_505));
        let old = Mark { position: 9, hash: [0; 32] };
        let refused = verify(ctx, &staff(StaffRole::Auditor), Some(old)).await.unwrap_err().to_string();
        assert_eq!(refused, "events up to 1500 are older than the log is kept: leave it out");
        let last_gone = Mark { position: 1_500, hash: [0; 32] };
        assert_eq!(verified(ctx, Some(last_gone)).await.fault.unwrap().fault, Fault::Checkpoint(1_500));
        // All of it may go, and what comes then follows still.
        fixture.clock.advance(TimeDelta::days(40));
        assert_eq!(retention::prune(ctx).await.unwrap().audit_events, 5);
        assert_eq!(audit_event::Entity::find().count(&ctx.db).await.unwrap(), 0);
        write(ctx, 1).await;
        let whole = verified(ctx, None).await;
        assert_eq!((whole.fault, whole.events, whole.head.position), (None, 1, 1_506));
    }
}

#[tokio::test]
async fn only_who_may_read_the_log_verifies_it_and_an_empty_one_is_whole() {
    for fixture in Fixture::each().await {
        let whole = verified(&fixture.ctx, None).await;
        assert_eq!((whole.fault, whole.events, whole.head), (None, 0, START));
        for actor in [staff(StaffRole::Editor), staff(StaffRole::Viewer), Actor::nobody(Origin::default())] {
            verify(&fixture.ctx, &actor, None).await.unwrap_err();
        }
    }
}
