//! Policies: named limits that go before a plan's.

use entities::{
    client,
    id::{ClientId, PolicyId, ProfileId},
    policy::{Column, Entity, Model},
    profile,
};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter};

use crate::{
    Actor, Domain, DomainError, Problem, ProblemCode, Result, Tx,
    access::require_staff,
    audit::{Action, Audit},
    error::Problems,
    rules::{
        plan::{self, LimitDraft},
        policy::StaffRight,
        text,
    },
    tx::{Touch, retrying},
};

#[derive(Debug, Clone)]
pub struct CreatePolicy {
    pub name: String,
    pub description: Option<String>,
    pub limits: LimitDraft,
    pub enabled: bool,
}

/// An omitted field stays; `Some(None)` clears it.
#[derive(Debug, Clone, Default)]
pub struct UpdatePolicy {
    pub name: Option<String>,
    pub description: Option<Option<String>>,
    pub rate: Option<Option<(i32, entities::enums::RateWindow)>>,
    pub quota: Option<Option<(i64, entities::enums::QuotaPeriod)>>,
    pub enabled: Option<bool>,
}

#[derive(Debug, Clone, Copy)]
pub struct AttachPolicy {
    pub client: ClientId,
    /// One of the client's; `None`: the client itself.
    pub profile: Option<ProfileId>,
    /// `None` detaches.
    pub policy: Option<PolicyId>,
}

pub async fn create(ctx: &Domain, actor: &Actor, cmd: CreatePolicy) -> Result<Model> {
    require_staff(actor, StaffRight::Edit)?;
    let (name, description) = check(&cmd.name, cmd.description.as_deref(), &cmd.limits)?;
    let tx = Tx::begin(ctx).await?;
    free_name(tx.db(), &name, None).await?;
    let row = tx
        .insert(Model {
            id: ctx.env.id(),
            name,
            description,
            rate_requests: cmd.limits.rate.map(|(requests, _)| requests),
            rate_window: cmd.limits.rate.map(|(_, window)| window),
            quota_requests: cmd.limits.quota.map(|(requests, _)| requests),
            quota_period: cmd.limits.quota.map(|(_, period)| period),
            enabled: cmd.enabled,
            created_at: tx.now(),
            version: 1,
        })
        .await?;
    tx.touch_gateway(Touch::Policy(row.id));
    let entry = Audit::of(actor, Action::PolicyCreated, row.id)
        .set("name", &row.name)
        .set("rateLimit", row.rate_requests.zip(row.rate_window))
        .set("quota", row.quota_requests.zip(row.quota_period))
        .set("enabled", row.enabled);
    tx.commit(entry).await?;
    Ok(row)
}

pub async fn update(ctx: &Domain, actor: &Actor, id: PolicyId, cmd: UpdatePolicy) -> Result<Model> {
    require_staff(actor, StaffRight::Edit)?;
    retrying(|| update_once(ctx, actor, id, &cmd)).await
}

async fn update_once(ctx: &Domain, actor: &Actor, id: PolicyId, cmd: &UpdatePolicy) -> Result<Model> {
    let tx = Tx::begin(ctx).await?;
    let before = load(tx.db(), id).await?;
    let limits = LimitDraft {
        rate: cmd.rate.unwrap_or_else(|| before.rate_requests.zip(before.rate_window)),
        quota: cmd.quota.unwrap_or_else(|| before.quota_requests.zip(before.quota_period)),
    };
    let given = cmd.description.as_ref().unwrap_or(&before.description);
    let (name, description) = check(cmd.name.as_ref().unwrap_or(&before.name), given.as_deref(), &limits)?;
    free_name(tx.db(), &name, Some(id)).await?;
    let mut row = before.clone().into_active_model();
    row.name = Set(name);
    row.description = Set(description);
    row.rate_requests = Set(limits.rate.map(|(requests, _)| requests));
    row.rate_window = Set(limits.rate.map(|(_, window)| window));
    row.quota_requests = Set(limits.quota.map(|(requests, _)| requests));
    row.quota_period = Set(limits.quota.map(|(_, period)| period));
    row.enabled = Set(cmd.enabled.unwrap_or(before.enabled));
    let after = tx.update::<Entity>(row, Column::Version, before.version).await?;
    tx.touch_gateway(Touch::Policy(id));
    let rate = |row: &Model| row.rate_requests.zip(row.rate_window);
    let quota = |row: &Model| row.quota_requests.zip(row.quota_period);
    let entry = Audit::of(actor, Action::PolicyUpdated, id)
        .change("name", &before.name, &after.name)
        .change("description", &before.description, &after.description)
        .change("rateLimit", rate(&before), rate(&after))
        .change("quota", quota(&before), quota(&after))
        .change("enabled", before.enabled, after.enabled);
    tx.commit(entry).await?;
    Ok(after)
}

/// Refused while a client or a profile uses it.
pub async fn delete(ctx: &Domain, actor: &Actor, id: PolicyId) -> Result<PolicyId> {
    require_staff(actor, StaffRight::Edit)?;
    let tx = Tx::begin(ctx).await?;
    let row = load(tx.db(), id).await?;
    let clients = client::Entity::find().filter(client::Column::PolicyId.eq(id)).count(tx.db()).await?;
    let profiles = profile::Entity::find().filter(profile::Column::PolicyId.eq(id)).count(tx.db()).await?;
    if clients + profiles > 0 {
        let say = format!("{clients} clients and {profiles} profiles use this policy: detach it from them first");
        return Err(DomainError::refused(ProblemCode::WrongState, "", say));
    }
    Entity::delete_by_id(id).exec(tx.db()).await?;
    tx.touch_gateway(Touch::Policy(id));
    let gone = Audit::of(actor, Action::PolicyDeleted, id)
        .change("name", &row.name, ())
        .change("rateLimit", row.rate_requests.zip(row.rate_window), ())
        .change("quota", row.quota_requests.zip(row.quota_period), ())
        .change("enabled", row.enabled, ());
    tx.commit(gone).await?;
    Ok(id)
}

/// Attaches a policy to a client, or to one of its profiles.
pub async fn attach(ctx: &Domain, actor: &Actor, cmd: AttachPolicy) -> Result<client::Model> {
    require_staff(actor, StaffRight::Edit)?;
    retrying(|| attach_once(ctx, actor, cmd)).await
}

async fn attach_once(ctx: &Domain, actor: &Actor, cmd: AttachPolicy) -> Result<client::Model> {
    let tx = Tx::begin(ctx).await?;
    let client = client::Entity::find_by_id(cmd.client).one(tx.db()).await?.ok_or(DomainError::NotFound("client"))?;
    if let Some(policy) = cmd.policy {
        referred(tx.db(), "policyId", policy).await?;
    }
    let (client, entry) = match cmd.profile {
        None => {
            let mut row = client.clone().into_active_model();
            row.policy_id = Set(cmd.policy);
            let after = tx.update::<client::Entity>(row, client::Column::Version, client.version).await?;
            let entry = Audit::of(actor, Action::PolicyAttached, client.id).change("policy", client.policy_id, after.policy_id);
            (after, entry)
        }
        Some(id) => {
            let profile = profile::Entity::find_by_id(id).one(tx.db()).await?.filter(|p| p.client_id == client.id);
            let not_its = || DomainError::refused(ProblemCode::NotFound, "profileId", "the client has no such profile");
            let profile = profile.ok_or_else(not_its)?;
            let mut row = profile.clone().into_active_model();
            row.policy_id = Set(cmd.policy);
            let after = tx.update::<profile::Entity>(row, profile::Column::Version, profile.version).await?;
            let entry = Audit::of(actor, Action::PolicyAttached, id).change("policy", profile.policy_id, after.policy_id);
            (client, entry)
        }
    };
    tx.touch_gateway(Touch::Client(client.id));
    tx.commit(entry.team(client.team_id)).await?;
    Ok(client)
}

/// A policy that something else names.
pub(crate) async fn referred(db: &impl ConnectionTrait, path: &str, id: PolicyId) -> Result<Model, DomainError> {
    let missing = || Problem::new(ProblemCode::NotFound, path, "no such policy").into();
    Entity::find_by_id(id).one(db).await?.ok_or_else(missing)
}

async fn load(db: &impl ConnectionTrait, id: PolicyId) -> Result<Model> {
    Entity::find_by_id(id).one(db).await?.ok_or(DomainError::NotFound("policy"))
}

fn check(name: &str, description: Option<&str>, limits: &LimitDraft) -> Result<(String, Option<String>)> {
    let mut problems = Problems::default();
    let name = problems.take(text::name("name", name, 80));
    let description = problems.take(text::prose("description", description, 2000));
    plan::limits(&mut problems, "", limits);
    problems.into_result()?;
    Ok((name.unwrap_or_default(), description.flatten()))
}

async fn free_name(db: &impl ConnectionTrait, name: &str, own: Option<PolicyId>) -> Result<()> {
    match Entity::find().filter(Column::Name.eq(name)).one(db).await? {
        Some(other) if Some(other.id) != own => {
            Err(DomainError::refused(ProblemCode::Taken, "name", "another policy has this name"))
        }
        _ => Ok(()),
    }
}
