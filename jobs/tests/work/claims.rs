//! Who holds a job, and who can settle it.

use chrono::TimeDelta;
use domain::{
    DomainError,
    outbox::{Job, PruneRecords, When},
    queue::{self, Fate, Ticket},
};
use entities::enums::JobState;
use serde::{Deserialize, Serialize};

use crate::fixture::{self, Fixture};

const LEASE: TimeDelta = TimeDelta::seconds(20);

#[derive(Serialize, Deserialize)]
struct Once;
impl Job for Once {
    const KIND: &'static str = "once";
    const MAX_ATTEMPTS: i32 = 1;
}

#[derive(Serialize, Deserialize)]
struct Thrice(i32);
impl Job for Thrice {
    const KIND: &'static str = "thrice";
    const MAX_ATTEMPTS: i32 = 3;
}

#[tokio::test]
async fn a_claim_takes_what_is_due_in_order_and_counts_the_attempt() {
    let f = Fixture::new().await;
    let later = When { due_at: Some(f.domain.now() + TimeDelta::minutes(1)), dedup_key: None };
    fixture::enqueue(&f.domain, Thrice(9), later).await;
    for n in 0..5 {
        f.enqueue(Thrice(n)).await;
    }
    let first = queue::claim(&f.domain, 3, LEASE).await.expect("claim").held;
    let payloads: Vec<_> = first.iter().map(|job| job.payload.clone()).collect();
    assert_eq!(payloads, [0, 1, 2]);
    assert!(first.iter().all(|job| job.attempts == 1 && job.fence == 1 && job.state == JobState::Running));
    assert_eq!(queue::claim(&f.domain, 9, LEASE).await.expect("claim").held.len(), 2);
    assert_eq!(queue::claim(&f.domain, 9, LEASE).await.expect("claim").held.len(), 0);
    f.clock.advance(TimeDelta::minutes(1));
    assert_eq!(queue::claim(&f.domain, 9, LEASE).await.expect("claim").held[0].payload, 9);
    f.close().await;
}

#[tokio::test]
async fn a_lease_that_ended_is_claimed_anew_and_its_old_holder_settles_nothing() {
    let f = Fixture::new().await;
    f.enqueue(Thrice(1)).await;
    let old = queue::claim(&f.domain, 1, LEASE).await.expect("claim").held.remove(0);
    f.clock.advance(LEASE - TimeDelta::seconds(1));
    assert_eq!(queue::renew(&f.domain, &[Ticket::from(&old)], LEASE).await.expect("renew"), [old.id]);
    f.clock.advance(LEASE - TimeDelta::seconds(1));
    assert_eq!(queue::release_expired(&f.domain).await.expect("sweep"), 0, "it was renewed");
    f.clock.advance(TimeDelta::seconds(2));
    assert_eq!(queue::release_expired(&f.domain).await.expect("sweep"), 1);

    let ticket = Ticket::from(&old);
    assert_eq!(queue::complete(&f.domain, &[ticket]).await.expect("complete"), 0, "between two claims");
    let new = queue::claim(&f.domain, 1, LEASE).await.expect("claim").held.remove(0);
    assert_eq!((new.id, new.attempts, new.fence), (old.id, 2, 2));
    assert_eq!(queue::complete(&f.domain, &[ticket]).await.expect("complete"), 0);
    assert_eq!(queue::fail(&f.domain, &old, Fate::Retry, "late").await.expect("fail"), None);
    assert_eq!(queue::give_back(&f.domain, &[ticket]).await.expect("give back"), 0);
    assert_eq!(queue::renew(&f.domain, &[ticket], LEASE).await.expect("renew"), []);
    assert_eq!(queue::complete(&f.domain, &[Ticket::from(&new)]).await.expect("complete"), 1);
    assert_eq!(f.jobs().await, []);
    f.close().await;
}

#[tokio::test]
async fn a_job_whose_holders_all_vanished_is_parked_when_it_would_be_claimed_once_too_often() {
    let f = Fixture::new().await;
    f.enqueue(Thrice(1)).await;
    for attempt in 1..=3 {
        let claims = queue::claim(&f.domain, 1, LEASE).await.expect("claim");
        assert_eq!(claims.held[0].attempts, attempt);
        f.clock.advance(LEASE + TimeDelta::seconds(1));
        assert_eq!(queue::release_expired(&f.domain).await.expect("sweep"), 1);
    }
    let claims = queue::claim(&f.domain, 1, LEASE).await.expect("claim");
    assert!(claims.held.is_empty());
    assert_eq!((claims.dead.len(), claims.dead[0].attempts), (1, 3));
    let row = f.jobs().await.remove(0);
    assert_eq!((row.state, row.last_error.as_deref()), (JobState::Dead, Some("its worker stopped before it was done")));
    assert_eq!(queue::claim(&f.domain, 1, LEASE).await.expect("claim").dead.len(), 0, "parked for good");
    f.close().await;
}

#[tokio::test]
async fn a_failed_job_waits_longer_each_time_and_dies_after_its_last_attempt() {
    let f = Fixture::new().await;
    f.enqueue(Thrice(1)).await;
    let mut waited = TimeDelta::zero();
    for _ in 0..2 {
        let job = queue::claim(&f.domain, 1, LEASE).await.expect("claim").held.remove(0);
        let state = queue::fail(&f.domain, &job, Fate::Retry, "no\r\nluck").await.expect("fail");
        assert_eq!(state, Some(JobState::Ready));
        let row = f.jobs().await.remove(0);
        assert_eq!(row.last_error.as_deref(), Some("no  luck"), "one line");
        let wait = row.due_at - f.domain.now();
        assert!(wait > waited, "{wait} after {waited}");
        assert!(queue::claim(&f.domain, 1, LEASE).await.expect("claim").held.is_empty(), "not before it is due");
        f.clock.advance(wait);
        waited = wait;
    }
    let job = queue::claim(&f.domain, 1, LEASE).await.expect("claim").held.remove(0);
    assert_eq!(queue::fail(&f.domain, &job, Fate::Retry, "no luck").await.expect("fail"), Some(JobState::Dead));
    f.close().await;
}

#[tokio::test]
async fn what_was_not_begun_is_given_back_without_an_attempt() {
    let f = Fixture::new().await;
    f.enqueue(Once).await;
    let job = queue::claim(&f.domain, 1, LEASE).await.expect("claim").held.remove(0);
    assert_eq!(queue::give_back(&f.domain, &[Ticket::from(&job)]).await.expect("give back"), 1);
    let again = queue::claim(&f.domain, 1, LEASE).await.expect("claim").held.remove(0);
    assert_eq!((again.attempts, again.fence), (1, 2));
    f.close().await;
}

#[tokio::test]
async fn a_dedup_key_stays_taken_when_its_job_is_done() {
    let f = Fixture::new().await;
    let when = || When { due_at: None, dedup_key: Some("prune:14".to_owned()) };
    assert!(fixture::enqueue(&f.domain, PruneRecords, when()).await);
    assert!(!fixture::enqueue(&f.domain, PruneRecords, when()).await);
    let job = queue::claim(&f.domain, 9, LEASE).await.expect("claim").held.remove(0);
    assert_eq!(queue::complete(&f.domain, &[Ticket::from(&job)]).await.expect("complete"), 1);
    assert!(!fixture::enqueue(&f.domain, PruneRecords, when()).await);
    let rows = f.jobs().await;
    assert_eq!((rows.len(), rows[0].state, rows[0].finished_at), (1, JobState::Done, Some(f.domain.now())));
    f.close().await;
}

#[tokio::test]
async fn many_are_settled_at_once() {
    let f = Fixture::new().await;
    for n in 0..700 {
        f.enqueue(Thrice(n)).await;
    }
    let held = queue::claim(&f.domain, 700, LEASE).await.expect("claim").held;
    let mut tickets: Vec<_> = held.iter().map(Ticket::from).collect();
    tickets[300].fence += 1;
    assert_eq!(queue::renew(&f.domain, &tickets, LEASE).await.expect("renew").len(), 699);
    assert_eq!(queue::complete(&f.domain, &tickets).await.expect("complete"), 699);
    let left = f.jobs().await;
    assert_eq!((left.len(), left[0].id), (1, held[300].id));
    f.close().await;
}

#[tokio::test]
async fn two_claimers_at_once_share_and_never_take_the_same_job() {
    let f = Fixture::new().await;
    for n in 0..200 {
        f.enqueue(Thrice(n)).await;
    }
    let all = || async {
        let mut taken = Vec::new();
        loop {
            let claims = queue::claim(&f.domain, 7, LEASE).await.expect("claim");
            if claims.held.is_empty() {
                return taken;
            }
            taken.extend(claims.held.iter().map(|job| job.id));
        }
    };
    let (one, other) = futures_util::join!(all(), all());
    let mut ids: Vec<_> = one.iter().chain(&other).copied().collect();
    ids.sort_unstable();
    ids.dedup();
    // A row that the other holds locked is passed by, so either may stop early; the worker's poll comes back for it.
    assert_eq!(ids.len(), one.len() + other.len());
    assert!(ids.len() > 150, "{}", ids.len());
    f.close().await;
}

#[tokio::test]
async fn by_hand_a_dead_job_is_retried_and_a_waiting_one_parked() {
    let f = Fixture::new().await;
    f.enqueue(Once).await;
    let job = queue::claim(&f.domain, 1, LEASE).await.expect("claim").held.remove(0);
    assert!(matches!(queue::retry(&f.domain, job.id).await, Err(DomainError::Refused(_))), "it runs");
    queue::fail(&f.domain, &job, Fate::Park, "refused").await.expect("fail");

    let retried = queue::retry(&f.domain, job.id).await.expect("retry");
    assert_eq!((retried.state, retried.attempts, retried.due_at), (JobState::Ready, 0, f.domain.now()));
    let running = queue::claim(&f.domain, 1, LEASE).await.expect("claim").held.remove(0);
    let parked = queue::park(&f.domain, job.id).await.expect("park");
    assert_eq!((parked.state, parked.last_error.as_deref()), (JobState::Dead, Some("parked by hand")));
    assert_eq!(queue::complete(&f.domain, &[Ticket::from(&running)]).await.expect("complete"), 0);
    assert!(matches!(queue::park(&f.domain, job.id).await, Err(DomainError::Refused(_))));

    let stranger = f.domain.env.id();
    assert!(matches!(queue::retry(&f.domain, stranger).await, Err(DomainError::NotFound("job"))));
    let table = jobs::table::table(&queue::list(&f.domain, 10).await.expect("list"), f.domain.now());
    let row = format!("{}  dead   once  1/1       -    parked by hand", job.id);
    assert!(table.ends_with(&row), "{table}");
    f.close().await;
}
