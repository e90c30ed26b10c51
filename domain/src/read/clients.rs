//! Clients, profiles and credentials as their viewers see them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use entities::{
    assignment, authorized_email, client, credential, credential_secret,
    id::{ClientId, CredentialId, ProductId, ProfileId, TeamId, TierId},
    membership, product, profile, rotation_request, team,
};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, Select};

use super::{
    page::{Page, PageRequest, newest_first},
    search,
};
use crate::{
    Actor, Domain, Result,
    access::{may, membership as membership_in, require_staff},
    rules::policy::{MemberRight, StaffRight},
};

/// A client by its id, for who may see the team's credentials area.
pub async fn by_id(ctx: &Domain, actor: &Actor, id: ClientId) -> Result<Option<client::Model>> {
    let Some(row) = client::Entity::find_by_id(id).one(&ctx.db).await? else { return Ok(None) };
    Ok(sees(ctx, actor, row.team_id).await?.then_some(row))
}

pub async fn profile_by_id(ctx: &Domain, actor: &Actor, id: ProfileId) -> Result<Option<profile::Model>> {
    let Some(row) = profile::Entity::find_by_id(id).one(&ctx.db).await? else { return Ok(None) };
    Ok(sees(ctx, actor, row.team_id).await?.then_some(row))
}

pub async fn credential_by_id(ctx: &Domain, actor: &Actor, id: CredentialId) -> Result<Option<credential::Model>> {
    let Some(row) = credential::Entity::find_by_id(id).one(&ctx.db).await? else { return Ok(None) };
    Ok(sees(ctx, actor, row.team_id).await?.then_some(row))
}

async fn sees(ctx: &Domain, actor: &Actor, team: TeamId) -> Result<bool> {
    let membership = membership_in(&ctx.db, actor, team).await?;
    Ok(may(actor, membership.as_ref(), MemberRight::ReadCredentials))
}

/// What older secrets of a credential still do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overlap {
    pub ends_at: DateTime<Utc>,
    pub last_used_at: Option<DateTime<Utc>>,
}

/// For each of these credentials; no entry where the newest secret alone works. The caller has checked that the viewer sees them.
pub async fn overlaps_of(ctx: &Domain, ids: &[CredentialId]) -> Result<HashMap<CredentialId, Overlap>> {
    use credential_secret::{Column, Entity};
    let older = Entity::find()
        .filter(Column::CredentialId.is_in(ids.iter().copied()))
        .filter(Column::ValidUntil.gt(ctx.now()))
        .all(&ctx.db)
        .await?;
    let mut overlaps: HashMap<_, Overlap> = HashMap::new();
    for secret in older {
        let Some(ends_at) = secret.valid_until else { continue };
        let overlap = overlaps.entry(secret.credential_id).or_insert(Overlap { ends_at, last_used_at: None });
        overlap.ends_at = overlap.ends_at.max(ends_at);
        overlap.last_used_at = overlap.last_used_at.max(secret.last_used_at);
    }
    Ok(overlaps)
}

/// The rotation that each of these credentials was last asked for, until its secret is claimed. The caller has checked that the
/// viewer sees them.
pub async fn rotations_of(ctx: &Domain, ids: &[CredentialId]) -> Result<HashMap<CredentialId, rotation_request::Model>> {
    use rotation_request::{Column, Entity};
    let rows =
        Entity::find().filter(Column::CredentialId.is_in(ids.iter().copied())).order_by_asc(Column::Id).all(&ctx.db).await?;
    let latest: HashMap<_, _> = rows.into_iter().map(|row| (row.credential_id, row)).collect();
    Ok(latest.into_iter().filter(|(_, row)| row.claimed_at.is_none()).collect())
}

/// A team's clients; the caller has checked that the viewer may see them.
pub async fn of_team(ctx: &Domain, team: TeamId, page: &PageRequest) -> Result<Page<client::Model>> {
    newest_first::<_, ClientId>(ctx, client::Entity::for_team(team), client::Column::Id, page).await
}

/// All clients, for staff; `search` is words of a name.
pub async fn all(ctx: &Domain, actor: &Actor, search: Option<&str>, page: &PageRequest) -> Result<Page<client::Model>> {
    require_staff(actor, StaffRight::Read)?;
    let list = client::Entity::find().filter(search::named(client::Column::Name, search));
    newest_first::<_, ClientId>(ctx, list, client::Column::Id, page).await
}

/// Of a list of clients, those that the viewer may see.
pub(crate) async fn seen_by(ctx: &Domain, actor: &Actor, list: Select<client::Entity>) -> Result<Select<client::Entity>> {
    if require_staff(actor, StaffRight::Read).is_ok() {
        return Ok(list);
    }
    let mut teams = Vec::new();
    if let Some(user) = actor.user_id() {
        let member = membership::Entity::for_user(user).all(&ctx.db).await?.into_iter();
        teams = member.filter(|m| may(actor, Some(m), MemberRight::ReadCredentials)).map(|m| m.team_id.0).collect();
    }
    Ok(list.filter(client::Column::TeamId.is_in(teams)))
}

/// Clients' profiles, oldest first; sandbox before production where they were made together.
pub async fn profiles_of(ctx: &Domain, clients: &[ClientId]) -> Result<HashMap<ClientId, Vec<profile::Model>>> {
    let rows = profile::Entity::find()
        .filter(profile::Column::ClientId.is_in(clients.iter().map(|id| id.0)))
        .order_by_asc(profile::Column::Id)
        .all(&ctx.db)
        .await?;
    Ok(grouped(rows, |row| row.client_id))
}

/// Profiles' credentials, newest first.
pub async fn credentials_of(ctx: &Domain, profiles: &[ProfileId]) -> Result<HashMap<ProfileId, Vec<credential::Model>>> {
    let rows = credential::Entity::find()
        .filter(credential::Column::ProfileId.is_in(profiles.iter().map(|id| id.0)))
        .order_by_desc(credential::Column::Id)
        .all(&ctx.db)
        .await?;
    Ok(grouped(rows, |row| row.profile_id))
}

/// Clients' authorised addresses, in alphabetical order.
pub async fn authorized_of(ctx: &Domain, clients: &[ClientId]) -> Result<HashMap<ClientId, Vec<authorized_email::Model>>> {
    let rows = authorized_email::Entity::find()
        .filter(authorized_email::Column::ClientId.is_in(clients.iter().map(|id| id.0)))
        .order_by_asc(authorized_email::Column::Email)
        .all(&ctx.db)
        .await?;
    Ok(grouped(rows, |row| row.client_id))
}

/// What clients can call: products assigned to them (these first), to their teams, to their teams' tiers. By name.
pub async fn products_of(ctx: &Domain, clients: &[ClientId]) -> Result<HashMap<ClientId, Vec<product::Model>>> {
    let clients = client::Entity::find().filter(client::Column::Id.is_in(clients.iter().map(|id| id.0))).all(&ctx.db).await?;
    let teams = team::Entity::find().filter(team::Column::Id.is_in(clients.iter().map(|c| c.team_id.0))).all(&ctx.db).await?;
    let tiers: HashMap<TeamId, TierId> = teams.iter().filter_map(|t| Some((t.id, t.tier_id?))).collect();
    let given = Condition::any()
        .add(assignment::Column::ClientId.is_in(clients.iter().map(|c| c.id.0)))
        .add(assignment::Column::TeamId.is_in(teams.iter().map(|t| t.id.0)))
        .add(assignment::Column::TierId.is_in(tiers.values().map(|id| id.0)));
    let given = assignment::Entity::find().filter(given).all(&ctx.db).await?;
    let products = product::Entity::find()
        .filter(product::Column::Id.is_in(given.iter().map(|a| a.product_id.0)))
        .order_by_asc(product::Column::Name)
        .all(&ctx.db)
        .await?;
    let of = |client: &client::Model| {
        let own = |a: &&assignment::Model| a.client_id == Some(client.id);
        let shared = |a: &&assignment::Model| {
            a.team_id == Some(client.team_id) || a.tier_id.is_some() && a.tier_id.as_ref() == tiers.get(&client.team_id)
        };
        let own: Vec<ProductId> = given.iter().filter(own).map(|a| a.product_id).collect();
        let shared: Vec<ProductId> = given.iter().filter(shared).map(|a| a.product_id).filter(|id| !own.contains(id)).collect();
        let listed = |ids: Vec<ProductId>| products.iter().filter(move |p| ids.contains(&p.id)).cloned();
        listed(own).chain(listed(shared)).collect::<Vec<_>>()
    };
    Ok(clients.iter().map(|client| (client.id, of(client))).collect())
}

fn grouped<T, K: Eq + std::hash::Hash>(rows: Vec<T>, key: impl Fn(&T) -> K) -> HashMap<K, Vec<T>> {
    let mut groups: HashMap<K, Vec<T>> = HashMap::new();
    for row in rows {
        groups.entry(key(&row)).or_default().push(row);
    }
    groups
}
