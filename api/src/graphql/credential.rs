//! Credentials: made, shown once, revoked.

use async_graphql::{Context, ID, InputObject, Json, Object, SimpleObject};
use chrono::{DateTime, Utc};
use domain::{
    ops::{
        claims,
        credentials::{self, Made},
        overlaps,
        proofs::Given,
        rotation,
    },
    read::{clients::Overlap, sample_request::curl},
    rules::{
        credential::state_at,
        profile::{names_its_client, uses_tokens},
    },
};
use entities::{
    credential,
    enums::{AuthMethod as Kind, CredentialStatus as Status},
};
use secrecy::{ExposeSecret, SecretString};

use crate::graphql::{
    enums::{AuthMethod, CredentialStatus, Environment},
    explorer::{self, GenerateTokenInput, GenerateTokenPayload, TryEndpointInput, TryEndpointPayload},
    leak::Leak,
    loaders::found,
    loaders::lists::{OpenLeakOf, OverlapOf, RotationOf, TargetOf, one},
    payload::{Payload, UserError, payload},
    profile::Profile,
    request::{RequestContext, id_of},
    rotation::{self as decided, DecideRotationInput, RotationRequest},
    scalars::{Moment, Url},
    user::User,
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
    /// A part of the client's scopes, where one was asked for; null: all of them, also later ones.
    async fn scopes(&self) -> Option<&[String]> {
        self.0.scopes.as_deref()
    }
    /// A rotation that a reviewer decides on, until its secret is claimed; null where none was asked for.
    async fn rotation(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<RotationRequest>> {
        Ok(one(ctx, RotationOf(self.0.id)).await?.map(RotationRequest))
    }
    /// The last of its secrets that was found in public, while that works, or a new one is to be claimed for it.
    async fn leak(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Leak>> {
        match state_at(self.0.status, self.0.expires_at, ctx.op().now()) {
            Status::Active => Ok(one(ctx, OpenLeakOf(self.0.id)).await?.map(Leak)),
            _ => Ok(None),
        }
    }
    /// What the caller names itself by: the client's id for `X-Client-ID`, this credential's id for OAuth 2.0 (it stays with a
    /// rotation and changes with a regeneration); null where the secret alone says it.
    async fn client_id(&self) -> Option<String> {
        client_id(&self.0)
    }
    /// Where access tokens are had; null for kinds that use none.
    async fn token_endpoint(&self, ctx: &Context<'_>) -> Option<Url> {
        uses_tokens(self.0.kind).then(|| Url(ctx.site().token_endpoint()))
    }
    /// The secret's recognisable part; the rest as dots.
    async fn masked(&self) -> Option<&str> {
        self.0.masked.as_deref()
    }
    /// Where the owner's newest keys are published; null where they were given, or the kind has none.
    async fn jwks_url(&self) -> Option<Url> {
        self.0.jwks_url.clone().map(Url)
    }
    /// SHA-256 of the newest certificate (its DER), in hexadecimal; null for other kinds.
    async fn certificate_thumbprint(&self) -> Option<&str> {
        self.0.masked.as_deref().filter(|_| self.0.kind == Kind::Mtls)
    }
    /// What an outside issuer's tokens name the caller by (azp, client_id or sub), the newest; null for other kinds.
    async fn subject(&self) -> Option<&str> {
        self.0.masked.as_deref().filter(|_| self.0.kind == Kind::Oidc)
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

fn client_id(row: &credential::Model) -> Option<String> {
    if uses_tokens(row.kind) {
        return Some(row.id.to_string());
    }
    names_its_client(row.kind).then(|| row.client_id.to_string())
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
    /// For `X-Client-ID`, or OAuth 2.0's client id; null where the secret alone says who calls.
    async fn client_id(&self) -> Option<String> {
        client_id(&self.credential)
    }
    /// A curl line for a first call, with the secret in it.
    async fn sample_request(&self, ctx: &Context<'_>) -> async_graphql::Result<String> {
        let profile = found(ctx.loaders().profiles.load_one(self.credential.profile_id).await)?;
        let target = one(ctx, TargetOf(profile.id)).await?.unwrap_or_default();
        let issued = Some((self.credential.id, self.secret.expose_secret()));
        Ok(curl(ctx.site().places(), &profile, &target, issued))
    }
}

#[derive(InputObject)]
pub struct CreateCredentialInput {
    profile_id: ID,
    name: Option<String>,
    /// A part of the client's scopes; left out: all of them, also later ones.
    scopes: Option<Vec<String>>,
    /// Of kinds that are proven by your own keys: the public ones, as a JWKS.
    jwks: Option<Json<serde_json::Value>>,
    /// Instead of `jwks`: where the keys are published. Read when they are needed, and again when they change.
    jwks_url: Option<Url>,
    /// For MTLS: the certificate that the caller shows, alone, in PEM. The credential ends with it.
    certificate_pem: Option<String>,
    /// For OIDC: what the issuer's tokens name the caller by, in the claim azp, client_id or sub.
    subject: Option<String>,
    expires_at: Option<Moment>,
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
    /// The next public keys, beside the ones that there are until the overlap ends.
    jwks: Option<Json<serde_json::Value>>,
    /// Where the next keys are published.
    jwks_url: Option<Url>,
    /// The next certificate, in PEM, beside the one that there is until the overlap ends.
    certificate_pem: Option<String>,
    /// The next subject, beside the one that there is until the overlap ends.
    subject: Option<String>,
    /// The same key and input within a day give the same answer, secret included, and act once.
    idempotency_key: Option<String>,
}

#[derive(InputObject)]
pub struct CredentialIdInput {
    credential_id: ID,
}

crate::enforced! { CredentialPayload IssuedCredentialPayload }

#[derive(SimpleObject)]
#[graphql(complex)]
pub struct CredentialPayload {
    credential: Option<Credential>,
    user_errors: Vec<UserError>,
}

impl Payload for CredentialPayload {
    type Done = Credential;
    fn done(credential: Credential) -> Self {
        Self { credential: Some(credential), user_errors: Vec::new() }
    }
    fn refused(user_errors: Vec<UserError>) -> Self {
        Self { credential: None, user_errors }
    }
}

#[derive(SimpleObject)]
#[graphql(complex)]
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
    /// One that was issued automatically, whose rotation was approved, or whose secret was found in public and ends for it: its
    /// secret is made and shown now, once.
    async fn claim_credential(
        &self,
        ctx: &Context<'_>,
        input: CredentialIdInput,
    ) -> async_graphql::Result<Option<IssuedCredentialPayload>> {
        payload(claim(ctx, &input).await)
    }
    /// The credential keeps its id and gets a new secret, which works at once; older ones work until the overlap ends. Of
    /// production credentials of an elevated plan it is asked for: `issued` is null, and the secret is claimed once approved.
    async fn rotate_secret(
        &self,
        ctx: &Context<'_>,
        input: RotateSecretInput,
    ) -> async_graphql::Result<Option<IssuedCredentialPayload>> {
        payload(rotate(ctx, input).await)
    }
    /// Reviewers: the team claims the new secret, and the overlap begins then.
    async fn approve_rotation(
        &self,
        ctx: &Context<'_>,
        input: DecideRotationInput,
    ) -> async_graphql::Result<Option<CredentialPayload>> {
        payload(decided::approve(ctx, &input).await)
    }
    async fn decline_rotation(
        &self,
        ctx: &Context<'_>,
        input: DecideRotationInput,
    ) -> async_graphql::Result<Option<CredentialPayload>> {
        payload(decided::decline(ctx, &input).await)
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
    /// An access token by the real grant, to try calls with.
    async fn generate_token(
        &self,
        ctx: &Context<'_>,
        input: GenerateTokenInput,
    ) -> async_graphql::Result<Option<GenerateTokenPayload>> {
        explorer::generate_token(ctx, input).await
    }
    /// A call through the real gateway, with the real credential: it is decided on, counted and logged like any other.
    async fn try_endpoint(
        &self,
        ctx: &Context<'_>,
        input: TryEndpointInput,
    ) -> async_graphql::Result<Option<TryEndpointPayload>> {
        explorer::try_endpoint(ctx, input).await
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
        expires_at: input.expires_at.map(|end| end.0),
        given: Given {
            jwks: input.jwks.map(|jwks| jwks.0),
            jwks_url: input.jwks_url.map(|url| url.0),
            certificate_pem: input.certificate_pem,
            subject: input.subject,
        },
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
        given: Given {
            jwks: input.jwks.map(|jwks| jwks.0),
            jwks_url: input.jwks_url.map(|url| url.0),
            certificate_pem: input.certificate_pem,
            subject: input.subject,
        },
        idempotency_key: input.idempotency_key,
    };
    rotation::rotate(ctx.op(), ctx.actor(), cmd).await
}

async fn regenerate(ctx: &Context<'_>, input: &CredentialIdInput) -> domain::Result<Made> {
    rotation::regenerate(ctx.op(), ctx.actor(), id_of(&input.credential_id, "credential")?).await
}

async fn end_overlap(ctx: &Context<'_>, input: &CredentialIdInput) -> domain::Result<Credential> {
    let id = id_of(&input.credential_id, "credential")?;
    overlaps::end_overlap(ctx.op(), ctx.actor(), id).await.map(Credential)
}
