//! What processes on one PostgreSQL tell each other.

use std::time::Duration;

use domain::{listening, updates::Update};
use sea_orm::{ConnectionTrait, Statement};

use crate::fixture::Fixture;

#[tokio::test]
async fn who_lost_the_database_for_a_moment_is_told_that_something_was_missed() {
    let Some(fixture) = Fixture::postgres().await else { return };
    let db = fixture.ctx.db.clone();
    let mut watcher = fixture.ctx.updates.watch();
    let listening = tokio::spawn({
        let ctx = fixture.ctx.clone();
        async move { listening::for_updates(&ctx).await }
    });
    let statement = |sql: &str| Statement::from_string(db.get_database_backend(), sql);
    let of_listeners = "from pg_stat_activity where datname = current_database() and query like 'LISTEN%'";
    let cut = statement(&format!("select pg_terminate_backend(pid) {of_listeners}"));
    while db.query_all_raw(cut.clone()).await.unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let heard = tokio::time::timeout(Duration::from_secs(20), watcher.recv()).await;
    assert_eq!(heard.expect("it is told").unwrap(), Update::Missed);
    listening.abort();
}
