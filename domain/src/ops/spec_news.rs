//! Telling those who use a product of a new version, and whoever called what it breaks of that.

use std::collections::BTreeMap;

use entities::{
    enums::ProductStatus,
    id::{SpecVersionId, TeamId},
    product, spec_version,
};
use sea_orm::{ActiveValue::Set, EntityTrait};

use crate::{
    Actor, Domain, DomainError, Result, Tx,
    notices::tell_teams,
    read::{
        spec_audience::{self, SpecAudience},
        spec_changes,
    },
    rules::{
        notice::{Notice, StillServed},
        policy::MemberRight,
    },
    tx::Unaudited,
};

/// Characters.
const NOTES: usize = 1_000;

/// Tells each team once; how many. What it says is of the moment that it runs: a version that was taken out again is no news.
pub async fn tell(ctx: &Domain, id: SpecVersionId) -> Result<usize> {
    let audience = spec_audience::of(ctx, id).await?;
    let breaking = spec_changes::breaking(ctx, false, &[id]).await?.remove(&id).unwrap_or_default();
    let product = product::Entity::find_by_id(audience.spec.product_id).one(&ctx.db).await?;
    let product = product.ok_or_else(|| DomainError::internal("a version's product is missing"))?;
    let notices = notices(&audience, &product, breaking);
    let tx = Tx::begin(ctx).await?;
    tx.alone("news of version", id).await?;
    let spec = spec_version::Entity::find_by_id(id).one(tx.db()).await?.ok_or(DomainError::NotFound("version"))?;
    let shown = matches!(product.status, ProductStatus::Published | ProductStatus::Deprecated);
    if spec.told_at.is_some() || spec.served_by.is_empty() || !shown {
        tx.commit_unaudited(Unaudited::NothingChanged).await?;
        return Ok(0);
    }
    tell_teams(&tx, &Actor::system(), MemberRight::ReadCredentials, &notices).await?;
    let told = spec_version::ActiveModel { id: sea_orm::Unchanged(id), told_at: Set(Some(tx.now())), ..Default::default() };
    spec_version::Entity::update(told).exec(tx.db()).await?;
    tx.commit_unaudited(Unaudited::Mark).await?;
    Ok(notices.len())
}

/// What of release notes each member is told; the whole stands in the catalog.
fn cut(notes: &str) -> String {
    match notes.char_indices().nth(NOTES) {
        Some((end, _)) => format!("{}…\n\nThe catalog has the rest.", notes[..end].trim_end()),
        None => notes.to_owned(),
    }
}

fn notices(audience: &SpecAudience, product: &product::Model, breaking: bool) -> BTreeMap<TeamId, Notice> {
    let spec = &audience.spec;
    let still = audience.previous.as_ref().filter(|_| !audience.still_served_by().is_empty());
    let still = still.map(|previous| StillServed {
        version: previous.version.clone(),
        path_prefix: previous.path_prefix.clone(),
        environments: previous.served_by.to_vec(),
    });
    let of = |broken: Vec<String>| Notice::SpecPublished {
        id: product.id,
        product: product.name.clone(),
        version: spec.version.clone(),
        breaking,
        broken,
        still: still.clone(),
        release_notes: spec.release_notes.as_deref().map(cut),
    };
    let teams = audience.teams.iter();
    teams.map(|team| (team.team, of(team.called.iter().map(|called| called.operation.clone()).collect()))).collect()
}
