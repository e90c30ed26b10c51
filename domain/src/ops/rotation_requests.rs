//! Rotations that are decided on: of production credentials, where the plan is elevated. Revoking never waits.

use entities::{
    client, credential,
    enums::{CredentialStatus, Environment, QueueKind, RequestStatus},
    id::{ClientId, CredentialId, UserId},
    plan,
    rotation_request::{Column, Entity, Model},
    team,
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, sea_query::Query,
};

use super::{
    held::{Held, held_by},
    proofs::Given,
    review_queue,
};
use crate::{
    Actor, Domain, DomainError, ProblemCode, Result, Tx,
    access::{require_reviewer, require_staff},
    audit::{Action, Audit},
    notices::{self, To},
    rules::{
        credential::state_at,
        notice::{CredentialNotice, Named, Notice},
        policy::{MemberRight, StaffRight},
        request::{self, Decision},
        rotation::Terms,
        text,
    },
    tx::retrying,
};

const NOTES_MAX: usize = 2000;

/// Whether a new secret for this credential has to be asked for.
pub(super) fn is_decided_on(row: &credential::Model, held: Option<&Held>) -> bool {
    row.environment == Environment::Production && held.is_some_and(|(_, plan)| plan.elevated)
}

/// A member asks for a rotation; one at a time.
pub(super) async fn ask(
    tx: &Tx<'_>,
    actor: &Actor,
    row: &credential::Model,
    plan: &plan::Model,
    (terms, given): (Terms, &Given),
) -> Result<Model> {
    let waits = match open_request(tx.db(), row.id).await?.map(|request| request.status) {
        Some(RequestStatus::Pending) => Some("a rotation was asked for already: it waits for a decision"),
        Some(RequestStatus::Approved) => Some("a rotation is approved already: claim the new secret"),
        Some(RequestStatus::Declined | RequestStatus::Withdrawn) | None => None,
    };
    if let Some(say) = waits {
        return Err(DomainError::refused(ProblemCode::AlreadyDone, "credentialId", say));
    }
    let by = actor.signed_in()?;
    let request = tx
        .insert(Model {
            id: tx.ctx().env.id(),
            credential_id: row.id,
            team_id: row.team_id,
            status: RequestStatus::Pending,
            overlap_hours: terms.hours,
            end_when_silent_minutes: terms.silent_minutes,
            given: (*given != Given::default())
                .then(|| serde_json::to_value(given))
                .transpose()
                .map_err(DomainError::internal)?,
            requested_by: by,
            requested_at: tx.now(),
            decided_by: None,
            decided_at: None,
            notes: None,
            claimed_at: None,
            version: 1,
        })
        .await?;
    let (kind, subject, team) = (QueueKind::Rotation, row.id.0, row.team_id);
    let item = review_queue::Request { kind, subject, team, plan: Some(plan), by, reason: None };
    review_queue::open(tx, item, review_queue::due(tx, plan.approval).await?).await?;
    let what = CredentialNotice::RotationRequested { by: name_of(tx.db(), by).await? };
    notices::tell(tx, actor, To::Reviewers(plan.approval_group_id), &notice(tx.db(), row, what).await?).await?;
    Ok(request)
}

pub async fn approve(ctx: &Domain, actor: &Actor, id: CredentialId, notes: Option<&str>) -> Result<credential::Model> {
    decide(ctx, actor, id, notes, Decision::Approve).await
}

pub async fn decline(ctx: &Domain, actor: &Actor, id: CredentialId, notes: Option<&str>) -> Result<credential::Model> {
    decide(ctx, actor, id, notes, Decision::Decline).await
}

async fn decide(
    ctx: &Domain,
    actor: &Actor,
    id: CredentialId,
    notes: Option<&str>,
    decision: Decision,
) -> Result<credential::Model> {
    require_staff(actor, StaffRight::Review)?;
    let notes = text::prose("notes", notes, NOTES_MAX)?;
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        let row = credential::Entity::find_by_id(id).one(tx.db()).await?.ok_or(DomainError::NotFound("credential"))?;
        let client = client::Entity::find_by_id(row.client_id).one(tx.db()).await?;
        let client = client.ok_or_else(|| DomainError::internal("a credential has no client"))?;
        let group = held_by(&tx, &client).await?.and_then(|(_, plan)| plan.approval_group_id);
        require_reviewer(tx.db(), actor, group, row.team_id).await?;
        let before = latest(tx.db(), id).await?;
        let before =
            before.ok_or_else(|| DomainError::refused(ProblemCode::WrongState, "credentialId", "no rotation was asked for"))?;
        let after = settle(&tx, actor, &before, decision, notes.clone()).await?;
        let (what, action) = match decision {
            Decision::Approve => {
                may_go_on(&row, tx.now())?;
                let overlap_hours = before.overlap_hours;
                (CredentialNotice::RotationApproved { overlap_hours, notes: notes.clone() }, Action::RotationApproved)
            }
            Decision::Decline | Decision::Withdraw => {
                (CredentialNotice::RotationDeclined { notes: notes.clone() }, Action::RotationDeclined)
            }
        };
        let told = notice(tx.db(), &row, what).await?;
        notices::tell(&tx, actor, To::Team(row.team_id, MemberRight::ReadCredentials), &told).await?;
        let entry = Audit::of(actor, action, row.id).team(row.team_id).set("request", before.id);
        tx.commit(entry.change("status", before.status, after.status).set("notes", &notes)).await?;
        Ok(row)
    })
    .await
}

fn may_go_on(row: &credential::Model, now: chrono::DateTime<chrono::Utc>) -> Result<()> {
    match state_at(row.status, row.expires_at, now) {
        CredentialStatus::Active => Ok(()),
        other => {
            let say = format!("the credential is {} since it was asked for: decline the request", text::word(other));
            Err(DomainError::refused(ProblemCode::WrongState, "credentialId", say))
        }
    }
}

/// Approved and not claimed yet.
pub(super) async fn to_claim(tx: &Tx<'_>, id: CredentialId) -> Result<Option<Model>> {
    let open = open_request(tx.db(), id).await?;
    Ok(open.filter(|request| request.status == RequestStatus::Approved))
}

/// The new secret was made.
pub(super) async fn claimed(tx: &Tx<'_>, before: &Model) -> Result<()> {
    let mut row = before.clone().into_active_model();
    row.claimed_at = Set(Some(tx.now()));
    tx.update::<Entity>(row, Column::Version, before.version).await.map(drop)
}

/// Closes what waits for those of a client's credentials that were revoked.
pub(super) async fn close_revoked(tx: &Tx<'_>, client: ClientId) -> Result<()> {
    let mut revoked = Query::select();
    revoked
        .column(credential::Column::Id)
        .from(credential::Entity)
        .and_where(credential::Column::ClientId.eq(client))
        .and_where(credential::Column::Status.eq(CredentialStatus::Revoked));
    let open = Entity::find().filter(Column::CredentialId.in_subquery(revoked)).filter(Column::Status.eq(RequestStatus::Pending));
    for before in open.all(tx.db()).await? {
        settle(tx, &Actor::system(), &before, Decision::Withdraw, None).await?;
    }
    Ok(())
}

async fn settle(tx: &Tx<'_>, actor: &Actor, before: &Model, decision: Decision, notes: Option<String>) -> Result<Model> {
    let status = request::decide(before.status, decision)?;
    let decider = actor.user_id().filter(|_| decision != Decision::Withdraw);
    let mut row = before.clone().into_active_model();
    row.status = Set(status);
    row.decided_by = Set(decider);
    row.decided_at = Set(Some(tx.now()));
    row.notes = Set(notes);
    review_queue::settle(tx, before.credential_id.0, status, decider).await?;
    tx.update::<Entity>(row, Column::Version, before.version).await
}

/// What waits for a decision or for its claim.
async fn open_request(db: &impl ConnectionTrait, id: CredentialId) -> Result<Option<Model>> {
    let newest = latest(db, id).await?.filter(|request| request.claimed_at.is_none());
    Ok(newest.filter(|request| matches!(request.status, RequestStatus::Pending | RequestStatus::Approved)))
}

async fn latest(db: &impl ConnectionTrait, id: CredentialId) -> Result<Option<Model>> {
    Ok(Entity::find().filter(Column::CredentialId.eq(id)).order_by_desc(Column::Id).one(db).await?)
}

/// What people are told of a credential.
pub(super) async fn notice(db: &impl ConnectionTrait, row: &credential::Model, what: CredentialNotice) -> Result<Notice> {
    let client = client::Entity::find_by_id(row.client_id).one(db).await?;
    let team = team::Entity::find_by_id(row.team_id).one(db).await?;
    let (Some(client), Some(team)) = (client, team) else {
        return Err(DomainError::internal("a credential's client or team is missing"));
    };
    let credential = row.name.clone().or_else(|| row.masked.clone()).unwrap_or_else(|| row.id.to_string());
    let named = Named { id: row.id, credential, environment: row.environment, client: client.name, team: team.name };
    Ok(Notice::Credential { named, what })
}

async fn name_of(db: &impl ConnectionTrait, id: UserId) -> Result<String> {
    let user = entities::user::Entity::find_by_id(id).one(db).await?;
    Ok(user.map_or_else(|| "Somebody".to_owned(), |user| user.name.unwrap_or(user.email)))
}
