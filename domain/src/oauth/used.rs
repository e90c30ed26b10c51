//! The assertions that were used, each once. Those that arrive while others are written go into the next statement together: the
//! cost of a write is shared, and nobody waits behind a queue of them.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use entities::used_assertion::{Column, Entity, Model};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, EntityTrait, IntoActiveModel, QueryTrait, sea_query::OnConflict};
use tokio::sync::{mpsc, oneshot};

/// How many wait for a writer that does not come forward, and how many a statement holds.
const WAITING: usize = 1024;
const TOGETHER: usize = 256;

/// Cheap to clone; the writer ends with the last of them.
#[derive(Clone)]
pub(super) struct UsedAssertions(mpsc::Sender<Note>);

struct Note {
    digest: [u8; 32],
    until: DateTime<Utc>,
    /// Whether it was new.
    answer: oneshot::Sender<bool>,
}

impl UsedAssertions {
    pub fn new(db: DatabaseConnection) -> Self {
        let (notes, arriving) = mpsc::channel(WAITING);
        tokio::spawn(write(db, arriving));
        Self(notes)
    }

    /// Whether it was never used before, by any process: then it is noted and kept until then. `None`: it could not be noted.
    pub async fn is_new(&self, digest: [u8; 32], until: DateTime<Utc>) -> Option<bool> {
        let (answer, answered) = oneshot::channel();
        self.0.send(Note { digest, until, answer }).await.ok()?;
        answered.await.ok()
    }
}

async fn write(db: DatabaseConnection, mut arriving: mpsc::Receiver<Note>) {
    let mut batch = Vec::with_capacity(TOGETHER);
    while arriving.recv_many(&mut batch, TOGETHER).await > 0 {
        match inserted(&db, &batch).await {
            Ok(mut new) => {
                for note in batch.drain(..) {
                    // Taken out, so that of two alike in one statement one is new. Whoever went away needs no answer.
                    let _ = note.answer.send(new.remove(note.digest.as_slice()));
                }
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "assertions cannot be noted, so they are not taken");
                batch.clear();
            }
        }
    }
}

async fn inserted(db: &DatabaseConnection, batch: &[Note]) -> Result<HashSet<Vec<u8>>, DbErr> {
    let rows = batch.iter().map(|note| Model { digest: note.digest.to_vec(), expires_at: note.until }.into_active_model());
    let mut insert =
        Entity::insert_many(rows).on_conflict(OnConflict::column(Column::Digest).do_nothing().to_owned()).into_query();
    insert.returning_col(Column::Digest);
    db.query_all(&insert).await?.iter().map(|row| row.try_get_by_index(0)).collect()
}
