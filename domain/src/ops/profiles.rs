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

use super::{clients, credentials, policies, proofs::Proof};
use crate::{
    Actor, Domain, DomainError, Problem, ProblemCode, Result, Tx,
    access::{require_member, require_somebody, require_staff},
    audit::{Action, Audit},
    error::Problems,
    rules::{
        certificate::Certificate,
        credential::{self, RANDOM_BYTES, SecretKind},
        policy::{MemberRight, StaffRight},
        profile, text,
        view::Outside,
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
    /// For OIDC.
    pub issuer: Option<String>,
    /// For OIDC.
    pub audience: Option<String>,
    /// The caller's, for MTLS. `None`: the team registers it.
    pub certificate_pem: Option<String>,
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
    pub issuer: Option<String>,
    pub audience: Option<String>,
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
    outside: Option<Outside>,
    given: Option<Proof>,
}

/// Staff give a client another way to call.
pub async fn create(ctx: &Domain, actor: &Actor, cmd: CreateProfile) -> Result<MadeProfile> {
    require_staff(actor, StaffRight::Edit)?;
    let mut problems = Problems::default();
    let checked = check(&mut problems, "", &cmd.draft, ctx);
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
        if cmd.issuer.is_some() || cmd.audience.is_some() {
            let outside = other_issuer(ctx, &cmd, &before)?;
            row.issuer = Set(Some(outside.issuer));
            row.audience = Set(Some(outside.audience));
        }
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
        .change("issuer", &before.issuer, &after.issuer)
        .change("audience", &before.audience, &after.audience)
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

/// What an OIDC profile is to say of its issuer from now on.
fn other_issuer(ctx: &Domain, cmd: &UpdateProfile, before: &Model) -> Result<Outside> {
    let mut problems = Problems::default();
    let issuer = cmd.issuer.as_deref().or(before.issuer.as_deref());
    let audience = cmd.audience.as_deref().or(before.audience.as_deref());
    let outside = profile::outside(&mut problems, "", before.auth_method, (issuer, audience), ctx.outgoing.reach());
    problems.into_result()?;
    outside.ok_or_else(|| DomainError::internal("an OIDC profile without an issuer passed the checks"))
}

/// Notes what is wrong with a draft; what it gives may be stored only when nothing was noted. `path` may be empty.
pub(crate) fn check(problems: &mut Problems, path: &str, draft: &ProfileDraft, ctx: &Domain) -> CheckedProfile {
    let at = |field: &str| format!("{path}.{field}");
    let named = (draft.issuer.as_deref(), draft.audience.as_deref());
    let outside = profile::outside(problems, path, draft.auth_method, named, ctx.outgoing.reach());
    if draft.token.is_some() && draft.auth_method != AuthMethod::Token {
        problems.add(ProblemCode::Invalid, &at("token"), "goes with authMethod TOKEN only");
    }
    if draft.certificate_pem.is_some() && draft.auth_method != AuthMethod::Mtls {
        problems.add(ProblemCode::Invalid, &at("certificatePem"), "goes with authMethod MTLS only");
    }
    let token = draft.token.clone().and_then(|token| problems.take(credential::adopt(&at("token"), token, draft.environment)));
    let pem = draft.certificate_pem.as_deref();
    let certificate = pem.and_then(|pem| problems.take(Certificate::registered(&at("certificatePem"), pem, ctx.now())));
    CheckedProfile {
        name: problems.take(text::name(&at("name"), &draft.name, 60)).unwrap_or_default(),
        environment: draft.environment,
        auth_method: draft.auth_method,
        allowed_methods: problems.take_all(profile::methods(&at("allowedMethods"), &draft.allowed_methods)).unwrap_or_default(),
        ip_allowlist: problems.take_all(profile::allowlist(&at("ipAllowlist"), &draft.ip_allowlist)).unwrap_or_default(),
        outside,
        given: token.map(Proof::Secret).or(certificate.map(Proof::Certificate)),
    }
}

/// Writes a profile that staff make, and its credential: what was given with it, or a secret made here.
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
            issuer: checked.outside.as_ref().map(|outside| outside.issuer.clone()),
            audience: checked.outside.map(|outside| outside.audience),
            policy_id: policy,
            enabled: true,
            created_at: tx.now(),
            version: 1,
        })
        .await?;
    tx.touch_gateway(Touch::Client(client.id));
    let made_here = checked.given.is_none();
    let issue = |kind| Proof::Secret(credential::issue(kind, row.environment, &tx.ctx().env.random::<RANDOM_BYTES>()));
    let Some(proof) = checked.given.or_else(|| SecretKind::of(row.auth_method).map(issue)) else {
        return Ok(MadeProfile { profile: row, secret: None });
    };
    let details =
        credentials::Details { id: tx.ctx().env.id(), name: None, scopes: None, expires_at: None, created_by: actor.user_id() };
    let credential = credentials::insert(tx, &row, details, &proof).await?;
    let secret = made_here.then_some(credentials::Made { credential, secret: proof.into_secret() });
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
        .set("issuer", &row.issuer)
        .set("audience", &row.audience)
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
