//! Who signs in by which identity provider.

use std::collections::HashMap;

use entities::{
    enums::TeamStatus,
    id::{SsoProviderId, TeamId},
    membership,
    sso_provider::{Column, Entity, Model},
    team, team_domain, user,
};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::{
    Actor, Domain, Result, access,
    context::StaffSso,
    rules::{
        mail_domain::of_address,
        policy::MemberRight,
        sso::{Person, SpeaksFor, may_sign_in},
    },
};

/// A provider that addresses at some domain sign in by.
#[derive(Debug, Clone)]
pub enum Provider {
    Team(Model),
    Staff(StaffSso),
}

impl Provider {
    pub fn id(&self) -> Option<SsoProviderId> {
        match self {
            Self::Team(row) => Some(row.id),
            Self::Staff(_) => None,
        }
    }

    pub fn name(&self) -> &str {
        match self {
            Self::Team(row) => &row.name,
            Self::Staff(staff) => staff.domains.first().map_or("the provider", String::as_str),
        }
    }

    pub fn issuer(&self) -> &str {
        match self {
            Self::Team(row) => &row.issuer,
            Self::Staff(staff) => &staff.issuer,
        }
    }

    pub fn team(&self) -> Option<TeamId> {
        match self {
            Self::Team(row) => Some(row.team_id),
            Self::Staff(_) => None,
        }
    }

    pub fn speaks_for(&self) -> SpeaksFor {
        match self {
            Self::Team(_) => SpeaksFor::Team,
            Self::Staff(_) => SpeaksFor::Staff,
        }
    }

    fn enforced(&self) -> bool {
        match self {
            Self::Team(row) => row.enforced,
            Self::Staff(staff) => staff.enforced,
        }
    }
}

/// Teams' providers by name; no entry where none.
pub async fn of_teams(ctx: &Domain, teams: &[TeamId]) -> Result<HashMap<TeamId, Vec<Model>>> {
    let rows = Entity::find().filter(Column::TeamId.is_in(teams.iter().copied()));
    let mut found: HashMap<_, Vec<_>> = HashMap::new();
    for row in rows.order_by_asc(Column::Name).order_by_asc(Column::Id).all(&ctx.db).await? {
        found.entry(row.team_id).or_default().push(row);
    }
    Ok(found)
}

pub async fn by_id(ctx: &Domain, actor: &Actor, id: SsoProviderId) -> Result<Option<Model>> {
    let Some(row) = Entity::find_by_id(id).one(&ctx.db).await? else { return Ok(None) };
    let may = access::allowed(&ctx.db, actor, row.team_id, MemberRight::ReadTeam).await?;
    Ok(may.then_some(row))
}

/// The domains that a provider is set up for, proven or not, by name.
pub async fn domains_of(db: &impl ConnectionTrait, provider: SsoProviderId) -> Result<Vec<team_domain::Model>> {
    use team_domain::{Column, Entity};
    Ok(Entity::find().filter(Column::SsoProviderId.eq(provider)).order_by_asc(Column::Domain).all(db).await?)
}

/// The domains that a provider speaks for now.
pub(crate) async fn proven_domains(db: &impl ConnectionTrait, provider: &Provider) -> Result<Vec<String>> {
    match provider {
        Provider::Staff(staff) => Ok(staff.domains.clone()),
        Provider::Team(row) => {
            let domains = domains_of(db, row.id).await?;
            Ok(domains.into_iter().filter(|domain| domain.verified_at.is_some()).map(|domain| domain.domain).collect())
        }
    }
}

/// The provider that addresses at this domain sign in by.
pub async fn at_domain(ctx: &Domain, db: &impl ConnectionTrait, domain: &str) -> Result<Option<Provider>> {
    if let Some(staff) = ctx.staff_sso.as_ref().filter(|staff| staff.domains.iter().any(|own| own == domain)) {
        return Ok(Some(Provider::Staff(StaffSso::clone(staff))));
    }
    let proven = team_domain::Entity::proven(domain).one(db).await?;
    let Some(id) = proven.and_then(|domain| domain.sso_provider_id) else { return Ok(None) };
    let Some(row) = Entity::find_by_id(id).one(db).await? else { return Ok(None) };
    Ok(is_in_use(db, row.team_id).await?.then_some(Provider::Team(row)))
}

/// Whether some organisation's people sign in by its identity provider.
pub async fn is_anywhere(ctx: &Domain) -> Result<bool> {
    let routed = team_domain::Entity::find()
        .filter(team_domain::Column::SsoProviderId.is_not_null())
        .filter(team_domain::Column::VerifiedAt.is_not_null());
    Ok(ctx.staff_sso.is_some() || routed.limit(1).count(&ctx.db).await? > 0)
}

/// The same one when somebody comes back from it.
pub(crate) async fn again(ctx: &Domain, db: &impl ConnectionTrait, id: Option<SsoProviderId>) -> Result<Option<Provider>> {
    match id {
        None => Ok(ctx.staff_sso.as_ref().map(|staff| Provider::Staff(StaffSso::clone(staff)))),
        Some(id) => Ok(Entity::find_by_id(id).one(db).await?.map(Provider::Team)),
    }
}

pub(crate) async fn is_in_use(db: &impl ConnectionTrait, team: TeamId) -> Result<bool> {
    let active = team::Entity::find_by_id(team).filter(team::Column::Status.eq(TeamStatus::Active));
    Ok(active.count(db).await? > 0)
}

/// What the rules ask of a person, seen from a provider's team.
pub(crate) async fn person(db: &impl ConnectionTrait, user: &user::Model, team: Option<TeamId>) -> Result<Person> {
    let teams: Vec<TeamId> =
        membership::Entity::for_user(user.id).select_only().column(membership::Column::TeamId).into_tuple().all(db).await?;
    Ok(Person {
        staff: user.staff_role.is_some(),
        member: team.is_some_and(|team| teams.contains(&team)),
        elsewhere: teams.iter().any(|&other| Some(other) != team),
    })
}

/// The provider that is the one way in for this address: set up to be, and able to sign this person in.
pub async fn only_way(ctx: &Domain, db: &impl ConnectionTrait, email: &str) -> Result<Option<Provider>> {
    let Some(provider) = at_domain(ctx, db, of_address(email)).await?.filter(Provider::enforced) else { return Ok(None) };
    let person = match user::Entity::by_email(email).one(db).await? {
        Some(known) => person(db, &known, provider.team()).await?,
        None => Person::default(),
    };
    Ok(may_sign_in(provider.speaks_for(), person).is_ok().then_some(provider))
}
