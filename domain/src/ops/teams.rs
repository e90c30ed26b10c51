//! Teams: the partner organisations.

use chrono::TimeDelta;
use entities::{
    audit_event,
    enums::{JoinMethod, OnboardingStage, TeamStatus},
    id::{TeamId, TierId, UserId},
    team, tier,
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, QuerySelect,
};

use crate::{
    Actor, Domain, DomainError, ProblemCode, Result, Tx,
    access::{require_member, require_staff},
    audit::{Action, Audit},
    ops::{auto_subscribe, members, onboarding_stages, registrations},
    read,
    rules::{
        policy::{Access, MemberRight, StaffRight},
        team::{free_slug, may_found},
        text,
    },
    tx::{Touch, Unaudited, retrying},
};

#[derive(Debug, Clone)]
pub struct CreatePartnerTeam {
    pub name: String,
    pub tier: Option<TierId>,
    /// One of the provider's own.
    pub internal: bool,
}

/// A team that the actor founds, with full access. Where the portal wants to see who comes, it waits for a reviewer.
pub async fn create(ctx: &Domain, actor: &Actor, name: &str) -> Result<team::Model> {
    let founder = actor.signed_in()?;
    let name = text::name("name", name, 80)?;
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        tx.alone("teams of", founder).await?;
        may_found(founded_lately(&tx, founder).await?)?;
        let (team, entry) = found(&tx, actor, founder, &name).await?;
        tx.commit(entry).await?;
        Ok(team)
    })
    .await
}

/// A team with its founder; its name is checked.
pub(crate) async fn found(tx: &Tx<'_>, actor: &Actor, founder: UserId, name: &str) -> Result<(team::Model, Audit)> {
    let waits =
        read::portal::load_from(tx.db()).await?.registration_needs_approval && require_staff(actor, StaffRight::BeStaff).is_err();
    let status = if waits { TeamStatus::Pending } else { TeamStatus::Active };
    let team = insert(tx, New { name, tier: None, internal: false, status }).await?;
    members::insert(tx, team.id, founder, Access::FULL, JoinMethod::Founder).await?;
    let mut entry = created(actor, &team).set("founder", founder).set("status", status);
    if waits {
        registrations::await_approval(tx, actor, &team, founder).await?;
    } else {
        entry = entry.set("subscriptions", auto_subscribe::to_all(tx, &team).await?);
    }
    Ok((team, entry))
}

async fn founded_lately(tx: &Tx<'_>, founder: UserId) -> Result<u64> {
    use audit_event::Column::{Action as Done, ActorId, At};
    let founded = audit_event::Entity::find().filter(ActorId.eq(founder)).filter(Done.eq(Action::TeamCreated.as_str()));
    Ok(founded.filter(At.gt(tx.now() - TimeDelta::days(1))).count(tx.db()).await?)
}

/// A team that staff make for a partner; its people are invited.
pub async fn create_for_partner(ctx: &Domain, actor: &Actor, cmd: CreatePartnerTeam) -> Result<team::Model> {
    require_staff(actor, StaffRight::Edit)?;
    let name = text::name("name", &cmd.name, 80)?;
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        known_tier(tx.db(), cmd.tier).await?;
        let new = New { name: &name, tier: cmd.tier, internal: cmd.internal, status: TeamStatus::Active };
        let team = insert(&tx, new).await?;
        tx.touch_gateway(Touch::Team(team.id));
        let came = auto_subscribe::to_all(&tx, &team).await?;
        let entry = created(actor, &team).set("internal", team.internal).change("tier", None::<TierId>, team.tier_id);
        tx.commit(entry.set("subscriptions", came)).await?;
        Ok(team)
    })
    .await
}

fn created(actor: &Actor, team: &team::Model) -> Audit {
    Audit::of(actor, Action::TeamCreated, team.id).team(team.id).set("name", &team.name).set("slug", &team.slug)
}

/// A team to be; its name is checked.
pub(crate) struct New<'a> {
    pub name: &'a str,
    pub tier: Option<TierId>,
    pub internal: bool,
    pub status: TeamStatus,
}

/// A new team under a free slug. Founded or made for a partner: its onboarding starts now.
pub(crate) async fn insert(tx: &Tx<'_>, new: New<'_>) -> Result<team::Model> {
    let base = text::slug_from(new.name);
    let taken: Vec<String> = team::Entity::find()
        .filter(team::Column::Slug.starts_with(if base.is_empty() { "team" } else { &base }))
        .select_only()
        .column(team::Column::Slug)
        .into_tuple()
        .all(tx.db())
        .await?;
    let row = team::Model {
        id: tx.ctx().env.id(),
        name: new.name.to_owned(),
        slug: free_slug(&base, &taken),
        internal: new.internal,
        status: new.status,
        tier_id: new.tier,
        created_at: tx.now(),
        version: 1,
    };
    team::Entity::insert(team::ActiveModel::from(row.clone())).exec_without_returning(tx.db()).await?;
    onboarding_stages::reached(tx, row.id, OnboardingStage::Invited).await?;
    Ok(row)
}

/// Renames a team; its slug stays, as it may stand in addresses.
pub async fn rename(ctx: &Domain, actor: &Actor, id: TeamId, name: Option<&str>) -> Result<team::Model> {
    require_member(&ctx.db, actor, id, MemberRight::ManageTeam).await?;
    let name = name.map(|name| text::name("name", name, 80)).transpose()?;
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        require_member(tx.db(), actor, id, MemberRight::ManageTeam).await?;
        let before = find(tx.db(), id).await?;
        let Some(name) = name.clone().filter(|name| *name != before.name) else {
            tx.commit_unaudited(Unaudited::NothingChanged).await?;
            return Ok(before);
        };
        let mut row = before.clone().into_active_model();
        row.name = Set(name);
        let after = tx.update::<team::Entity>(row, team::Column::Version, before.version).await?;
        tx.commit(Audit::of(actor, Action::TeamUpdated, id).team(id).change("name", &before.name, &after.name)).await?;
        Ok(after)
    })
    .await
}

/// Puts a team into a tier, or into none.
pub async fn set_tier(ctx: &Domain, actor: &Actor, id: TeamId, tier: Option<TierId>) -> Result<team::Model> {
    require_staff(actor, StaffRight::Edit)?;
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        let before = find(tx.db(), id).await?;
        known_tier(tx.db(), tier).await?;
        let mut row = before.clone().into_active_model();
        row.tier_id = Set(tier);
        let after = tx.update::<team::Entity>(row, team::Column::Version, before.version).await?;
        tx.touch_gateway(Touch::Team(id));
        tx.commit(Audit::of(actor, Action::TeamTierSet, id).team(id).change("tier", before.tier_id, after.tier_id)).await?;
        Ok(after)
    })
    .await
}

pub(crate) async fn find(db: &impl ConnectionTrait, id: TeamId) -> Result<team::Model> {
    team::Entity::find_by_id(id).one(db).await?.ok_or(DomainError::NotFound("team"))
}

/// The team, where it is in use: one that waits to be let in, or was not, acts for nobody.
pub(crate) async fn in_use(db: &impl ConnectionTrait, id: TeamId) -> Result<team::Model> {
    let team = find(db, id).await?;
    if team.status == TeamStatus::Active {
        return Ok(team);
    }
    let say = format!("the team is {}: a reviewer has to let it in first", text::word(team.status));
    Err(DomainError::refused(ProblemCode::WrongState, "teamId", say))
}

async fn known_tier(db: &impl ConnectionTrait, tier: Option<TierId>) -> Result<()> {
    match tier {
        Some(id) if tier::Entity::find_by_id(id).count(db).await? == 0 => {
            Err(DomainError::refused(ProblemCode::NotFound, "tierId", "there is no such tier"))
        }
        _ => Ok(()),
    }
}
