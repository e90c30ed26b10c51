//! Credentials: made, shown once, revoked.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use domain::{
    ops::{
        claims,
        credentials::{self, Made},
        rotation,
    },
    read::{clients::Overlap, sample_request::curl},
    rules::{credential::state_at, profile::names_its_client},
};
use entities::{credential, enums::CredentialStatus as Status};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    graphql::{
        enums::{AuthMethod, CredentialStatus, Environment},
        loaders::found,
        loaders::lists::{OverlapOf, TargetOf, one},
        payload::{Payload, UserError, payload},
        profile::Profile,
        request::{RequestContext, id_of},
        user::User,
    },
    payload_type,
};

/// A way to prove who calls. Its secret was shown when it was made, and never again.
#[derive(Debug, Clone)]
pub struct Credential(pub credential::Model);

#[Object]
impl Credential {
    pub async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }
    async fn kind(&self) -> AuthMethod {
        self.0.kind.into()
    }
    async fn environment(&self) -> Environment {
        self.0.environment.into()
    }
    async fn profile(&self, ctx: &Context<'_>) -> async_graphql::Result<Profile> {
        found(ctx.loaders().profiles.load_one(self.0.profile_id).await).map(Profile)
    }
    async fn status(&self, ctx: &Context<'_>) -> CredentialStatus {
        state_at(self.0.status, self.0.expires_at, ctx.op().now()).into()
    }
    async fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }
    /// A part of the subscription's grants, where one was asked for; null: all of them, also later ones.
    async fn scopes(&self) -> Option<&[String]> {
        self.0.scopes.as_deref()
    }
    /// What the caller names itself by: the client's id, for `X-Client-ID`; null where the secret alone says it.
    async fn client_id(&self) -> Option<String> {
        names_its_client(self.0.kind).then(|| self.0.client_id.to_string())
    }
    /// The secret's recognisable part; the rest as dots.
    async fn masked(&self) -> Option<&str> {
        self.0.masked.as_deref()
    }
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }
    async fn created_by(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<User>> {
        let Some(id) = self.0.created_by else { return Ok(None) };
        found(ctx.loaders().users.load_one(id).await).map(|row| Some(User(row)))
    }
    async fn last_used_at(&self) -> Option<DateTime<Utc>> {
        self.0.last_used_at
    }
    async fn expires_at(&self) -> Option<DateTime<Utc>> {
        self.0.expires_at
    }
    /// Until when an older secret works beside the newest; null where none does.
    async fn overlap_ends_at(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<DateTime<Utc>>> {
        Ok(self.overlap(ctx).await?.map(|overlap| overlap.ends_at))
    }
    /// When, in the overlap, an older secret was last used, to some ten seconds: it can be ended once it is silent.
    async fn previous_last_used_at(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<DateTime<Utc>>> {
        Ok(self.overlap(ctx).await?.and_then(|overlap| overlap.last_used_at))
    }
}

impl Credential {
    async fn overlap(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Overlap>> {
        match state_at(self.0.status, self.0.expires_at, ctx.op().now()) {
            Status::Active => one(ctx, OverlapOf(self.0.id)).await,
            _ => Ok(None),
        }
    }
}

/// A secret that was just made. Keep it: it is shown this once.
pub struct IssuedSecret {
    credential: credential::Model,
    secret: SecretString,
}

impl IssuedSecret {
    pub fn of(made: Made) -> Option<Self> {
        Some(Self { secret: made.secret?, credential: made.credential })
    }
}

#[Object]
impl IssuedSecret {
    async fn secret(&self) -> &str {
        self.secret.expose_secret()
    }
    /// For `X-Client-ID`; null where the secret alone says who calls.
    async fn client_id(&self) -> Option<String> {
        names_its_client(self.credential.kind).then(|| self.credential.client_id.to_string())
    }
    /// A curl line for a first call, with the secret in it.
    async fn sample_request(&self, ctx: &Context<'_>) -> async_graphql::Result<String> {
        let profile = found(ctx.loaders().profiles.load_one(self.credential.profile_id).await)?;
        let target = one(ctx, TargetOf(profile.id)).await?.unwrap_or_default();
        Ok(curl(&ctx.site().gateway_url, &profile, &target, Some(self.secret.expose_secret())))
    }
}

#[derive(InputObject)]
pub struct CreateCredentialInput {
    profile_id: ID,
    name: Option<String>,
    /// A part of the subscription's grants; left out: all of them, also later ones.
    scopes: Option<Vec<String>>,
    expires_at: Option<DateTime<Utc>>,
    /// The same key and input within a day give the same answer, secret included, and act once.
    idempotency_key: Option<String>,
}

#[derive(InputObject)]
pub struct RotateSecretInput {
    credential_id: ID,
    /// From 0, which ends the old secret at once, to the plan's hours; left out: these.
    overlap_hours: Option<i32>,
    /// Ends the overlap before, once no older secret was used for so long; from 5.
    end_when_silent_for_minutes: Option<i32>,
    /// The same key and input within a day give the same answer, secret included, and act once.
    idempotency_key: Option<String>,
}

#[derive(InputObject)]
pub struct CredentialIdInput {
    credential_id: ID,
}

payload_type! { CredentialPayload { credential: Credential } }

#[derive(SimpleObject)]
pub struct IssuedCredentialPayload {
    credential: Option<Credential>,
    /// Shown this once.
    issued: Option<IssuedSecret>,
    user_errors: Vec<UserError>,
}

impl Payload for IssuedCredentialPayload {
    type Done = Made;
    fn done(made: Made) -> Self {
        let credential = Some(Credential(made.credential.clone()));
        Self { credential, issued: IssuedSecret::of(made), user_errors: Vec::new() }
    }
    fn refused(user_errors: Vec<UserError>) -> Self {
        Self { credential: None, issued: None, user_errors }
    }
}

#[derive(Default)]
pub struct CredentialMutation;

#[Object]
impl CredentialMutation {
    async fn create_credential(
        &self,
        ctx: &Context<'_>,
        input: CreateCredentialInput,
    ) -> async_graphql::Result<Option<IssuedCredentialPayload>> {
        payload(create(ctx, input).await)
    }
    /// One that was issued automatically: its secret is made and shown now, once.
    async fn claim_credential(
        &self,
        ctx: &Context<'_>,
        input: CredentialIdInput,
    ) -> async_graphql::Result<Option<IssuedCredentialPayload>> {
        payload(claim(ctx, &input).await)
    }
    /// The credential keeps its id and gets a new secret, which works at once; older ones work until the overlap ends.
    async fn rotate_secret(
        &self,
        ctx: &Context<'_>,
        input: RotateSecretInput,
    ) -> async_graphql::Result<Option<IssuedCredentialPayload>> {
        payload(rotate(ctx, input).await)
    }
    /// A new credential like it, with another id; the old one is refused by every gateway within a second.
    async fn regenerate_credential(
        &self,
        ctx: &Context<'_>,
        input: CredentialIdInput,
    ) -> async_graphql::Result<Option<IssuedCredentialPayload>> {
        payload(regenerate(ctx, &input).await)
    }
    /// Older secrets are refused by every gateway within a second; the newest works on.
    async fn end_overlap(&self, ctx: &Context<'_>, input: CredentialIdInput) -> async_graphql::Result<Option<CredentialPayload>> {
        payload(end_overlap(ctx, &input).await)
    }
    /// Refused by every gateway within a second.
    async fn revoke_credential(
        &self,
        ctx: &Context<'_>,
        input: CredentialIdInput,
    ) -> async_graphql::Result<Option<CredentialPayload>> {
        payload(revoke(ctx, &input).await)
    }
}

async fn create(ctx: &Context<'_>, input: CreateCredentialInput) -> domain::Result<Made> {
    let cmd = credentials::CreateCredential {
        profile: id_of(&input.profile_id, "profile")?,
        name: input.name,
        scopes: input.scopes,
        expires_at: input.expires_at,
        idempotency_key: input.idempotency_key,
    };
    credentials::create(ctx.op(), ctx.actor(), cmd).await
}

async fn claim(ctx: &Context<'_>, input: &CredentialIdInput) -> domain::Result<Made> {
    claims::claim(ctx.op(), ctx.actor(), id_of(&input.credential_id, "credential")?).await
}

async fn revoke(ctx: &Context<'_>, input: &CredentialIdInput) -> domain::Result<Credential> {
    let id = id_of(&input.credential_id, "credential")?;
    credentials::revoke(ctx.op(), ctx.actor(), id).await.map(Credential)
}

async fn rotate(ctx: &Context<'_>, input: RotateSecretInput) -> domain::Result<Made> {
    let cmd = rotation::RotateSecret {
        credential: id_of(&input.credential_id, "credential")?,
        overlap_hours: input.overlap_hours,
        end_when_silent_minutes: input.end_when_silent_for_minutes,
        idempotency_key: input.idempotency_key,
    };
    rotation::rotate(ctx.op(), ctx.actor(), cmd).await
}

async fn regenerate(ctx: &Context<'_>, input: &CredentialIdInput) -> domain::Result<Made> {
    rotation::regenerate(ctx.op(), ctx.actor(), id_of(&input.credential_id, "credential")?).await
}

async fn end_overlap(ctx: &Context<'_>, input: &CredentialIdInput) -> domain::Result<Credential> {
    let id = id_of(&input.credential_id, "credential")?;
    rotation::end_overlap(ctx.op(), ctx.actor(), id).await.map(Credential)
}
