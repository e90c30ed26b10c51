//! How long a million audit events take to verify, beside reading the same rows and nothing more: `cargo bench -p domain --bench audit`.
//! Takes the number of events as its argument. On SQLite, or on PostgreSQL where `PORTICO_TEST_DATABASE_URL` names one: then the
//! database must be empty.

mod scratch;

use std::time::Instant;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use domain::{
    Actor, Domain, Tx,
    actor::Origin,
    audit::{Action, Audit},
    keyring::Purpose,
    read::audit_verification::verify,
    rules::audit_chain::{ChainKey, Kept, Mark},
};
use entities::{
    audit_chain, audit_event,
    enums::{ActorKind, StaffRole},
    id::{AuditEventId, TeamId, UserId},
};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, TransactionTrait};
use secrecy::ExposeSecret;
use serde_json::json;
use uuid::Uuid;

use self::scratch::{Outcome, Scratch};

/// 14 columns each, and SQLite binds 32,766 values at most.
const TOGETHER: i64 = 2_000;

#[tokio::main]
async fn main() -> Outcome<()> {
    let events = i64::try_from(scratch::asked(1_000_000))?;
    let scratch = Scratch::new().await?;
    let ctx = &scratch.ctx;
    let begun = Instant::now();
    fill(ctx, events).await?;
    println!("{:?}: {events} events written in {:.1?}", ctx.db.get_database_backend(), begun.elapsed());

    let auditor = Actor::user(UserId(Uuid::nil()), Some(StaffRole::Auditor), Origin::default());
    for _ in 0..3 {
        let begun = Instant::now();
        let rows = read(ctx, events).await?;
        let reading = begun.elapsed();
        let begun = Instant::now();
        let verified = verify(ctx, &auditor, None).await?;
        assert!(verified.fault.is_none() && verified.events == events && rows == events as usize);
        println!("read in {reading:.2?}, verified in {:.2?}", begun.elapsed());
    }
    Ok(())
}

/// As the verification does, one stretch after the other.
async fn read(ctx: &Domain, events: i64) -> Outcome<usize> {
    use audit_event::Column::Position;
    let mut rows = 0;
    for before in (0..events).step_by(10_000) {
        let stretch = audit_event::Entity::find().filter(Position.between(before + 1, before + 10_000)).order_by_asc(Position);
        rows += std::hint::black_box(stretch.all(&ctx.db).await?).len();
    }
    Ok(rows)
}

/// One by the front door, which makes the chain; the others in large statements.
async fn fill(ctx: &Domain, events: i64) -> Outcome<()> {
    let tx = Tx::begin(ctx).await?;
    tx.commit(Audit::of(&Actor::system(), Action::TeamCreated, TeamId(Uuid::nil()))).await?;
    let chain = audit_chain::Entity::find_by_id(1).one(&ctx.db).await?.ok_or("no chain")?;
    let plain = ctx.keys.open(Purpose::AuditChain, &chain.sealed_key)?;
    let key = ChainKey::new(plain.expose_secret().as_bytes());
    let mut at = Mark { position: chain.head_position, hash: chain.head_hash.as_slice().try_into()? };
    while at.position < events {
        let tx = ctx.db.begin().await?;
        let upto = events.min(at.position + TOGETHER);
        let rows = (at.position..upto).map(|n| {
            let mut row = event(ctx, n);
            at = key.after(at, &row);
            (row.position, row.hash) = (Some(at.position), Some(at.hash.to_vec()));
            row.into_active_model()
        });
        audit_event::Entity::insert_many(rows.collect::<Vec<_>>()).exec_without_returning(&tx).await?;
        tx.commit().await?;
    }
    let end = audit_chain::ActiveModel {
        id: Set(1),
        head_position: Set(at.position),
        head_hash: Set(at.hash.to_vec()),
        head_seal: Set(key.seal(Kept::Head, at).to_vec()),
        ..Default::default()
    };
    audit_chain::Entity::update(end).exec(&ctx.db).await?;
    Ok(())
}

/// As large as most.
fn event(ctx: &Domain, n: i64) -> audit_event::Model {
    audit_event::Model {
        id: ctx.env.id::<AuditEventId>(),
        at: ctx.now(),
        actor_id: Some(ctx.env.id::<UserId>()),
        actor_kind: ActorKind::User,
        action: "credential.rotated".to_owned(),
        subject_type: "crd".to_owned(),
        subject_id: ctx.env.id::<UserId>().0,
        team_id: Some(TeamId(Uuid::from_u128(n as u128 % 10_000))),
        ip: Some("203.0.113.77".to_owned()),
        user_agent: Some("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".to_owned()),
        request_id: Some(format!("req_{}", BASE64.encode(n.to_be_bytes()))),
        changes: json!({ "overlapEndsAt": { "before": null, "after": "2026-01-08T09:00:00Z" }, "number": { "before": n, "after": n + 1 } }),
        position: None,
        hash: None,
    }
}
