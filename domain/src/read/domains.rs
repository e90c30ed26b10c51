//! A team's mail domains, and the teams that a person's own domain opens to them.

use std::{collections::HashMap, hash::Hash};

use entities::{
    enums::TeamStatus,
    id::{SsoProviderId, TeamDomainId, TeamId, UserId},
    membership, removed_member, team,
    team_domain::{Column, Entity, Model},
    user,
};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};

use crate::{
    Actor, Domain, Result, access,
    rules::{mail_domain::of_address, policy::MemberRight},
};

/// Teams' domains by name; no entry where none.
pub async fn of_teams(ctx: &Domain, teams: &[TeamId]) -> Result<HashMap<TeamId, Vec<Model>>> {
    let rows = Entity::find().filter(Column::TeamId.is_in(teams.iter().copied())).order_by_asc(Column::Domain);
    Ok(by(rows.all(&ctx.db).await?, |row| Some(row.team_id)))
}

/// The domains that providers are set up for, proven or not, by name; no entry where none.
pub async fn of_providers(ctx: &Domain, providers: &[SsoProviderId]) -> Result<HashMap<SsoProviderId, Vec<Model>>> {
    let rows = Entity::find().filter(Column::SsoProviderId.is_in(providers.iter().copied())).order_by_asc(Column::Domain);
    Ok(by(rows.all(&ctx.db).await?, |row| row.sso_provider_id))
}

fn by<K: Eq + Hash>(rows: Vec<Model>, key: impl Fn(&Model) -> Option<K>) -> HashMap<K, Vec<Model>> {
    let mut found: HashMap<_, Vec<_>> = HashMap::new();
    for row in rows {
        if let Some(key) = key(&row) {
            found.entry(key).or_default().push(row);
        }
    }
    found
}

pub async fn by_id(ctx: &Domain, actor: &Actor, id: TeamDomainId) -> Result<Option<Model>> {
    let Some(row) = Entity::find_by_id(id).one(&ctx.db).await? else { return Ok(None) };
    let may = access::allowed(&ctx.db, actor, row.team_id, MemberRight::ReadTeam).await?;
    Ok(may.then_some(row))
}

/// The teams that a person may join by the domain of their address, and is not in.
pub async fn joinable(ctx: &Domain, user: UserId) -> Result<Vec<team::Model>> {
    let Some(person) = user::Entity::find_by_id(user).one(&ctx.db).await? else { return Ok(Vec::new()) };
    let Some((_, team)) = open_to(&ctx.db, &person).await? else { return Ok(Vec::new()) };
    let own = membership::Entity::for_team(team.id).filter(membership::Column::UserId.eq(user));
    Ok(if own.count(&ctx.db).await? > 0 { Vec::new() } else { vec![team] })
}

/// The proven domain that lets a person into a team, and the team: who was put out of it is not let in.
pub(crate) async fn open_to(db: &impl ConnectionTrait, person: &user::Model) -> Result<Option<(Model, team::Model)>> {
    let found = open_at(db, of_address(&person.email)).await?;
    let Some((domain, team)) = found else { return Ok(None) };
    let put_out = removed_member::Entity::find_by_id((team.id, person.id)).count(db).await? > 0;
    Ok((!put_out).then_some((domain, team)))
}

/// The team that a domain's people may join by themselves.
pub(crate) async fn open_at(db: &impl ConnectionTrait, domain: &str) -> Result<Option<(Model, team::Model)>> {
    let proven = Entity::proven(domain).filter(Column::AutoJoin.eq(true)).one(db).await?;
    let Some(domain) = proven else { return Ok(None) };
    let team = team::Entity::find_by_id(domain.team_id).filter(team::Column::Status.eq(TeamStatus::Active)).one(db).await?;
    Ok(team.map(|team| (domain, team)))
}
