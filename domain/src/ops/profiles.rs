//! Profiles: how a client calls in one environment.

use entities::{
    client,
    columns::Strings,
    enums::{AuthMethod, Environment},
    id::{ClientId, PolicyId, ProfileId},
    profile::{Column, Entity, Model},
};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter};
use secrecy::SecretString;

use super::{clients, credentials, policies};
use crate::{
    Actor, Domain, DomainError, Problem, ProblemCode, Result, Tx,
    access::{require_member, require_somebody, require_staff},
    audit::{Action, Audit},
    error::Problems,
    rules::{
        credential::{self, Issued, RANDOM_BYTES, SecretKind},
        policy::{MemberRight, StaffRight},
        profile, text,
    },
    tx::{Touch, retrying},
};

/// What a profile made by hand is to say.
#[derive(Debug, Clone)]
pub struct ProfileDraft {
    pub name: String,
    pub environment: Environment,
    pub auth_method: AuthMethod,
    /// Empty allows all.
    pub allowed_methods: Vec<String>,
    /// Empty allows all.
    pub ip_allowlist: Vec<String>,
    /// A token that the provider gave out already; for TOKEN only. `None`: one is made where the kind has a secret.
    pub token: Option<SecretString>,
}

#[derive(Debug, Clone)]
pub struct CreateProfile {
    pub client: ClientId,
    pub draft: ProfileDraft,
    pub policy: Option<PolicyId>,
}

/// An omitted field stays.
#[derive(Debug, Clone, Default)]
pub struct UpdateProfile {
    pub name: Option<String>,
    pub allowed_methods: Option<Vec<String>>,
    pub ip_allowlist: Option<Vec<String>>,
    pub enabled: Option<bool>,
}

/// A profile with what was made for it.
#[derive(Debug)]
pub struct MadeProfile {
    pub profile: Model,
    /// Shown in this answer alone; `None` where nothing was made here.
    pub secret: Option<credentials::Made>,
}

/// A draft that may be stored.
pub(crate) struct CheckedProfile {
    pub name: String,
    pub environment: Environment,
    pub auth_method: AuthMethod,
    pub allowed_methods: Strings,
    pub ip_allowlist: Strings,
    own_token: Option<Issued>,
}

/// Staff give a client another way to call.
pub async fn create(ctx: &Domain, actor: &Actor, cmd: CreateProfile) -> Result<MadeProfile> {
    require_staff(actor, StaffRight::Edit)?;
    let mut problems = Problems::default();
    let checked = check(&mut problems, "", &cmd.draft);
    problems.into_result()?;
    let tx = Tx::begin(ctx).await?;
    let client = clients::load(tx.db(), cmd.client).await?;
    if client.subscription_id.is_some() {
        let say = "a subscription's client has the profiles of its plan: make a client by hand for another one";
        return Err(DomainError::refused(ProblemCode::WrongState, "clientId", say));
    }
    if let Some(policy) = cmd.policy {
        policies::referred(tx.db(), "policyId", policy).await?;
    }
    free_name(tx.db(), client.id, &checked.name, None).await?;
    let made = insert_by_hand(&tx, actor, &client, checked, cmd.policy).await?;
    let entry = Audit::of(actor, Action::ProfileCreated, made.profile.id).team(client.team_id);
    tx.commit(described(entry, &made)).await?;
    Ok(made)
}

/// Staff change a profile.
pub async fn update(ctx: &Domain, actor: &Actor, id: ProfileId, cmd: UpdateProfile) -> Result<Model> {
    require_staff(actor, StaffRight::Edit)?;
    let (name, methods, allowlist) = check_update(&cmd)?;
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        let before = load(tx.db(), id).await?;
        if let Some(name) = &name {
            free_name(tx.db(), before.client_id, name, Some(id)).await?;
        }
        let mut row = before.clone().into_active_model();
        row.name = Set(name.clone().unwrap_or_else(|| before.name.clone()));
        row.allowed_methods = Set(methods.clone().unwrap_or_else(|| before.allowed_methods.clone()));
        row.ip_allowlist = Set(allowlist.clone().unwrap_or_else(|| before.ip_allowlist.clone()));
        row.enabled = Set(cmd.enabled.unwrap_or(before.enabled));
        store(tx, actor, Action::ProfileUpdated, before, row).await
    })
    .await
}

/// The team says where its own calls come from.
pub async fn update_network_rules(ctx: &Domain, actor: &Actor, id: ProfileId, allowlist: &[String]) -> Result<Model> {
    require_somebody(actor)?;
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        let before = load(tx.db(), id).await?;
        let allowed = require_member(tx.db(), actor, before.team_id, MemberRight::ManageCredentials).await;
        allowed.map_err(|error| credentials::named(error, "profile"))?;
        let checked = profile::allowlist("ipAllowlist", allowlist).map_err(DomainError::Refused)?;
        let mut row = before.clone().into_active_model();
        row.ip_allowlist = Set(checked);
        store(tx, actor, Action::NetworkRulesUpdated, before, row).await
    })
    .await
}

async fn store(tx: Tx<'_>, actor: &Actor, action: Action, before: Model, row: entities::profile::ActiveModel) -> Result<Model> {
    let after = tx.update::<Entity>(row, Column::Version, before.version).await?;
    tx.touch_gateway(Touch::Client(after.client_id));
    let entry = Audit::of(actor, action, after.id)
        .team(after.team_id)
        .change("name", &before.name, &after.name)
        .change("allowedMethods", &before.allowed_methods, &after.allowed_methods)
        .change("ipAllowlist", &before.ip_allowlist, &after.ip_allowlist)
        .change("enabled", before.enabled, after.enabled);
    tx.commit(entry).await?;
    Ok(after)
}

fn check_update(cmd: &UpdateProfile) -> Result<(Option<String>, Option<Strings>, Option<Strings>)> {
    let mut problems = Problems::default();
    let name = cmd.name.as_deref().and_then(|name| problems.take(text::name("name", name, 60)));
    let methods = cmd.allowed_methods.as_deref().map(|list| profile::methods("allowedMethods", list));
    let methods = methods.and_then(|checked| problems.take_all(checked));
    let allowlist = cmd.ip_allowlist.as_deref().map(|list| profile::allowlist("ipAllowlist", list));
    let allowlist = allowlist.and_then(|checked| problems.take_all(checked));
    problems.into_result()?;
    Ok((name, methods, allowlist))
}

/// Notes what is wrong with a draft; what it gives may be stored only when nothing was noted. `path` may be empty.
pub(crate) fn check(problems: &mut Problems, path: &str, draft: &ProfileDraft) -> CheckedProfile {
    let at = |field: &str| format!("{path}.{field}");
    problems.take(profile::auth_method(&at("authMethod"), draft.auth_method));
    if draft.token.is_some() && draft.auth_method != AuthMethod::Token {
        problems.add(ProblemCode::Invalid, &at("token"), "goes with authMethod TOKEN only");
    }
    let own_token = draft.token.clone().and_then(|token| problems.take(credential::adopt(&at("token"), token)));
    CheckedProfile {
        name: problems.take(text::name(&at("name"), &draft.name, 60)).unwrap_or_default(),
        environment: draft.environment,
        auth_method: draft.auth_method,
        allowed_methods: problems.take_all(profile::methods(&at("allowedMethods"), &draft.allowed_methods)).unwrap_or_default(),
        ip_allowlist: problems.take_all(profile::allowlist(&at("ipAllowlist"), &draft.ip_allowlist)).unwrap_or_default(),
        own_token,
    }
}

/// Writes a profile that staff make, and its credential: the provider's own token, or a secret made here.
pub(crate) async fn insert_by_hand(
    tx: &Tx<'_>,
    actor: &Actor,
    client: &client::Model,
    checked: CheckedProfile,
    policy: Option<PolicyId>,
) -> Result<MadeProfile> {
    let row = tx
        .insert(Model {
            id: tx.ctx().env.id(),
            team_id: client.team_id,
            client_id: client.id,
            name: checked.name,
            environment: checked.environment,
            auth_method: checked.auth_method,
            allowed_methods: checked.allowed_methods,
            ip_allowlist: checked.ip_allowlist,
            policy_id: policy,
            enabled: true,
            created_at: tx.now(),
            version: 1,
        })
        .await?;
    tx.touch_gateway(Touch::Client(client.id));
    let made_here = checked.own_token.is_none();
    let issue = |kind| credential::issue(kind, row.environment, &tx.ctx().env.random::<RANDOM_BYTES>());
    let Some(issued) = checked.own_token.or_else(|| SecretKind::of(row.auth_method).map(issue)) else {
        return Ok(MadeProfile { profile: row, secret: None });
    };
    let details =
        credentials::Details { id: tx.ctx().env.id(), name: None, scopes: None, expires_at: None, created_by: actor.user_id() };
    let credential = credentials::insert(tx, &row, details, &issued).await?;
    let secret = made_here.then_some(credentials::Made { credential, secret: Some(issued.secret) });
    Ok(MadeProfile { profile: row, secret })
}

/// What the audit log says of a new profile.
pub(crate) fn described(entry: Audit, made: &MadeProfile) -> Audit {
    let row = &made.profile;
    entry
        .set("profile", row.id)
        .set("profileName", &row.name)
        .set("environment", row.environment)
        .set("authMethod", row.auth_method)
        .set("allowedMethods", &row.allowed_methods)
        .set("ipAllowlist", &row.ip_allowlist)
        .set("credential", made.secret.as_ref().map(|made| made.credential.id))
}

pub(crate) async fn load(db: &impl ConnectionTrait, id: ProfileId) -> Result<Model> {
    Entity::find_by_id(id).one(db).await?.ok_or(DomainError::NotFound("profile"))
}

async fn free_name(db: &impl ConnectionTrait, client: ClientId, name: &str, own: Option<ProfileId>) -> Result<()> {
    match Entity::find().filter(Column::ClientId.eq(client)).filter(Column::Name.eq(name)).one(db).await? {
        Some(other) if Some(other.id) != own => {
            Err(Problem::new(ProblemCode::Taken, "name", "another profile of the client has this name").into())
        }
        _ => Ok(()),
    }
}
