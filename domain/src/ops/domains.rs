//! Mail domains of teams: claimed, proven by a DNS record, looked at again now and then, and joined by.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use chrono::TimeDelta;
use entities::{
    enums::JoinMethod,
    id::{TeamDomainId, TeamId, UserId},
    team,
    team_domain::{ActiveModel, Column, Entity, Model},
    user,
};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, ModelTrait, PaginatorTrait, QueryFilter};

use super::{members, teams};
use crate::{
    Actor, Domain, DomainError, ProblemCode, Result, Tx,
    access::{held, require_member},
    audit::{Action, Audit},
    read,
    rules::{
        mail_domain::{checked, proves, record_name, record_value},
        policy::{Access, MemberRight},
        team::may_give,
    },
    tx::{Unaudited, retrying},
};

/// Of one team, proven or not.
const MOST: u64 = 20;
/// Between two looks at the record that people ask for.
const PAUSE: TimeDelta = TimeDelta::seconds(3);

#[derive(Debug, Clone)]
pub struct ClaimDomain {
    pub team: TeamId,
    pub domain: String,
    pub auto_join: bool,
    /// Of who joins by the domain.
    pub access: Access,
}

/// What is `None` stays.
#[derive(Debug, Clone)]
pub struct UpdateDomain {
    pub id: TeamDomainId,
    pub auto_join: Option<bool>,
    pub access: Option<Access>,
}

/// Claims a domain: nothing follows from it until it is proven. Others may claim the same; who proves it has it. In a session: a
/// token that got away must not open a way in that outlives it.
pub async fn claim(ctx: &Domain, actor: &Actor, cmd: ClaimDomain) -> Result<Model> {
    actor.session()?;
    require_member(&ctx.db, actor, cmd.team, MemberRight::ManageTeam).await?;
    let domain = checked("domain", &cmd.domain)?;
    let tx = Tx::begin(ctx).await?;
    require_member(tx.db(), actor, cmd.team, MemberRight::ManageTeam).await?;
    teams::in_use(tx.db(), cmd.team).await?;
    may_give_default(&tx, actor, cmd.team, None, cmd.access).await?;
    tx.alone("domains of", cmd.team).await?;
    let own = || Entity::for_team(cmd.team);
    if own().filter(Column::Domain.eq(&domain)).count(tx.db()).await? > 0 {
        let say = "the team has claimed this domain already: verify it, or remove the claim first";
        return Err(DomainError::refused(ProblemCode::Taken, "domain", say));
    }
    if own().count(tx.db()).await? >= MOST {
        let say = format!("a team has at most {MOST} domains: remove one first");
        return Err(DomainError::refused(ProblemCode::LimitReached, "domain", say));
    }
    let row = Model {
        id: ctx.env.id(),
        team_id: cmd.team,
        domain,
        token: BASE64.encode(ctx.env.random::<18>()),
        auto_join: cmd.auto_join,
        access_team: cmd.access.team,
        access_credentials: cmd.access.credentials,
        access_billing: cmd.access.billing,
        sso_provider_id: None,
        created_at: tx.now(),
        verified_at: None,
        checked_at: None,
        missing_since: None,
    };
    let row = tx.insert(row).await?;
    let entry = Audit::of(actor, Action::DomainClaimed, row.id).team(row.team_id).set("domain", &row.domain);
    tx.commit(entry.set("autoJoin", row.auto_join).access(None, Some(cmd.access))).await?;
    Ok(row)
}

/// Who joins by a domain gets no more than the actor could give by hand.
async fn may_give_default(tx: &Tx<'_>, actor: &Actor, team: TeamId, before: Option<Access>, wanted: Access) -> Result<()> {
    may_give(held(tx.db(), actor, team).await?, before, wanted).map_err(|mut problem| {
        if let Some(first) = problem.path.first_mut() {
            "defaultAccess".clone_into(first);
        }
        problem.into()
    })
}

/// Looks the record up and, where it is there, proves the claim. The message of a refusal says which record is missing.
pub async fn verify(ctx: &Domain, actor: &Actor, id: TeamDomainId) -> Result<Model> {
    actor.session()?;
    let claimed = managed(&ctx.db, actor, id).await?;
    if claimed.verified_at.is_some() {
        return Ok(claimed);
    }
    look_up_later(ctx, &claimed)?;
    let name = record_name(&claimed.domain);
    let refused = |say: String| DomainError::refused(ProblemCode::WrongState, "domainId", say);
    let records = match ctx.dns.txt(&name).await {
        Ok(records) => records,
        Err(error) => {
            tracing::info!(domain = claimed.domain, %error, "a domain's record cannot be looked up");
            settle(ctx, actor, id, false).await?;
            let say = format!("DNS does not answer for {name}: see that the domain's name servers are up, and try again");
            return Err(refused(say));
        }
    };
    let found = proves(&records, &claimed.token);
    let proven = retrying(async || settle(ctx, actor, id, found).await).await?;
    proven.ok_or_else(|| {
        let value = record_value(&claimed.token);
        refused(format!("there is no TXT record {value} at {name} yet: publish it, wait until DNS shows it, and try again"))
    })
}

fn look_up_later(ctx: &Domain, row: &Model) -> Result<()> {
    match row.checked_at {
        Some(at) if ctx.now() < at + PAUSE => Err(DomainError::RateLimited { retry_after: PAUSE.num_seconds().unsigned_abs() }),
        _ => Ok(()),
    }
}

/// `None`: the record was not found.
async fn settle(ctx: &Domain, actor: &Actor, id: TeamDomainId, found: bool) -> Result<Option<Model>> {
    let tx = Tx::begin(ctx).await?;
    let before = managed(tx.db(), actor, id).await?;
    let looked = ActiveModel { id: Set(id), checked_at: Set(Some(tx.now())), ..Default::default() };
    if !found {
        Entity::update(looked).exec(tx.db()).await?;
        tx.commit_unaudited(Unaudited::Mark).await?;
        return Ok(None);
    }
    tx.alone("domain", &before.domain).await?;
    if Entity::proven(&before.domain).filter(Column::TeamId.ne(before.team_id)).count(tx.db()).await? > 0 {
        let say = "another team has proven this domain: ask the provider's support if it is yours";
        return Err(DomainError::refused(ProblemCode::Taken, "domainId", say));
    }
    let row = ActiveModel { verified_at: Set(Some(tx.now())), missing_since: Set(None), ..looked };
    let after = Entity::update(row).exec(tx.db()).await?;
    let entry = Audit::of(actor, Action::DomainVerified, id).team(after.team_id).set("domain", &after.domain);
    tx.commit(entry).await?;
    Ok(Some(after))
}

/// Changes who may join by it, and as what.
pub async fn update(ctx: &Domain, actor: &Actor, cmd: UpdateDomain) -> Result<Model> {
    actor.session()?;
    let tx = Tx::begin(ctx).await?;
    let before = managed(tx.db(), actor, cmd.id).await?;
    let (was, access) = (Access::of(&before), cmd.access.unwrap_or(Access::of(&before)));
    if cmd.access.is_some() || cmd.auto_join == Some(true) {
        // Opened, it gives what nobody had by it before.
        let given = Some(was).filter(|_| before.auto_join);
        may_give_default(&tx, actor, before.team_id, given, access).await?;
    }
    let auto_join = cmd.auto_join.unwrap_or(before.auto_join);
    let row = ActiveModel {
        id: Set(cmd.id),
        auto_join: Set(auto_join),
        access_team: Set(access.team),
        access_credentials: Set(access.credentials),
        access_billing: Set(access.billing),
        ..Default::default()
    };
    let after = Entity::update(row).exec(tx.db()).await?;
    if after == before {
        tx.commit_unaudited(Unaudited::NothingChanged).await?;
        return Ok(after);
    }
    let entry = Audit::of(actor, Action::DomainUpdated, cmd.id).team(after.team_id).set("domain", &after.domain);
    tx.commit(entry.change("autoJoin", before.auto_join, auto_join).access(Some(was), Some(access))).await?;
    Ok(after)
}

/// Gives a domain up. Who joined by it stays; nobody joins or signs in by it any more.
pub async fn remove(ctx: &Domain, actor: &Actor, id: TeamDomainId) -> Result<team::Model> {
    let tx = Tx::begin(ctx).await?;
    let row = managed(tx.db(), actor, id).await?;
    let team = teams::find(tx.db(), row.team_id).await?;
    let entry = Audit::of(actor, Action::DomainRemoved, id)
        .team(row.team_id)
        .change("domain", &row.domain, None::<String>)
        .change("verified", row.verified_at.is_some(), false)
        .change("ssoProvider", row.sso_provider_id, None::<String>);
    row.delete(tx.db()).await?;
    tx.commit(entry).await?;
    Ok(team)
}

/// A claim that the actor may manage; for who does not belong to its team it does not exist.
async fn managed(db: &impl ConnectionTrait, actor: &Actor, id: TeamDomainId) -> Result<Model> {
    let row = Entity::find_by_id(id).one(db).await?.ok_or(DomainError::NotFound("domain"))?;
    match require_member(db, actor, row.team_id, MemberRight::ManageTeam).await {
        Err(DomainError::NotFound(_)) => Err(DomainError::NotFound("domain")),
        other => other.map(|()| row),
    }
}

/// Joins a team by the domain of the actor's own address.
pub async fn join(ctx: &Domain, actor: &Actor, team: TeamId) -> Result<team::Model> {
    let user = actor.signed_in()?;
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        let person = user::Entity::find_by_id(user).one(tx.db()).await?.ok_or(DomainError::Unauthenticated)?;
        // Else who is put out of it at this moment could come in again.
        tx.alone("members of", team).await?;
        // Whether a team exists that does not let them in is nobody's business.
        let open = read::domains::open_to(tx.db(), &person).await?.filter(|(domain, _)| domain.team_id == team);
        let (domain, row) = open.ok_or(DomainError::NotFound("team"))?;
        if members::find(tx.db(), team, user).await?.is_some() {
            return Err(DomainError::refused(ProblemCode::AlreadyDone, "teamId", "you are a member of this team already"));
        }
        let joined = let_in(&tx, actor, &domain, user, JoinMethod::Domain).await?;
        tx.commit(joined).await?;
        Ok(row)
    })
    .await
}

/// Brings a person in with the domain's default access.
pub(crate) async fn let_in(tx: &Tx<'_>, actor: &Actor, domain: &Model, user: UserId, by: JoinMethod) -> Result<Audit> {
    let member = members::insert(tx, domain.team_id, user, Access::of(domain), by).await?;
    Ok(members::joined(actor, &member).set("domain", &domain.domain))
}
