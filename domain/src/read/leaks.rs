//! Secrets that were found in public, as those see it who have something to do about it.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use entities::{credential_secret, enums::LeakedKeyAction, id::CredentialId, leak};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::{Domain, Result};

/// A find about which there is something to do.
#[derive(Debug, Clone)]
pub struct OpenLeak {
    pub leak: leak::Model,
    /// Until when the secret works.
    pub ends_at: Option<DateTime<Utc>>,
    /// Whether a new secret can be claimed.
    pub claimable: bool,
}

/// The newest find of each of these credentials whose secret works still, or is to be replaced by one that can be claimed. The
/// caller has checked that the viewer sees them, and that they are active.
pub async fn open_of(ctx: &Domain, ids: &[CredentialId]) -> Result<HashMap<CredentialId, OpenLeak>> {
    let found = leak::Entity::find().filter(leak::Column::CredentialId.is_in(ids.iter().copied()));
    let leaks = found.order_by_asc(leak::Column::Id).all(&ctx.db).await?;
    if leaks.is_empty() {
        return Ok(HashMap::new());
    }
    use credential_secret::{Column, Entity};
    let secrets = Entity::find().filter(Column::CredentialId.is_in(leaks.iter().map(|leak| leak.credential_id)));
    let secrets = secrets.order_by_asc(Column::ValidFrom).order_by_asc(Column::Id).all(&ctx.db).await?;
    let open = leaks.into_iter().filter_map(|leak| {
        let secret = secrets.iter().find(|secret| secret.id == leak.credential_secret_id)?;
        let newest = secrets.iter().rfind(|other| other.credential_id == leak.credential_id)?.id == secret.id;
        let claimable = newest && leak.action == LeakedKeyAction::Rotate;
        let ends_at = secret.valid_until;
        let works = ends_at.is_none_or(|at| at > ctx.now());
        (works || claimable).then_some((leak.credential_id, OpenLeak { leak, ends_at, claimable }))
    });
    Ok(open.collect())
}
