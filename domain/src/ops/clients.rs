//! Clients that staff make by hand: the gateway's identities beside those that subscriptions make.

use entities::{
    client::{Column, Entity, Model},
    id::{ClientId, SubscriptionId, TeamId},
    team,
};
use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait, IntoActiveModel};

use crate::{
    Actor, Domain, DomainError, Problem, ProblemCode, Result, Tx,
    access::require_staff,
    audit::{Action, Audit},
    error::Problems,
    rules::{policy::StaffRight, text},
    tx::{Touch, retrying},
};

#[derive(Debug, Clone)]
pub struct CreateClient {
    pub team: TeamId,
    pub name: String,
    pub description: Option<String>,
    pub enabled: bool,
}

/// An omitted field stays; `Some(None)` clears it.
#[derive(Debug, Clone, Default)]
pub struct UpdateClient {
    pub name: Option<String>,
    pub description: Option<Option<String>>,
    pub enabled: Option<bool>,
}

pub async fn create(ctx: &Domain, actor: &Actor, cmd: CreateClient) -> Result<Model> {
    require_staff(actor, StaffRight::Edit)?;
    let (name, description) = check("name", &cmd.name, cmd.description.as_deref())?;
    let tx = Tx::begin(ctx).await?;
    let missing = || Problem::new(ProblemCode::NotFound, "teamId", "no such team");
    let team = team::Entity::find_by_id(cmd.team).one(tx.db()).await?.ok_or_else(missing)?;
    let new = NewClient { team: team.id, subscription: None, name, description, enabled: cmd.enabled };
    let row = insert(&tx, new).await?;
    let entry = Audit::of(actor, Action::ClientCreated, row.id)
        .team(row.team_id)
        .set("name", &row.name)
        .set("description", &row.description)
        .set("enabled", row.enabled);
    tx.commit(entry).await?;
    Ok(row)
}

pub async fn update(ctx: &Domain, actor: &Actor, id: ClientId, cmd: UpdateClient) -> Result<Model> {
    require_staff(actor, StaffRight::Edit)?;
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        let before = load(tx.db(), id).await?;
        let given = cmd.description.as_ref().unwrap_or(&before.description);
        let (name, description) = check("name", cmd.name.as_ref().unwrap_or(&before.name), given.as_deref())?;
        let mut row = before.clone().into_active_model();
        row.name = Set(name);
        row.description = Set(description);
        row.enabled = Set(cmd.enabled.unwrap_or(before.enabled));
        let after = tx.update::<Entity>(row, Column::Version, before.version).await?;
        tx.touch_gateway(Touch::Client(id));
        let entry = Audit::of(actor, Action::ClientUpdated, id)
            .team(after.team_id)
            .change("name", &before.name, &after.name)
            .change("description", &before.description, &after.description)
            .change("enabled", before.enabled, after.enabled);
        tx.commit(entry).await?;
        Ok(after)
    })
    .await
}

pub(crate) struct NewClient {
    pub team: TeamId,
    pub subscription: Option<SubscriptionId>,
    pub name: String,
    pub description: Option<String>,
    pub enabled: bool,
}

/// Writes a client; gateways load it.
pub(crate) async fn insert(tx: &Tx<'_>, new: NewClient) -> Result<Model> {
    let row = tx
        .insert(Model {
            id: tx.ctx().env.id(),
            team_id: new.team,
            subscription_id: new.subscription,
            name: new.name,
            description: new.description,
            enabled: new.enabled,
            portal_access: false,
            policy_id: None,
            created_at: tx.now(),
            version: 1,
        })
        .await?;
    tx.touch_gateway(Touch::Client(row.id));
    Ok(row)
}

pub(crate) async fn load(db: &impl ConnectionTrait, id: ClientId) -> Result<Model> {
    Entity::find_by_id(id).one(db).await?.ok_or(DomainError::NotFound("client"))
}

/// `path`: the name's field.
pub(crate) fn check(path: &str, name: &str, description: Option<&str>) -> Result<(String, Option<String>)> {
    let mut problems = Problems::default();
    let name = problems.take(text::name(path, name, 80));
    let description = problems.take(text::prose("description", description, 2000));
    problems.into_result()?;
    Ok((name.unwrap_or_default(), description.flatten()))
}
