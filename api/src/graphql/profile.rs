//! Profiles: how a client calls in one environment.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use domain::{
    ops::profiles::{self, ProfileDraft},
    read::sample_request::curl,
    rules::policy::MemberRight,
};
use entities::profile;

use crate::graphql::{
    client::Client,
    credential::{Credential, IssuedSecret},
    enums::{AuthMethod, Environment},
    loaders::found,
    loaders::lists::{CredentialsOf, TargetOf, may, one},
    payload::{Payload, UserError, payload},
    policy::Policy,
    request::{RequestContext, id_of, id_referred_to},
    scalars::Url,
};

/// How a client calls in one environment. The header `X-Profile-ID` takes its name or id.
#[derive(Debug, Clone)]
pub struct Profile(pub profile::Model);

#[Object]
impl Profile {
    pub async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }
    async fn name(&self) -> &str {
        &self.0.name
    }
    async fn client(&self, ctx: &Context<'_>) -> async_graphql::Result<Client> {
        found(ctx.loaders().clients.load_one(self.0.client_id).await).map(Client)
    }
    async fn environment(&self) -> Environment {
        self.0.environment.into()
    }
    async fn auth_method(&self) -> AuthMethod {
        self.0.auth_method.into()
    }
    /// Empty: all methods.
    async fn allowed_methods(&self) -> &[String] {
        &self.0.allowed_methods
    }
    /// Addresses and CIDR ranges that calls may come from; empty: anywhere.
    async fn ip_allowlist(&self) -> &[String] {
        &self.0.ip_allowlist
    }
    /// Whose tokens are taken, for OIDC.
    async fn issuer(&self) -> Option<Url> {
        self.0.issuer.clone().map(Url)
    }
    /// Whom these tokens have to be for, for OIDC.
    async fn audience(&self) -> Option<&str> {
        self.0.audience.as_deref()
    }
    async fn policy(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Policy>> {
        let Some(id) = self.0.policy_id else { return Ok(None) };
        found(ctx.loaders().policies.load_one(id).await).map(|row| Some(Policy(row)))
    }
    async fn enabled(&self) -> bool {
        self.0.enabled
    }
    /// Newest first. Needs READ access to the credentials area.
    async fn credentials(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Vec<Credential>>> {
        if !may(ctx, self.0.team_id, MemberRight::ReadCredentials).await? {
            return Ok(None);
        }
        let rows = one(ctx, CredentialsOf(self.0.id)).await?.unwrap_or_default();
        Ok(Some(rows.into_iter().map(Credential).collect()))
    }
    /// A curl line for a first call, the secret left as a placeholder.
    async fn sample_request(&self, ctx: &Context<'_>) -> async_graphql::Result<String> {
        let target = one(ctx, TargetOf(self.0.id)).await?.unwrap_or_default();
        Ok(curl(ctx.site().places(), &self.0, &target, None))
    }
}

#[derive(InputObject)]
pub struct CreateProfileInput {
    client_id: ID,
    name: String,
    environment: Environment,
    auth_method: AuthMethod,
    /// Left out or empty: all methods.
    allowed_methods: Option<Vec<String>>,
    /// Left out or empty: anywhere.
    ip_allowlist: Option<Vec<String>>,
    /// For OIDC, which needs it: as its discovery document and its tokens name it.
    issuer: Option<Url>,
    /// For OIDC, which needs it: the client's own, as every token of the issuer for it is taken for the client's.
    audience: Option<String>,
    /// For MTLS: the certificate that the caller shows. Left out: the team registers it by `createCredential`.
    certificate_pem: Option<String>,
    /// For TOKEN: one that was given out already, 32 characters at least. Left out: one is made, and shown in `issued`.
    token: Option<String>,
    policy_id: Option<ID>,
}

/// An omitted field stays.
#[derive(InputObject)]
pub struct UpdateProfileInput {
    profile_id: ID,
    name: Option<String>,
    allowed_methods: Option<Vec<String>>,
    ip_allowlist: Option<Vec<String>>,
    /// For OIDC only.
    issuer: Option<Url>,
    /// For OIDC only.
    audience: Option<String>,
    enabled: Option<bool>,
}

#[derive(InputObject)]
pub struct UpdateNetworkRulesInput {
    profile_id: ID,
    /// All of them: addresses and CIDR ranges; empty: anywhere.
    ip_allowlist: Vec<String>,
}

crate::enforced! { ProfilePayload }

#[derive(SimpleObject)]
#[graphql(complex)]
pub struct ProfilePayload {
    profile: Option<Profile>,
    /// Shown this once; null where nothing was made.
    issued: Option<IssuedSecret>,
    user_errors: Vec<UserError>,
}

impl Payload for ProfilePayload {
    type Done = (Profile, Option<IssuedSecret>);
    fn done((profile, issued): Self::Done) -> Self {
        Self { profile: Some(profile), issued, user_errors: Vec::new() }
    }
    fn refused(user_errors: Vec<UserError>) -> Self {
        Self { profile: None, issued: None, user_errors }
    }
}

#[derive(Default)]
pub struct ProfileMutation;

#[Object]
impl ProfileMutation {
    /// A way to call, for a client made by hand.
    async fn create_profile(
        &self,
        ctx: &Context<'_>,
        input: CreateProfileInput,
    ) -> async_graphql::Result<Option<ProfilePayload>> {
        payload(create(ctx, input).await)
    }
    async fn update_profile(
        &self,
        ctx: &Context<'_>,
        input: UpdateProfileInput,
    ) -> async_graphql::Result<Option<ProfilePayload>> {
        payload(update(ctx, input).await)
    }
    /// The team's own say on where its calls come from.
    async fn update_network_rules(
        &self,
        ctx: &Context<'_>,
        input: UpdateNetworkRulesInput,
    ) -> async_graphql::Result<Option<ProfilePayload>> {
        payload(network_rules(ctx, &input).await)
    }
}

async fn create(ctx: &Context<'_>, input: CreateProfileInput) -> domain::Result<(Profile, Option<IssuedSecret>)> {
    let cmd = profiles::CreateProfile {
        client: id_of(&input.client_id, "client")?,
        policy: input.policy_id.as_ref().map(id_referred_to),
        draft: ProfileDraft {
            name: input.name,
            environment: input.environment.into(),
            auth_method: input.auth_method.into(),
            allowed_methods: input.allowed_methods.unwrap_or_default(),
            ip_allowlist: input.ip_allowlist.unwrap_or_default(),
            token: input.token.map(Into::into),
            issuer: input.issuer.map(|url| url.0),
            audience: input.audience,
            certificate_pem: input.certificate_pem,
        },
    };
    let made = profiles::create(ctx.op(), ctx.actor(), cmd).await?;
    Ok((Profile(made.profile), made.secret.and_then(IssuedSecret::of)))
}

async fn update(ctx: &Context<'_>, input: UpdateProfileInput) -> domain::Result<(Profile, Option<IssuedSecret>)> {
    let cmd = profiles::UpdateProfile {
        name: input.name,
        allowed_methods: input.allowed_methods,
        ip_allowlist: input.ip_allowlist,
        issuer: input.issuer.map(|url| url.0),
        audience: input.audience,
        enabled: input.enabled,
    };
    let id = id_of(&input.profile_id, "profile")?;
    Ok((Profile(profiles::update(ctx.op(), ctx.actor(), id, cmd).await?), None))
}

async fn network_rules(ctx: &Context<'_>, input: &UpdateNetworkRulesInput) -> domain::Result<(Profile, Option<IssuedSecret>)> {
    let id = id_of(&input.profile_id, "profile")?;
    Ok((Profile(profiles::update_network_rules(ctx.op(), ctx.actor(), id, &input.ip_allowlist).await?), None))
}
