//! Listening to PostgreSQL's channels, where the database passes on what is said.

use std::time::Duration;

use sea_orm::{
    ConnectionTrait, DatabaseBackend, Statement,
    sqlx::{self, postgres::PgListener},
};
use tokio::time::{sleep, timeout};

use crate::{
    Domain,
    updates::{CHANNEL, Update},
};

/// How long a hint may take to come back.
const PATIENCE: Duration = Duration::from_secs(5);
/// After which a lost connection is tried again, and how often watchers look where nothing is heard.
const AGAIN: Duration = Duration::from_secs(2);

/// A listener on a channel. `None`: a pooler gives every transaction another connection, so that a LISTEN hears nothing, and
/// whoever waits has to look instead.
pub async fn to(ctx: &Domain, channel: &str) -> Result<Option<PgListener>, sqlx::Error> {
    let mut listener = PgListener::connect_with(ctx.db.get_postgres_connection_pool()).await?;
    if !*ctx.wake.relayed.get_or_try_init(|| hears(ctx, &mut listener)).await? {
        return Ok(None);
    }
    listener.listen(channel).await?;
    Ok(Some(listener))
}

/// Whether what is said over another connection arrives.
async fn hears(ctx: &Domain, listener: &mut PgListener) -> Result<bool, sqlx::Error> {
    let echo = format!("portico_echo_{}", ctx.env.uuid().simple());
    listener.listen(&echo).await?;
    let say = Statement::from_sql_and_values(DatabaseBackend::Postgres, "SELECT pg_notify($1, '')", [echo.as_str().into()]);
    ctx.db.execute_raw(say).await.map_err(|error| sqlx::Error::Protocol(error.to_string()))?;
    let heard = match timeout(PATIENCE, listener.recv()).await {
        Ok(heard) => heard.map(|_| true)?,
        Err(_) => false,
    };
    listener.unlisten(&echo).await?;
    if !heard {
        tracing::warn!(
            "the database does not pass on what is said by NOTIFY, as behind a pooler of transactions: what other processes \
             change is looked for instead, every two seconds at the latest"
        );
    }
    Ok(heard)
}

/// Passes on what other processes say, for as long as it is polled, or, where nothing is heard of it, that something may have been
/// missed; on SQLite there is nothing to listen to.
pub async fn for_updates(ctx: &Domain) {
    let updates = &ctx.updates;
    if ctx.db.get_database_backend() != DatabaseBackend::Postgres {
        return;
    }
    let mut listened = false;
    loop {
        let listening = async {
            let Some(mut listener) = to(ctx, CHANNEL).await? else { return Ok(()) };
            if std::mem::replace(&mut listened, true) {
                updates.say(&[Update::Missed]);
            }
            loop {
                match listener.try_recv().await? {
                    Some(message) => updates.heard(message.payload()),
                    // The connection was lost, and is back.
                    None => updates.say(&[Update::Missed]),
                }
            }
        };
        let lost: Result<(), sqlx::Error> = listening.await;
        match lost {
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "what other processes change is not heard until the database is back"
            ),
            // Nothing will ever be heard: who watches looks.
            Ok(()) => updates.say(&[Update::Missed]),
        }
        sleep(AGAIN).await;
    }
}
