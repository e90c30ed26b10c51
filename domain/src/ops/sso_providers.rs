//! A team's identity providers: set up by its own administrators, for domains that it has proven.

use entities::{
    id::{SsoProviderId, TeamDomainId, TeamId},
    sso_provider::{ActiveModel, Column, Entity, Model},
    team, team_domain,
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, ModelTrait, PaginatorTrait, QueryFilter, sea_query::Expr,
};
use secrecy::{ExposeSecret, SecretString};

use super::teams;
use crate::{
    Actor, Domain, DomainError, ProblemCode, Result, Tx,
    access::require_member,
    audit::{Action, Audit},
    error::Problems,
    keyring::Purpose,
    notices::{To, tell},
    read,
    rules::{
        mail_domain,
        notice::{Notice, SsoChange, SsoNotice},
        outgoing,
        policy::MemberRight,
        text,
    },
    tx::{Unaudited, retrying},
};

/// Of one team.
const MOST: u64 = 5;
/// Characters.
const CLIENT_ID_MAX: usize = 255;
const SECRET_MAX: usize = 1_000;

#[derive(Debug, Clone)]
pub struct ConfigureSso {
    pub team: TeamId,
    /// `None`: a new one.
    pub provider: Option<SsoProviderId>,
    pub name: String,
    pub issuer: String,
    pub client_id: String,
    /// `None`: as before; a new provider has none.
    pub client_secret: Option<SecretString>,
    /// Whose people sign in by it. Proven ones of the team.
    pub domains: Vec<String>,
    /// Whether its people have no other way in.
    pub enforced: bool,
}

/// Sets a provider up, or anew. Its discovery document is read first: one that does not serve is not saved. In a session: a
/// token that got away must not open a way in that outlives it.
pub async fn configure(ctx: &Domain, actor: &Actor, cmd: ConfigureSso) -> Result<Model> {
    actor.session()?;
    require_member(&ctx.db, actor, cmd.team, MemberRight::ManageSso).await?;
    let cmd = checked(ctx, cmd)?;
    // Nobody is asked for what is refused anyway.
    standing(&ctx.db, &cmd).await?;
    if let Err(error) = ctx.identities.check(&cmd.issuer).await {
        tracing::info!(issuer = cmd.issuer, %error, "an identity provider cannot be set up");
        let say = "no OpenID Connect provider answers there for this issuer: its /.well-known/openid-configuration must name the \
                   same issuer, and the code flow with S256";
        return Err(DomainError::refused(ProblemCode::Invalid, "issuer", say));
    }
    retrying(async || save(ctx, actor, &cmd).await).await
}

fn checked(ctx: &Domain, cmd: ConfigureSso) -> Result<ConfigureSso> {
    let mut problems = Problems::default();
    let name = problems.take(text::name("name", &cmd.name, 80)).unwrap_or_default();
    let client_id = problems.take(text::name("clientId", &cmd.client_id, CLIENT_ID_MAX)).unwrap_or_default();
    problems.take(outgoing::url("issuer", &cmd.issuer, ctx.outgoing.reach()));
    if cmd.client_secret.as_ref().is_some_and(|secret| !(1..=SECRET_MAX).contains(&secret.expose_secret().len())) {
        problems.add(ProblemCode::Invalid, "clientSecret", format!("must have 1 to {SECRET_MAX} characters"));
    }
    let domain = |(at, given): (usize, &String)| problems.take(mail_domain::checked(&format!("domains.{at}"), given));
    let mut domains: Vec<_> = cmd.domains.iter().enumerate().filter_map(domain).collect();
    domains.sort();
    domains.dedup();
    if cmd.domains.is_empty() {
        problems.add(ProblemCode::Required, "domains", "name one domain at least: whose people sign in by it");
    }
    problems.into_result()?;
    Ok(ConfigureSso { name, client_id, domains, ..cmd })
}

async fn save(ctx: &Domain, actor: &Actor, cmd: &ConfigureSso) -> Result<Model> {
    let tx = Tx::begin(ctx).await?;
    require_member(tx.db(), actor, cmd.team, MemberRight::ManageSso).await?;
    tx.alone("sign-in of", cmd.team).await?;
    let Standing { team, before, domains } = standing(tx.db(), cmd).await?;
    let same_issuer = before.as_ref().is_some_and(|before| before.issuer == cmd.issuer);
    let last_sign_in_at = before.as_ref().filter(|_| same_issuer).and_then(|before| before.last_sign_in_at);
    if cmd.enforced && last_sign_in_at.is_none() {
        let say = "sign in by it once before you make it the only way: a mistake would lock everybody out";
        return Err(DomainError::refused(ProblemCode::WrongState, "enforced", say));
    }
    let row = Model {
        id: before.as_ref().map_or_else(|| ctx.env.id(), |before| before.id),
        team_id: cmd.team,
        name: cmd.name.clone(),
        issuer: cmd.issuer.clone(),
        client_id: cmd.client_id.clone(),
        sealed_secret: sealed_secret(ctx, cmd, before.as_ref())?,
        enforced: cmd.enforced,
        created_at: before.as_ref().map_or(tx.now(), |before| before.created_at),
        last_sign_in_at,
        version: before.as_ref().map_or(1, |before| before.version),
    };
    let routed = match &before {
        Some(before) => names(read::sso::domains_of(tx.db(), before.id).await?),
        None => Vec::new(),
    };
    if before.as_ref() == Some(&row) && routed == cmd.domains {
        tx.commit_unaudited(Unaudited::NothingChanged).await?;
        return Ok(row);
    }
    let entry = entry(actor, before.as_ref(), &row, cmd).change("domains", routed, &cmd.domains);
    let after = match &before {
        Some(before) => {
            let row = ActiveModel::from(row).reset_all();
            tx.update::<Entity>(row, Column::Version, before.version).await?
        }
        None => tx.insert(row).await?,
    };
    route(&tx, after.id, &domains).await?;
    let what = if before.is_some() { SsoChange::Changed } else { SsoChange::SetUp };
    tell_managers(&tx, actor, &team, &after, &cmd.domains, what).await?;
    tx.commit(entry).await?;
    Ok(after)
}

/// What stands already, where the command can be done.
struct Standing {
    team: team::Model,
    before: Option<Model>,
    domains: Vec<TeamDomainId>,
}

async fn standing(db: &impl ConnectionTrait, cmd: &ConfigureSso) -> Result<Standing> {
    let team = teams::in_use(db, cmd.team).await?;
    let before = match cmd.provider {
        Some(id) => Some(Entity::for_team(cmd.team).filter(Column::Id.eq(id)).one(db).await?.ok_or_else(unknown)?),
        None if Entity::for_team(cmd.team).count(db).await? >= MOST => {
            let say = format!("a team has at most {MOST} identity providers: remove one first");
            return Err(DomainError::refused(ProblemCode::LimitReached, "teamId", say));
        }
        None => None,
    };
    let domains = proven(db, cmd, before.as_ref()).await?;
    Ok(Standing { team, before, domains })
}

fn sealed_secret(ctx: &Domain, cmd: &ConfigureSso, before: Option<&Model>) -> Result<Option<String>> {
    match (&cmd.client_secret, before) {
        (Some(secret), _) => Ok(Some(ctx.keys.seal(&ctx.env, Purpose::SingleSignOn, secret.expose_secret()))),
        // The secret would go to whoever answers there.
        (None, Some(Model { sealed_secret: Some(_), issuer, .. })) if *issuer != cmd.issuer => {
            let say = "give the client's secret again: the one of before was given for another issuer";
            Err(DomainError::refused(ProblemCode::Required, "clientSecret", say))
        }
        (None, before) => Ok(before.and_then(|before| before.sealed_secret.clone())),
    }
}

fn entry(actor: &Actor, before: Option<&Model>, after: &Model, cmd: &ConfigureSso) -> Audit {
    let was = |field: fn(&Model) -> &String| before.map(field);
    let had_secret = before.is_some_and(|row| row.sealed_secret.is_some());
    Audit::of(actor, Action::SsoConfigured, after.id)
        .team(after.team_id)
        .change("name", was(|row| &row.name), &after.name)
        .change("issuer", was(|row| &row.issuer), &after.issuer)
        .change("clientId", was(|row| &row.client_id), &after.client_id)
        .change("clientSecretSet", had_secret, after.sealed_secret.is_some())
        .change("clientSecretReplaced", false, had_secret && cmd.client_secret.is_some())
        .change("enforced", before.map(|row| row.enforced), after.enforced)
}

/// A way in that they did not open is somebody else's.
async fn tell_managers(
    tx: &Tx<'_>,
    actor: &Actor,
    team: &team::Model,
    row: &Model,
    domains: &[String],
    what: SsoChange,
) -> Result<()> {
    let sso = SsoNotice {
        team_id: team.id,
        team: team.name.clone(),
        provider: row.name.clone(),
        issuer: row.issuer.clone(),
        domains: domains.to_vec(),
        enforced: row.enforced,
        what,
    };
    tell(tx, actor, To::Team(team.id, MemberRight::ManageTeam), &Notice::Sso(sso)).await
}

fn names(domains: Vec<team_domain::Model>) -> Vec<String> {
    domains.into_iter().map(|domain| domain.domain).collect()
}

/// The team's own domains of these names: proven, and of no other provider.
async fn proven(db: &impl ConnectionTrait, cmd: &ConfigureSso, before: Option<&Model>) -> Result<Vec<TeamDomainId>> {
    let own = team_domain::Entity::for_team(cmd.team).all(db).await?;
    let mut problems = Problems::default();
    let mut found = Vec::new();
    for name in &cmd.domains {
        match own.iter().find(|domain| domain.domain == *name && domain.verified_at.is_some()) {
            None => {
                let say = format!("{name} is not proven yet: claim it, publish its DNS record and verify it first");
                problems.add(ProblemCode::WrongState, "domains", say);
            }
            Some(domain) if domain.sso_provider_id.is_some_and(|id| Some(id) != before.map(|before| before.id)) => {
                let say = format!("people at {name} sign in by another of the team's providers: take it out there first");
                problems.add(ProblemCode::Taken, "domains", say);
            }
            Some(domain) => found.push(domain.id),
        }
    }
    problems.into_result()?;
    Ok(found)
}

async fn route(tx: &Tx<'_>, provider: SsoProviderId, domains: &[TeamDomainId]) -> Result<()> {
    use team_domain::Column as D;
    let set = |to: Option<SsoProviderId>| team_domain::Entity::update_many().col_expr(D::SsoProviderId, Expr::value(to));
    set(None).filter(D::SsoProviderId.eq(provider)).exec(tx.db()).await?;
    set(Some(provider)).filter(D::Id.is_in(domains.iter().copied())).exec(tx.db()).await?;
    Ok(())
}

/// Takes a provider away: its people sign in by mail from now on. Sessions stay.
pub async fn remove(ctx: &Domain, actor: &Actor, id: SsoProviderId) -> Result<team::Model> {
    actor.session()?;
    let tx = Tx::begin(ctx).await?;
    let row = managed(tx.db(), actor, id).await?;
    let team = teams::find(tx.db(), row.team_id).await?;
    let domains = names(read::sso::domains_of(tx.db(), id).await?);
    let entry = Audit::of(actor, Action::SsoRemoved, id)
        .team(row.team_id)
        .change("issuer", &row.issuer, None::<String>)
        .change("enforced", row.enforced, false)
        .change("domains", &domains, Vec::<String>::new());
    route(&tx, id, &[]).await?;
    tell_managers(&tx, actor, &team, &row, &domains, SsoChange::TakenAway).await?;
    row.delete(tx.db()).await?;
    tx.commit(entry).await?;
    Ok(team)
}

/// Staff may take a provider away that has locked its people out; setting one up is the team's own.
async fn managed(db: &impl ConnectionTrait, actor: &Actor, id: SsoProviderId) -> Result<Model> {
    let row = Entity::find_by_id(id).one(db).await?.ok_or_else(unknown)?;
    match require_member(db, actor, row.team_id, MemberRight::ManageTeam).await {
        Err(DomainError::NotFound(_)) => Err(unknown()),
        other => other.map(|()| row),
    }
}

fn unknown() -> DomainError {
    DomainError::NotFound("identity provider")
}
