//! The second factor: set up, proven, removed, reset. And what else staff do to a way in.

use async_graphql::{Context, ID, InputObject, MergedObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use domain::{
    DomainError,
    actor::SignedBy,
    ops::{second_factor, sessions},
    read,
};
use secrecy::ExposeSecret;

use crate::{
    graphql::{
        payload::payload,
        request::{RequestContext, id_of},
        session::SessionMutation,
        user::User,
        viewer::Viewer,
    },
    payload_type,
};

/// An authenticator app (TOTP) beside the mailbox; never its secret.
#[derive(SimpleObject)]
pub struct SecondFactor {
    /// Whether each sign-in has to prove it.
    enabled: bool,
    since: Option<DateTime<Utc>>,
    recovery_codes_left: i32,
    /// Whether your staff role works with one only.
    required: bool,
}

impl From<read::second_factor::Status> for SecondFactor {
    fn from(status: read::second_factor::Status) -> Self {
        Self {
            enabled: status.since.is_some(),
            since: status.since,
            recovery_codes_left: i32::try_from(status.recovery_codes_left).unwrap_or(i32::MAX),
            required: status.required,
        }
    }
}

#[derive(InputObject)]
pub struct SecondFactorCodeInput {
    /// The six digits that the app shows, or a recovery code; each works once.
    code: String,
}

#[derive(InputObject)]
pub struct ResetSecondFactorInput {
    user_id: ID,
}

#[derive(InputObject)]
pub struct RevokeAllSessionsInput {
    /// Whose sessions end.
    user_id: ID,
    /// Whether the person's access tokens end too; left out: they work on.
    access_tokens: Option<bool>,
}

payload_type! {
    /// Shown this once. `uri` is what a QR code for the app has in it; `secret`, in base32, is for who types it.
    BeginSecondFactorPayload { uri: String, secret: String }
    /// The recovery codes are shown this once, and work once each.
    RecoveryCodesPayload { viewer: Viewer, recovery_codes: Vec<String> }
    /// The session goes on under a new token, which comes as a cookie too; the one before stops working.
    ProveSecondFactorPayload { viewer: Viewer, session_token: String }
    RemoveSecondFactorPayload { viewer: Viewer }
    ResetSecondFactorPayload { user: User }
    /// `revoked`: how many sessions those were; `accessTokensRevoked`: how many access tokens.
    RevokeAllSessionsPayload { user: User, revoked: i32, access_tokens_revoked: i32 }
}

/// What belongs to signing in.
#[derive(MergedObject, Default)]
pub struct SignInMutation(SessionMutation, SecondFactorMutation);

#[derive(Default)]
pub struct SecondFactorMutation;

#[Object]
impl SecondFactorMutation {
    /// Makes the secret of a second factor, which is on once `confirmSecondFactor` has a code of it.
    async fn begin_second_factor(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<BeginSecondFactorPayload>> {
        let begun = second_factor::begin(ctx.op(), ctx.actor()).await;
        payload(begun.map(|begun| (begun.uri.expose_secret().to_owned(), begun.secret.expose_secret().to_owned())))
    }

    /// Turns the second factor on. This session has proven it; your others have to before they go on.
    async fn confirm_second_factor(
        &self,
        ctx: &Context<'_>,
        input: SecondFactorCodeInput,
    ) -> async_graphql::Result<Option<RecoveryCodesPayload>> {
        let confirmed = async {
            let codes = second_factor::confirm(ctx.op(), ctx.actor(), &input.code).await?;
            Ok((viewer_anew(ctx).await?, shown(&codes)))
        };
        payload(confirmed.await)
    }

    /// Proves the second factor in this session: until then all else answers SECOND_FACTOR_REQUIRED.
    async fn prove_second_factor(
        &self,
        ctx: &Context<'_>,
        input: SecondFactorCodeInput,
    ) -> async_graphql::Result<Option<ProveSecondFactorPayload>> {
        let proven = async {
            let session = second_factor::prove(ctx.op(), ctx.actor(), &input.code).await?;
            let token = ctx.sign_in(session).expose_secret().to_owned();
            Ok((viewer_anew(ctx).await?, token))
        };
        payload(proven.await)
    }

    /// Turns the second factor off. Sessions that have not proven it end.
    async fn remove_second_factor(
        &self,
        ctx: &Context<'_>,
        input: SecondFactorCodeInput,
    ) -> async_graphql::Result<Option<RemoveSecondFactorPayload>> {
        let removed = async {
            second_factor::remove(ctx.op(), ctx.actor(), &input.code).await?;
            viewer_anew(ctx).await
        };
        payload(removed.await)
    }

    /// New recovery codes; those before stop working.
    async fn regenerate_recovery_codes(
        &self,
        ctx: &Context<'_>,
        input: SecondFactorCodeInput,
    ) -> async_graphql::Result<Option<RecoveryCodesPayload>> {
        let made = async {
            let codes = second_factor::regenerate_codes(ctx.op(), ctx.actor(), &input.code).await?;
            Ok((viewer_anew(ctx).await?, shown(&codes)))
        };
        payload(made.await)
    }

    /// Staff: takes away the second factor of somebody who has lost it, and ends all their sessions. Only an owner resets an owner.
    async fn reset_second_factor(
        &self,
        ctx: &Context<'_>,
        input: ResetSecondFactorInput,
    ) -> async_graphql::Result<Option<ResetSecondFactorPayload>> {
        let reset = async { second_factor::reset(ctx.op(), ctx.actor(), id_of(&input.user_id, "person")?).await };
        payload(reset.await.map(User))
    }

    /// Staff: ends all sessions of a person, at once, with the WebSockets that they opened; by choice their access tokens too. Only an
    /// owner does so to an owner.
    async fn revoke_all_sessions(
        &self,
        ctx: &Context<'_>,
        input: RevokeAllSessionsInput,
    ) -> async_graphql::Result<Option<RevokeAllSessionsPayload>> {
        let revoked = async {
            let user = id_of(&input.user_id, "person")?;
            sessions::revoke_all(ctx.op(), ctx.actor(), user, input.access_tokens.unwrap_or_default()).await
        };
        let count = |n: u64| i32::try_from(n).unwrap_or(i32::MAX);
        payload(revoked.await.map(|ended| (User(ended.person), count(ended.sessions), count(ended.access_tokens))))
    }
}

fn shown(codes: &second_factor::RecoveryCodes) -> Vec<String> {
    codes.iter().map(|code| code.expose_secret().to_owned()).collect()
}

/// With what the session may do from now on.
async fn viewer_anew(ctx: &Context<'_>) -> Result<Viewer, DomainError> {
    if let Some(SignedBy::Session(session)) = ctx.actor().origin.signed_by
        && let Some(now) = read::sign_in::by_session_id(ctx.op(), session).await?
    {
        ctx.renew(now);
    }
    Viewer::of(ctx.caller()).ok_or(DomainError::Unauthenticated)
}
