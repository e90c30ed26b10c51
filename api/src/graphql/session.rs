//! Signing in and out, sessions, access tokens.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use domain::{
    DomainError,
    ops::{access_tokens, sessions, sign_in},
    read::sign_in::Proof,
    rules::device::device,
};
use entities::{access_token, session};
use secrecy::ExposeSecret;

use crate::{
    graphql::{
        enums::SignInMethod,
        payload::{Payload, UserError, payload},
        request::{OrGraphql, RequestContext, id_of},
        scalars::EmailAddress,
        viewer::Viewer,
    },
    payload_type,
};

/// A browser that is signed in.
#[derive(Debug, Clone)]
pub struct Session(pub session::Model);

#[Object]
impl Session {
    pub async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }
    /// To the minute.
    async fn last_seen_at(&self) -> DateTime<Utc> {
        self.0.last_seen_at
    }
    /// When it ends: at its last moment, or before, when it has lain unused for too long.
    async fn expires_at(&self) -> DateTime<Utc> {
        self.0.expires_at
    }
    /// Where it was last used from.
    async fn ip(&self) -> Option<&str> {
        self.0.ip.as_deref()
    }
    async fn user_agent(&self) -> Option<&str> {
        self.0.user_agent.as_deref()
    }
    /// What it was last used on, as "Firefox on Linux"; null where the user agent does not say.
    async fn device(&self) -> Option<String> {
        self.0.user_agent.as_deref().and_then(device)
    }
    async fn method(&self) -> SignInMethod {
        self.0.method.into()
    }
    /// Whether this request is part of it.
    async fn current(&self, ctx: &Context<'_>) -> bool {
        matches!(ctx.caller().signed_in.as_ref().map(|who| &who.by), Some(Proof::Session(session)) if session.id == self.0.id)
    }
}

/// A token for scripts and server-side frontends, sent as `Authorization: Bearer`. It may what its owner may.
#[derive(Debug, Clone)]
pub struct AccessToken(pub access_token::Model);

#[Object]
impl AccessToken {
    pub async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }
    async fn name(&self) -> &str {
        &self.0.name
    }
    /// The token's first characters, to tell one from another.
    async fn prefix(&self) -> &str {
        &self.0.prefix
    }
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }
    /// To the minute.
    async fn last_used_at(&self) -> Option<DateTime<Utc>> {
        self.0.last_used_at
    }
    /// Null: it works until it is revoked.
    async fn expires_at(&self) -> Option<DateTime<Utc>> {
        self.0.expires_at
    }
}

#[derive(InputObject)]
pub struct RequestMagicLinkInput {
    email: EmailAddress,
    /// Where the sign-in leads: a path, or an address within an allowed origin.
    redirect_to: Option<String>,
}

/// The same for every address, known or not.
#[derive(SimpleObject)]
pub struct RequestMagicLinkPayload {
    sent: bool,
    user_errors: Vec<UserError>,
}

impl Payload for RequestMagicLinkPayload {
    type Done = ();
    fn done((): ()) -> Self {
        Self { sent: true, user_errors: Vec::new() }
    }
    fn refused(user_errors: Vec<UserError>) -> Self {
        Self { sent: false, user_errors }
    }
}

#[derive(InputObject)]
pub struct SignInWithMagicLinkInput {
    /// From the mailed link.
    token: String,
}

/// The session's token comes as a cookie too.
#[derive(SimpleObject)]
pub struct SignInPayload {
    viewer: Option<Viewer>,
    session_token: Option<String>,
    /// What the request for the link asked for.
    redirect_to: Option<String>,
    /// The session may do no more than `proveSecondFactor` until then; `viewer` is null.
    second_factor_required: bool,
    user_errors: Vec<UserError>,
}

impl Payload for SignInPayload {
    /// Viewer, where no second factor has to be proven; session token, return address.
    type Done = (Option<Viewer>, String, Option<String>);
    fn done((viewer, session_token, redirect_to): Self::Done) -> Self {
        let second_factor_required = viewer.is_none();
        Self { viewer, session_token: Some(session_token), redirect_to, second_factor_required, user_errors: Vec::new() }
    }
    fn refused(user_errors: Vec<UserError>) -> Self {
        Self { viewer: None, session_token: None, redirect_to: None, second_factor_required: false, user_errors }
    }
}

#[derive(SimpleObject)]
pub struct SignOutPayload {
    /// False where no session was there to end.
    signed_out: bool,
}

#[derive(InputObject)]
pub struct RevokeSessionInput {
    session_id: ID,
}

#[derive(InputObject)]
pub struct CreateAccessTokenInput {
    /// What it is for, to tell one from another; 1 to 80 characters.
    name: String,
    /// Omitted: it works until it is revoked.
    expires_in_days: Option<i32>,
}

#[derive(InputObject)]
pub struct RevokeAccessTokenInput {
    id: ID,
}

payload_type! {
    RevokeSessionPayload { viewer: Viewer }
    /// `revoked`: how many sessions those were.
    RevokeOtherSessionsPayload { viewer: Viewer, revoked: i32 }
    /// The secret is shown this once.
    CreateAccessTokenPayload { access_token: AccessToken, secret: String }
    RevokeAccessTokenPayload { viewer: Viewer }
}

#[derive(Default)]
pub struct SessionMutation;

#[Object]
impl SessionMutation {
    /// Mails a sign-in link to an address that may sign in. The answer is always the same.
    async fn request_magic_link(
        &self,
        ctx: &Context<'_>,
        input: RequestMagicLinkInput,
    ) -> async_graphql::Result<Option<RequestMagicLinkPayload>> {
        let cmd = sign_in::RequestMagicLink {
            email: input.email.0,
            redirect_to: input.redirect_to,
            return_origins: ctx.site().origins.clone(),
        };
        payload(sign_in::request_magic_link(ctx.op(), ctx.actor(), cmd).await)
    }

    /// Uses a mailed link, once.
    async fn sign_in_with_magic_link(
        &self,
        ctx: &Context<'_>,
        input: SignInWithMagicLinkInput,
    ) -> async_graphql::Result<Option<SignInPayload>> {
        let done = sign_in::redeem_magic_link(ctx.op(), ctx.actor(), &input.token).await;
        payload(done.map(|done| {
            let token = ctx.sign_in(done.session).expose_secret().to_owned();
            (Viewer::of(ctx.caller()), token, done.redirect_to)
        }))
    }

    /// Ends the session of this request and takes its cookie away.
    async fn sign_out(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<SignOutPayload>> {
        ctx.drop_cookie();
        let Some(session) = ctx.caller().session() else {
            return Ok(Some(SignOutPayload { signed_out: false }));
        };
        sessions::sign_out(ctx.op(), ctx.actor(), session.id).await.or_graphql()?;
        Ok(Some(SignOutPayload { signed_out: true }))
    }

    /// Ends one of your sessions, at once.
    async fn revoke_session(
        &self,
        ctx: &Context<'_>,
        input: RevokeSessionInput,
    ) -> async_graphql::Result<Option<RevokeSessionPayload>> {
        let revoked = async {
            sessions::revoke(ctx.op(), ctx.actor(), id_of(&input.session_id, "session")?).await?;
            Viewer::of(ctx.caller()).ok_or(DomainError::Unauthenticated)
        };
        payload(revoked.await)
    }

    /// Ends all of your sessions but the one that asks, at once.
    async fn revoke_other_sessions(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<RevokeOtherSessionsPayload>> {
        let revoked = async {
            let revoked = sessions::revoke_others(ctx.op(), ctx.actor()).await?;
            let viewer = Viewer::of(ctx.caller()).ok_or(DomainError::Unauthenticated)?;
            Ok((viewer, i32::try_from(revoked).unwrap_or(i32::MAX)))
        };
        payload(revoked.await)
    }

    /// Needs a session: an access token makes no other tokens.
    async fn create_access_token(
        &self,
        ctx: &Context<'_>,
        input: CreateAccessTokenInput,
    ) -> async_graphql::Result<Option<CreateAccessTokenPayload>> {
        let cmd = access_tokens::CreateAccessToken { name: input.name, expires_in_days: input.expires_in_days };
        let made = access_tokens::create(ctx.op(), ctx.actor(), cmd).await;
        payload(made.map(|made| (AccessToken(made.row), made.secret.expose_secret().to_owned())))
    }

    /// Ends one of your access tokens, at once. An access token may end itself alone.
    async fn revoke_access_token(
        &self,
        ctx: &Context<'_>,
        input: RevokeAccessTokenInput,
    ) -> async_graphql::Result<Option<RevokeAccessTokenPayload>> {
        let revoked = async {
            access_tokens::revoke(ctx.op(), ctx.actor(), id_of(&input.id, "access token")?).await?;
            Viewer::of(ctx.caller()).ok_or(DomainError::Unauthenticated)
        };
        payload(revoked.await)
    }
}
