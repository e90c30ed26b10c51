//! What processes on one PostgreSQL tell each other.

use std::{sync::Arc, time::Duration};

use domain::updates::{self, Update, Updates};
use sea_orm::{ConnectionTrait, Statement};
use uuid::Uuid;

use crate::fixture::Fixture;

#[tokio::test]
async fn who_lost_the_database_for_a_moment_is_told_that_something_was_missed() {
    let Some(fixture) = Fixture::postgres().await else { return };
    let db = fixture.ctx.db.clone();
    let updates = Arc::new(Updates::new(Uuid::nil()));
    let mut watcher = updates.watch();
    let listening = tokio::spawn({
        let (db, updates) = (db.clone(), updates.clone());
        async move { updates::listen(&db, &updates).await }
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
