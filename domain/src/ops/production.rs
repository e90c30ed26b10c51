//! What an approval opens: the production lane, as one event.

use entities::{
    client,
    columns::{Answers, Strings, SubmissionForm},
    credential,
    enums::{CredentialStatus, Environment, OnboardingStage},
    id::CredentialId,
    profile,
};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use super::onboarding_stages;
use crate::{
    Result, Tx,
    rules::{credential::SecretKind, form},
    tx::Touch,
};

/// What was opened, for the audit log.
pub(super) struct Opened {
    pub credential: Option<CredentialId>,
    /// The addresses that production calls may come from, where the form said so.
    pub allowlist: Option<Vec<String>>,
}

/// Issues the production credential, unclaimed: its secret is made when a developer claims it. Answers that have a target go
/// there.
pub(super) async fn open(
    tx: &Tx<'_>,
    client: &client::Model,
    form: Option<&SubmissionForm>,
    answers: &Answers,
) -> Result<Opened> {
    tx.touch_gateway(Touch::Client(client.id));
    onboarding_stages::reached(tx, client.team_id, OnboardingStage::Approved).await?;
    let profile = profile::Entity::find()
        .filter(profile::Column::ClientId.eq(client.id))
        .filter(profile::Column::Environment.eq(Environment::Production))
        .one(tx.db())
        .await?;
    let Some(profile) = profile else { return Ok(Opened { credential: None, allowlist: None }) };
    let allowlist = form.and_then(|form| form::allowlist_of(form, answers));
    if let Some(allowlist) = &allowlist {
        let mut row = profile.clone().into_active_model();
        row.ip_allowlist = Set(Strings(allowlist.clone()));
        tx.update::<profile::Entity>(row, profile::Column::Version, profile.version).await?;
    }
    let credential = match SecretKind::of(profile.auth_method) {
        Some(_) => Some(unclaimed(tx, &profile).await?),
        None => None,
    };
    Ok(Opened { credential, allowlist })
}

async fn unclaimed(tx: &Tx<'_>, profile: &profile::Model) -> Result<CredentialId> {
    let row = tx
        .insert(credential::Model {
            id: tx.ctx().env.id(),
            team_id: profile.team_id,
            client_id: profile.client_id,
            profile_id: profile.id,
            kind: profile.auth_method,
            environment: profile.environment,
            status: CredentialStatus::Unclaimed,
            name: None,
            scopes: None,
            masked: None,
            created_at: tx.now(),
            created_by: None,
            last_used_at: None,
            expires_at: None,
            revoked_at: None,
            version: 1,
        })
        .await?;
    Ok(row.id)
}
