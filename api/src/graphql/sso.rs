//! Single sign-on: the way to an organisation's identity provider, and teams' own providers.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use domain::ops::{sso, sso_providers};
use entities::sso_provider;
use futures_util::FutureExt;
use http::header::SET_COOKIE;
use secrecy::SecretString;

use crate::{
    auth::cookie,
    graphql::{
        loaders::lists::{DomainsBy, one},
        payload::{Payload, UserError, payload},
        request::{RequestContext, id_of, id_referred_to},
        scalars::{EmailAddress, Url},
        team::{Team, TeamPayload},
    },
    payload_type,
};

/// A team's own identity provider, by OpenID Connect.
#[derive(Debug, Clone)]
pub struct SsoProvider(pub sso_provider::Model);

#[Object]
impl SsoProvider {
    pub async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }
    async fn name(&self) -> &str {
        &self.0.name
    }
    /// As its tokens spell it.
    async fn issuer(&self) -> Url {
        Url(self.0.issuer.clone())
    }
    async fn client_id(&self) -> &str {
        &self.0.client_id
    }
    /// Whose people sign in by it, by name.
    async fn domains(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<String>> {
        let rows = one(ctx, DomainsBy(self.0.id)).await?.unwrap_or_default();
        Ok(rows.into_iter().map(|row| row.domain).collect())
    }
    /// Whether its people have no other way in.
    async fn enforced(&self) -> bool {
        self.0.enforced
    }
    async fn last_sign_in_at(&self) -> Option<DateTime<Utc>> {
        self.0.last_sign_in_at
    }
}

#[derive(InputObject)]
pub struct StartSsoInput {
    email: EmailAddress,
    /// Where the sign-in leads: a path, or an address within an allowed origin.
    redirect_to: Option<String>,
}

#[derive(SimpleObject)]
pub struct StartSsoPayload {
    /// Where the browser goes, within ten minutes. It has to be the one that keeps this answer's cookie.
    authorization_url: Option<Url>,
    user_errors: Vec<UserError>,
}

impl Payload for StartSsoPayload {
    type Done = Url;
    fn done(url: Url) -> Self {
        Self { authorization_url: Some(url), user_errors: Vec::new() }
    }
    fn refused(user_errors: Vec<UserError>) -> Self {
        Self { authorization_url: None, user_errors }
    }
}

#[derive(InputObject)]
pub struct ConfigureSsoInput {
    team_id: ID,
    /// Omitted: a new one.
    provider_id: Option<ID>,
    /// What its people know it by; 1 to 80 characters.
    name: String,
    /// As its discovery document and its tokens spell it.
    issuer: Url,
    client_id: String,
    /// Kept encrypted, never shown. Omitted: as before; a new provider has none, and is asked as a public client.
    client_secret: Option<String>,
    /// Whose people sign in by it: proven domains of the team.
    domains: Vec<String>,
    /// Mailed links sign nobody in at its domains whom it could. Sign in by it once before.
    enforced: bool,
}

#[derive(InputObject)]
pub struct SsoProviderIdInput {
    provider_id: ID,
}

payload_type! { SsoProviderPayload { provider: SsoProvider } }

#[derive(Default)]
pub struct SsoMutation;

#[Object]
impl SsoMutation {
    /// The way to sign in by an organisation's account, for an address at a domain that has one. The answer is the same for
    /// every address there.
    async fn start_sso(&self, ctx: &Context<'_>, input: StartSsoInput) -> async_graphql::Result<Option<StartSsoPayload>> {
        let cmd = sso::StartSso {
            email: input.email.0,
            redirect_to: input.redirect_to,
            return_origins: ctx.site().origins.clone(),
            callback: ctx.site().sso_callback(),
        };
        payload(sso::start(ctx.op(), cmd).boxed().await.map(|away| {
            ctx.append_http_header(SET_COOKIE, cookie::set_away(&away, ctx.site()));
            Url(away.url.into())
        }))
    }

    /// Sets up a team's identity provider, or changes one. Its discovery document is read first. Register
    /// `{portal.baseUrl}/auth/sso/callback/{teamId}` there as the redirect URI.
    async fn configure_sso(
        &self,
        ctx: &Context<'_>,
        input: ConfigureSsoInput,
    ) -> async_graphql::Result<Option<SsoProviderPayload>> {
        let configured = async {
            let cmd = sso_providers::ConfigureSso {
                team: id_of(&input.team_id, "team")?,
                provider: input.provider_id.as_ref().map(id_referred_to),
                name: input.name,
                issuer: input.issuer.0,
                client_id: input.client_id,
                client_secret: input.client_secret.map(SecretString::from),
                domains: input.domains,
                enforced: input.enforced,
            };
            sso_providers::configure(ctx.op(), ctx.actor(), cmd).await
        };
        payload(configured.boxed().await.map(SsoProvider))
    }

    /// Takes an identity provider away: its people sign in by mail from now on. Sessions stay.
    async fn remove_sso(&self, ctx: &Context<'_>, input: SsoProviderIdInput) -> async_graphql::Result<Option<TeamPayload>> {
        let removed = async { sso_providers::remove(ctx.op(), ctx.actor(), id_of(&input.provider_id, "provider")?).await };
        payload(removed.await.map(Team))
    }
}
