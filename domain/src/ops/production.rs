//! What an approval opens: the production lane, as one event.

use entities::{
    client,
    columns::{Answers, Strings, SubmissionForm},
    credential,
    enums::{AuthMethod, CredentialStatus, Environment, OnboardingStage},
    id::{CredentialId, ProfileId},
    profile,
};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use super::{
    credentials::{self, Details},
    held::{held_by, lifetime_end},
    onboarding_stages,
    proofs::Proof,
};
use crate::{
    Result, Tx,
    audit::Audit,
    rules::{credential::SecretKind, form},
    tx::Touch,
};

/// What was opened, for the audit log.
#[derive(Default)]
pub(super) struct Opened {
    pub credential: Option<CredentialId>,
    allowlist: Option<Rewritten>,
}

/// The addresses that production calls may come from, where the form said so.
struct Rewritten {
    profile: ProfileId,
    before: Strings,
    after: Strings,
}

impl Opened {
    pub fn noted(self, entry: Audit) -> Audit {
        let entry = entry.set("productionCredential", self.credential);
        match self.allowlist {
            Some(Rewritten { profile, before, after }) => {
                entry.set("productionProfile", profile).change("productionAllowlist", before, after)
            }
            None => entry,
        }
    }
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
    let Some(profile) = profile else { return Ok(Opened::default()) };
    let mut allowlist = None;
    if let Some(after) = form.and_then(|form| form::allowlist_of(form, answers)).map(Strings) {
        let mut row = profile.clone().into_active_model();
        row.ip_allowlist = Set(after.clone());
        tx.update::<profile::Entity>(row, profile::Column::Version, profile.version).await?;
        allowlist = Some(Rewritten { profile: profile.id, before: profile.ip_allowlist.clone(), after });
    }
    let keys = form.and_then(|form| form::jwks_url_of(form, answers));
    let credential = match (SecretKind::of(profile.auth_method), profile.auth_method, keys) {
        (Some(_), ..) => Some(unclaimed(tx, &profile).await?),
        (None, AuthMethod::Oauth2PrivateKeyJwt, Some(url)) => Some(by_published_keys(tx, client, &profile, url).await?),
        _ => None,
    };
    Ok(Opened { credential, allowlist })
}

/// There is nothing to claim of what the team has published itself: it works at once.
async fn by_published_keys(tx: &Tx<'_>, client: &client::Model, profile: &profile::Model, url: &str) -> Result<CredentialId> {
    let expires_at = held_by(tx, client).await?.and_then(|(_, plan)| lifetime_end(&plan, tx.now()));
    let details = Details { id: tx.ctx().env.id(), name: None, scopes: None, expires_at, created_by: None };
    Ok(credentials::insert(tx, profile, details, &Proof::KeysAt(url.to_owned())).await?.id)
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
            jwks_url: None,
            created_at: tx.now(),
            created_by: None,
            last_used_at: None,
            expires_at: None,
            expiry_warned_days: None,
            revoked_at: None,
            version: 1,
        })
        .await?;
    Ok(row.id)
}
