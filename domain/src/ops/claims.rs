//! Claiming what was issued automatically, approved, or has to replace a leaked one: the secret is made and shown to the developer who collects it, and to nobody else.

use entities::{
    client,
    credential::{Column, Entity},
    enums::CredentialStatus,
    id::CredentialId,
};
use sea_orm::{ActiveValue::Set, EntityTrait, IntoActiveModel};

use super::{
    credentials::{Made, named},
    held::{held_by, lifetime_end},
    onboarding_stages,
    proofs::Proof,
    rotation,
};
use crate::{
    Actor, Domain, DomainError, ProblemCode, Result, Tx,
    access::{require_member, require_somebody},
    audit::{Action, Audit},
    read::lanes::standing,
    rules::{
        credential::{self, RANDOM_BYTES, SecretKind},
        expiry,
        policy::MemberRight,
        subscription::may_issue,
        text,
    },
    tx::{Touch, retrying},
};

/// A member makes and sees the secret of an unclaimed credential, or the new one of a rotation that was approved or that a leak
/// asks for; once.
pub async fn claim(ctx: &Domain, actor: &Actor, id: CredentialId) -> Result<Made> {
    require_somebody(actor)?;
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        let before = Entity::find_by_id(id).one(tx.db()).await?.ok_or(DomainError::NotFound("credential"))?;
        let allowed = require_member(tx.db(), actor, before.team_id, MemberRight::ManageCredentials).await;
        allowed.map_err(|error| named(error, "credential"))?;
        match before.status {
            CredentialStatus::Unclaimed => {}
            CredentialStatus::Active => return rotation::collect(tx, actor, id).await,
            CredentialStatus::Revoked | CredentialStatus::Expired => {
                let say = format!("the credential cannot be claimed while {}", text::word(before.status));
                return Err(DomainError::refused(ProblemCode::WrongState, "", say));
            }
        }
        let kind = SecretKind::of(before.kind).ok_or_else(|| DomainError::internal("an unclaimed credential has no secret"))?;
        let client = client::Entity::find_by_id(before.client_id).one(tx.db()).await?;
        let client = client.ok_or_else(|| DomainError::internal("a credential has no client"))?;
        let held = held_by(&tx, &client).await?;
        if let Some((held, _)) = &held {
            may_issue(standing(held), before.environment)?;
        }
        let issued = credential::issue(kind, before.environment, &ctx.env.random::<RANDOM_BYTES>());
        let mut row = before.clone().into_active_model();
        row.status = Set(CredentialStatus::Active);
        row.masked = Set(Some(issued.masked.clone()));
        row.created_by = Set(actor.user_id());
        let expires_at = held.and_then(|(_, plan)| lifetime_end(&plan, tx.now()));
        row.expires_at = Set(expires_at);
        row.expiry_warned_days = Set(expiry::warned_from(expires_at, tx.now()));
        let after = tx.update::<Entity>(row, Column::Version, before.version).await?;
        let proof = Proof::Secret(issued);
        proof.insert(&tx, ctx.env.id(), id).await?;
        onboarding_stages::has_credential(&tx, after.team_id, after.environment).await?;
        tx.touch_gateway(Touch::Client(after.client_id));
        let entry = Audit::of(actor, Action::CredentialClaimed, id).team(after.team_id);
        tx.commit(entry.change("status", before.status, after.status).set("masked", &after.masked)).await?;
        Ok(Made { credential: after, secret: proof.into_secret() })
    })
    .await
}
