//! A version beside the others of its product: what it changed of the one before it, and that no two answer the same calls.

use std::{collections::HashMap, sync::Arc, time::Duration};

use entities::{endpoint, id::SpecVersionId, spec_changes, spec_version::Model};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use super::{of_product, pack};
use crate::{
    Domain, DomainError, ProblemCode, Result, Tx,
    read::specs::{blocking, document, lasting},
    rules::{
        openapi::Document,
        spec_changes::compare,
        spec_version::{self as versions, Route, Version},
    },
};

/// What one comparison may take.
const TIME: Duration = Duration::from_secs(10);

/// The changes of a version, ready to be stored with it.
pub struct Comparison {
    pub previous: Option<SpecVersionId>,
    pub breaking: bool,
    body: Vec<u8>,
}

/// Takes time with the documents' size, so it is done before anything is locked.
pub async fn of(ctx: &Domain, new: &Model, read: &Arc<Document>) -> Result<Comparison> {
    let all = of_product(&ctx.db, new.product_id).await?;
    let Some(previous) = versions::before(&all, &new.path_prefix, &new.served_by) else {
        return Ok(Comparison { previous: None, breaking: false, body: pack("[]")? });
    };
    let (old, new) = (document(ctx, previous).await?, Arc::clone(read));
    blocking(move || {
        let changes = compare(&old, &new, &lasting(TIME)).ok_or_else(too_long)?;
        let breaking = changes.iter().any(|change| change.breaking);
        let text = serde_json::to_string(&changes).map_err(DomainError::internal)?;
        Ok(Comparison { previous: Some(previous), breaking, body: pack(&text)? })
    })
    .await
}

fn too_long() -> DomainError {
    let message = format!(
        "comparing it with the version before takes longer than {} s: publish it under a path prefix of its own, or retire that \
         version first",
        TIME.as_secs()
    );
    DomainError::refused(ProblemCode::Invalid, "document", message)
}

impl Comparison {
    pub async fn store(&self, tx: &Tx<'_>, spec: SpecVersionId) -> Result<()> {
        let row = spec_changes::ActiveModel {
            spec_id: Set(spec),
            previous_id: Set(self.previous),
            breaking: Set(self.breaking),
            body: Set(self.body.clone()),
        };
        spec_changes::Entity::insert(row).exec_without_returning(tx.db()).await?;
        Ok(())
    }
}

/// Refuses a version that would answer calls that another one answers under another path prefix. `after`: the versions as they
/// will be.
pub async fn refuse_doubled(
    tx: &Tx<'_>,
    after: &[Version],
    new: &Version,
    path: &str,
    routes: impl Iterator<Item = Route<'_>>,
) -> Result<()> {
    use endpoint::Column as E;
    let beside: HashMap<SpecVersionId, &Version> =
        after.iter().filter(|other| versions::may_meet(new, other)).map(|other| (other.id, other)).collect();
    if beside.is_empty() {
        return Ok(());
    }
    let rows: Vec<(SpecVersionId, String, String)> = endpoint::Entity::find()
        .filter(E::SpecId.is_in(beside.keys().map(|id| id.0)))
        .select_only()
        .columns([E::SpecId, E::Method, E::Path])
        .into_tuple()
        .all(tx.db())
        .await?;
    let others = rows.iter().map(|(spec, method, path)| (beside[spec], Route { method, path }));
    versions::doubled(path, routes, others).map_err(DomainError::from)
}
