//! How far the database had come when this process saw it last, in a file beside it: a copy from before is told from it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use domain::{
    Domain,
    ops::high_water::{self, HighWater, Since},
    rules::audit_chain::{Hash, Mark},
    snapshot::raise_revision,
};
use serde::{Deserialize, Serialize};

use super::files;

/// How often the file follows the database.
const EVERY: Duration = Duration::from_secs(1);

/// What operators are told to do.
pub const REMEDY: &str = "revoke again what was revoked since, then run portico check --accept-restore";

/// As the file has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    database: String,
    position: i64,
    hash: String,
    revision: i64,
    /// Events of the audit log that the copy had, since it was found to be one; until somebody accepts it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    restored_to: Option<i64>,
}

/// The file of one data directory.
pub struct HighWaterFile(PathBuf);

/// A copy from before took the database's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// Events of the audit log that it had then, and that there were before.
    pub events: (i64, i64),
}

impl std::fmt::Display for Restored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (events, before) = self.events;
        write!(
            f,
            "the database is a copy from before: it had {events} events in its audit log where there were {before}, \
             so revocations may be undone: {REMEDY}"
        )
    }
}

impl HighWaterFile {
    pub fn of(data_dir: &Path) -> Self {
        Self(data_dir.join("high-water.json"))
    }

    /// Compares, and keeps what was found. A copy from before is remembered as one until it is accepted.
    pub async fn follow(&self, ctx: &Domain) -> domain::Result<Option<Restored>> {
        let Some(now) = high_water::of(ctx).await? else { return Ok(None) };
        let known = self.read();
        let found = compare(ctx, known.as_ref(), now).await?;
        if let (Some(_), Some(known)) = (found, &known)
            && known.restored_to.is_none()
        {
            // Gateways that live on have applied what the copy has not.
            raise_revision(ctx, known.revision.max(now.revision)).await?;
        }
        let kept = match (found, known) {
            (Some(Restored { events: (events, _) }), Some(known)) => Kept { restored_to: Some(events), ..known },
            _ => kept(now),
        };
        self.write(&kept);
        Ok(found)
    }

    /// As [`follow`](Self::follow), and keeps nothing.
    pub async fn look(&self, ctx: &Domain) -> domain::Result<Option<Restored>> {
        match high_water::of(ctx).await? {
            Some(now) => compare(ctx, self.read().as_ref(), now).await,
            None => Ok(None),
        }
    }

    /// Takes the database for what it is.
    pub async fn accept(&self, ctx: &Domain) -> domain::Result<()> {
        if let Some(now) = high_water::of(ctx).await? {
            let known = self.read().map_or(0, |known| known.revision);
            raise_revision(ctx, known.max(now.revision)).await?;
            self.write(&kept(now));
        }
        Ok(())
    }

    /// Until it is dropped.
    pub async fn keep(self, ctx: Domain) {
        // An away database is told of elsewhere.
        let mut last = None;
        loop {
            tokio::time::sleep(EVERY).await;
            match high_water::of(&ctx).await {
                Ok(now) if now != last => {
                    let was_known = self.read().is_some_and(|known| known.restored_to.is_some());
                    if let Ok(found) = self.follow(&ctx).await {
                        last = now;
                        if let Some(restored) = found.filter(|_| !was_known) {
                            tracing::warn!("{restored}");
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn read(&self) -> Option<Kept> {
        serde_json::from_slice(&fs::read(&self.0).ok()?).ok()
    }

    /// Whole or not at all. What cannot be written is written later: an older one tells of less, and nothing wrong.
    fn write(&self, kept: &Kept) {
        if self.read().as_ref() == Some(kept) {
            return;
        }
        let draft = self.0.with_extension(format!("json.{}", std::process::id()));
        let write = || -> io::Result<()> {
            let _ = fs::remove_file(&draft);
            files::make(&draft)?;
            fs::write(&draft, serde_json::to_vec(kept)?)?;
            fs::rename(&draft, &self.0)
        };
        if let Err(error) = write() {
            tracing::debug!(%error, "{} cannot be written", self.0.display());
            let _ = fs::remove_file(&draft);
        }
    }
}

async fn compare(ctx: &Domain, known: Option<&Kept>, now: HighWater) -> domain::Result<Option<Restored>> {
    let Some((known, stood)) = known.and_then(|known| Some((known, stood(known)?))) else { return Ok(None) };
    let since = high_water::since(ctx, &stood).await?;
    Ok(match (since, known.restored_to) {
        (Since::Other, _) => None,
        (_, Some(events)) => Some(Restored { events: (events, known.position) }),
        (Since::Earlier, None) => Some(Restored { events: (now.audit.position, known.position) }),
        (Since::Same, None) => None,
    })
}

fn kept(now: HighWater) -> Kept {
    Kept {
        database: BASE64.encode(now.database),
        position: now.audit.position,
        hash: BASE64.encode(now.audit.hash),
        revision: now.revision,
        restored_to: None,
    }
}

/// `None`: the file is not what we wrote.
fn stood(kept: &Kept) -> Option<HighWater> {
    let hash = |text: &str| -> Option<Hash> { BASE64.decode(text).ok()?.try_into().ok() };
    let audit = Mark { position: kept.position, hash: hash(&kept.hash)? };
    Some(HighWater { database: hash(&kept.database)?, audit, revision: kept.revision })
}
