//! What changed from version to version, as its viewers may know it: what is held back from partners is no news to them.

use std::collections::{HashMap, HashSet};

use entities::{endpoint, enums::EndpointStatus, id::SpecVersionId, spec_changes};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use super::{catalog, specs::blocking};
use crate::{
    Actor, Domain, DomainError, Result,
    documents::unpack,
    rules::{
        spec_changes::{SpecChange, identity, name},
        visibility::Onlooker,
    },
};

/// Bytes of changes, as they are stored, that are told at once: more than one version can have.
const MAX_TOLD: usize = 32 << 20;

/// Whether changes of drafts are told too.
pub fn sees_all(actor: &Actor) -> bool {
    catalog::onlooker(actor) == Onlooker::Staff
}

/// What each of these versions changed of the one before it, breaking changes first. `all`: of drafts too.
pub async fn of_specs(ctx: &Domain, all: bool, specs: &[SpecVersionId]) -> Result<HashMap<SpecVersionId, Vec<SpecChange>>> {
    let mut left = MAX_TOLD;
    each(ctx, all, specs, move |row, drafts| shown(row, drafts, &mut left)).await
}

/// What is made of the changes of each, one after the other.
async fn each<T: Send + 'static>(
    ctx: &Domain,
    all: bool,
    specs: &[SpecVersionId],
    mut make: impl FnMut(&spec_changes::Model, &HashMap<SpecVersionId, Operations>) -> Result<T> + Send + 'static,
) -> Result<HashMap<SpecVersionId, T>> {
    let stored = spec_changes::Entity::find().filter(spec_changes::Column::SpecId.is_in(specs.iter().map(|id| id.0)));
    let stored = stored.all(&ctx.db).await?;
    let drafts = if all { HashMap::new() } else { drafts(ctx, &stored).await? };
    let turn = ctx.documents.turn_of_the_portal().await;
    let work = move || {
        let _turn = turn;
        stored.into_iter().map(|row| Ok((row.spec_id, make(&row, &drafts)?))).collect()
    };
    blocking(work).await
}

/// Whether each of these versions breaks what callers of the one before it do. `all`: counting drafts.
pub async fn breaking(ctx: &Domain, all: bool, specs: &[SpecVersionId]) -> Result<HashMap<SpecVersionId, bool>> {
    use spec_changes::Column as C;
    let stored: Vec<(SpecVersionId, bool)> = spec_changes::Entity::find()
        .filter(C::SpecId.is_in(specs.iter().map(|id| id.0)))
        .select_only()
        .columns([C::SpecId, C::Breaking])
        .into_tuple()
        .all(&ctx.db)
        .await?;
    let mut found: HashMap<_, _> = stored.into_iter().collect();
    let broken: Vec<_> = found.iter().filter(|(_, breaking)| **breaking).map(|(id, _)| *id).collect();
    // What breaks may be a draft's: only the changes themselves tell.
    if !all && !broken.is_empty() {
        let breaks = |row: &_, drafts: &_| Ok(shown(row, drafts, &mut { MAX_TOLD })?.iter().any(|change| change.breaking));
        found.extend(each(ctx, false, &broken, breaks).await?);
    }
    Ok(found)
}

type Operations = HashSet<String>;

/// The operations that are drafts in each of the versions that were compared.
async fn drafts(ctx: &Domain, stored: &[spec_changes::Model]) -> Result<HashMap<SpecVersionId, Operations>> {
    use endpoint::Column as E;
    let versions = stored.iter().flat_map(|row| [Some(row.spec_id), row.previous_id]).flatten();
    let rows: Vec<(SpecVersionId, String, String)> = endpoint::Entity::find()
        .filter(E::SpecId.is_in(versions.map(|id| id.0)))
        .filter(E::Status.eq(EndpointStatus::Draft))
        .select_only()
        .columns([E::SpecId, E::Method, E::DocumentPath])
        .into_tuple()
        .all(&ctx.db)
        .await?;
    let mut drafts: HashMap<_, Operations> = HashMap::new();
    for (spec, method, path) in rows {
        drafts.entry(spec).or_default().insert(identity(&name(&method, &path)));
    }
    Ok(drafts)
}

/// `left`: bytes that may still be unpacked.
fn shown(row: &spec_changes::Model, drafts: &HashMap<SpecVersionId, Operations>, left: &mut usize) -> Result<Vec<SpecChange>> {
    let text = unpack(&row.body)?;
    *left = left
        .checked_sub(text.len())
        .ok_or(DomainError::TooMuch("these are too many changes: ask for those of fewer versions at once"))?;
    let mut changes: Vec<SpecChange> = serde_json::from_str(&text).map_err(DomainError::internal)?;
    let hidden: Vec<&Operations> =
        [Some(row.spec_id), row.previous_id].iter().flatten().filter_map(|id| drafts.get(id)).collect();
    if !hidden.is_empty() {
        let is_draft = |operation: &String| hidden.iter().any(|drafts| drafts.contains(&identity(operation)));
        changes.retain(|change| !change.operation.as_ref().is_some_and(is_draft));
    }
    Ok(changes)
}
