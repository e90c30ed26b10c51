//! Trying calls: an access token by the real grant, and a call through the real gateway.

use std::net::IpAddr;

use async_graphql::{Context, ID, InputObject, Object, OneofObject, SimpleObject};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    DomainError, ProblemCode, enforcement,
    ops::explorer::{self, Caller, TryEndpoint},
    rules::{
        explorer::{MASK, Pair, curl, identity},
        jose::signed_jwt,
        oauth::Form,
        text,
    },
};
use entities::{
    credential,
    enums::{AuthMethod, DenialReason as Denial},
};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    graphql::{
        enums::DenialReason,
        payload::{Payload, UserError, payload},
        product_environment::HeaderValue,
        request::{RequestContext, id_of},
    },
    payload_type,
};

#[derive(InputObject)]
pub struct GenerateTokenInput {
    credential_id: ID,
    /// The client's secret; of sandbox credentials it may be left out. It is used once and not kept.
    secret: Option<String>,
    /// Left out: all that the client holds.
    scopes: Option<Vec<String>>,
}

#[derive(SimpleObject)]
pub struct GenerateTokenPayload {
    access_token: Option<String>,
    expires_at: Option<DateTime<Utc>>,
    /// With a space between two.
    scope: Option<String>,
    user_errors: Vec<UserError>,
}

/// An access token that was just issued.
pub struct NewToken {
    token: String,
    expires_at: DateTime<Utc>,
    scope: String,
}

impl Payload for GenerateTokenPayload {
    type Done = NewToken;
    fn done(new: NewToken) -> Self {
        let (access_token, expires_at, scope) = (Some(new.token), Some(new.expires_at), Some(new.scope));
        Self { access_token, expires_at, scope, user_errors: Vec::new() }
    }
    fn refused(user_errors: Vec<UserError>) -> Self {
        Self { access_token: None, expires_at: None, scope: None, user_errors }
    }
}

#[derive(InputObject)]
pub struct NameValueInput {
    name: String,
    value: String,
}

/// Given by the caller, used once, never kept.
#[derive(OneofObject)]
pub enum TryCredentialInput {
    Secret(String),
    AccessToken(String),
    SignedJwt(String),
}

#[derive(InputObject)]
pub struct TryEndpointInput {
    profile_id: ID,
    endpoint_id: ID,
    /// Of a sandbox credential the portal takes the secret that it keeps.
    credential_id: Option<ID>,
    credential: Option<TryCredentialInput>,
    path_parameters: Option<Vec<NameValueInput>>,
    query: Option<Vec<NameValueInput>>,
    headers: Option<Vec<NameValueInput>>,
    body: Option<String>,
}

/// A call that was tried, and its answer.
pub struct Exchange {
    request_line: String,
    curl: String,
    answer: crate::explorer::Answer,
}

#[Object]
impl Exchange {
    async fn request_line(&self) -> &str {
        &self.request_line
    }
    /// The call as it was sent, with the secret masked.
    async fn curl(&self) -> &str {
        &self.curl
    }
    async fn status(&self) -> i32 {
        self.answer.status.into()
    }
    async fn latency_ms(&self) -> f64 {
        self.answer.latency.as_secs_f64() * 1e3
    }
    async fn headers(&self) -> Vec<HeaderValue> {
        let value = |(name, value): &(String, Option<String>)| HeaderValue { name: name.clone(), value: value.clone() };
        self.answer.headers.iter().map(value).collect()
    }
    /// As text; 64 KiB of it at most.
    async fn body(&self) -> &str {
        &self.answer.body
    }
    /// The body goes on.
    async fn truncated(&self) -> bool {
        self.answer.truncated
    }
    /// Why the gateway refused; null where it did not.
    async fn denial(&self) -> Option<DenialReason> {
        self.answer.denial.map(|denial: Denial| denial.into())
    }
    /// The request log and `decision` know the call by it.
    async fn request_id(&self) -> &str {
        &self.answer.request_id
    }
}

payload_type! { TryEndpointPayload { exchange: Exchange } }

pub async fn generate_token(ctx: &Context<'_>, input: GenerateTokenInput) -> async_graphql::Result<Option<GenerateTokenPayload>> {
    payload(token(ctx, input).await)
}

pub async fn try_endpoint(ctx: &Context<'_>, input: TryEndpointInput) -> async_graphql::Result<Option<TryEndpointPayload>> {
    payload(tried(ctx, input).await)
}

async fn token(ctx: &Context<'_>, input: GenerateTokenInput) -> domain::Result<NewToken> {
    let row = explorer::own(ctx.op(), ctx.actor(), id_of(&input.credential_id, "credential")?).await?;
    if row.kind != AuthMethod::Oauth2ClientSecret {
        let say = match row.kind {
            AuthMethod::Oauth2PrivateKeyJwt => "only you can sign the assertion that brings a token".to_owned(),
            kind => format!("a credential with {} needs no access token", text::word(kind)),
        };
        return Err(DomainError::refused(ProblemCode::Invalid, "credentialId", say));
    }
    let secret = match input.secret {
        Some(secret) => secret.into(),
        None => explorer::kept_secret(ctx.op(), &row, "secret").await?,
    };
    granted(ctx, &row, &secret, input.scopes.as_deref()).await
}

/// By the grant that any client uses.
async fn granted(
    ctx: &Context<'_>,
    row: &credential::Model,
    secret: &SecretString,
    scopes: Option<&[String]>,
) -> domain::Result<NewToken> {
    let basic = format!("Basic {}", BASE64.encode(format!("{}:{}", row.id, secret.expose_secret())));
    let mut form = vec![("grant_type", "client_credentials".to_owned())];
    form.extend(scopes.map(|scopes| ("scope", scopes.join(" "))));
    let refused = |error: domain::rules::oauth::OAuthError| {
        DomainError::refused(ProblemCode::WrongState, "credentialId", error.to_string())
    };
    let form = Form::of(form);
    known_everywhere(ctx).await?;
    let issued = ctx.explorer().tokens.token(Some(&basic), &form, None).await.map_err(refused)?;
    let expires_at = ctx.op().now() + TimeDelta::seconds(issued.expires_in);
    Ok(NewToken { token: issued.access_token, expires_at, scope: issued.scope })
}

/// What was made a moment ago is known where it is tried.
async fn known_everywhere(ctx: &Context<'_>) -> domain::Result<()> {
    enforcement::all_follow(ctx.op()).await
}

async fn tried(ctx: &Context<'_>, input: TryEndpointInput) -> domain::Result<Exchange> {
    let pairs = |list: Option<Vec<NameValueInput>>| -> Vec<Pair> {
        list.unwrap_or_default().into_iter().map(|pair| (pair.name, pair.value)).collect()
    };
    let cmd = TryEndpoint {
        profile: id_of(&input.profile_id, "profile")?,
        endpoint: id_of(&input.endpoint_id, "endpoint")?,
        credential: input.credential_id.map(|id| id_of(&id, "credential")).transpose()?,
        path_parameters: pairs(input.path_parameters),
        query: pairs(input.query),
        headers: pairs(input.headers),
        body: input.body,
    };
    let (ready, caller) = explorer::prepare(ctx.op(), ctx.actor(), cmd).await?;
    let (client, profile) = explorer::names(ctx.op(), &caller).await?;
    let proof = proof(ctx, &caller, &client, input.credential).await?;
    let method = caller.profile.auth_method;
    let shown = identity(method, &client, &profile, proof.is_some().then_some(MASK));
    let sent = identity(method, &client, &profile, proof.as_ref().map(SecretString::expose_secret));
    let ip: Option<IpAddr> = ctx.actor().origin.ip.as_deref().and_then(|ip| ip.parse().ok());
    known_everywhere(ctx).await?;
    let answer = ctx
        .explorer()
        .send(ctx.op(), &ready, &sent, ip)
        .await
        .map_err(|error| DomainError::refused(ProblemCode::WrongState, "", error.to_string()))?;
    let request_line = format!("{} {} HTTP/1.1", ready.method, ready.target);
    Ok(Exchange { request_line, curl: curl(&ctx.site().gateway_url, &ready, &shown), answer })
}

/// What the call is proven with: as given, or of the secret that the portal keeps of a sandbox credential.
async fn proof(
    ctx: &Context<'_>,
    caller: &Caller,
    client: &str,
    given: Option<TryCredentialInput>,
) -> domain::Result<Option<SecretString>> {
    let method = caller.profile.auth_method;
    let other = |what: &str| {
        let say = format!("the profile is called with {}, which takes no {what}", text::word(method));
        Err(DomainError::refused(ProblemCode::Invalid, "credential", say))
    };
    let secret = match given {
        Some(TryCredentialInput::AccessToken(token)) => match method {
            AuthMethod::Oauth2ClientSecret | AuthMethod::Oauth2PrivateKeyJwt | AuthMethod::Oidc => return Ok(Some(token.into())),
            _ => return other("access token"),
        },
        Some(TryCredentialInput::SignedJwt(token)) => match method {
            AuthMethod::SignedJwt => return Ok(Some(token.into())),
            _ => return other("signed token"),
        },
        Some(TryCredentialInput::Secret(secret)) => Some(secret.into()),
        None => match &caller.credential {
            Some(row) => Some(explorer::kept_secret(ctx.op(), row, "credential").await?),
            None => None,
        },
    };
    let Some(secret) = secret else { return Ok(None) };
    match (method, &caller.credential) {
        (AuthMethod::ApiKey | AuthMethod::Token, _) => Ok(Some(secret)),
        (AuthMethod::SignedJwt, _) => Ok(Some(signed_jwt::make(&secret, client, ctx.op().now()).into())),
        (AuthMethod::Oauth2ClientSecret, Some(row)) => Ok(Some(granted(ctx, row, &secret, None).await?.token.into())),
        (AuthMethod::Oauth2ClientSecret, None) => {
            let say = "name the credential that the secret belongs to: its id is the client's";
            Err(DomainError::refused(ProblemCode::Required, "credentialId", say))
        }
        (AuthMethod::Oauth2PrivateKeyJwt | AuthMethod::Mtls | AuthMethod::Oidc | AuthMethod::None, _) => other("secret"),
    }
}
