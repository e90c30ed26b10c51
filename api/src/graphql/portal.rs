//! The portal's name, look and settings.

use async_graphql::{Context, InputObject, Object};
use domain::{ops::portal, read};
use entities::portal::Model;

use crate::{
    graphql::{
        enums::SignInMethod,
        payload::payload,
        request::{OrGraphql, RequestContext},
        scalars::{EmailAddress, Url},
    },
    payload_type,
};

/// The portal as its visitors see it.
pub struct Portal(pub Model);

#[Object]
impl Portal {
    async fn name(&self) -> &str {
        &self.0.name
    }
    async fn tagline(&self) -> Option<&str> {
        self.0.tagline.as_deref()
    }
    async fn logo_url(&self) -> Option<Url> {
        self.0.logo_url.clone().map(Url)
    }
    async fn primary_color(&self) -> Option<&str> {
        self.0.primary_color.as_deref()
    }
    async fn support_email(&self) -> Option<EmailAddress> {
        self.0.support_email.clone().map(EmailAddress)
    }
    async fn terms_url(&self) -> Option<Url> {
        self.0.terms_url.clone().map(Url)
    }
    async fn base_url(&self, ctx: &Context<'_>) -> Url {
        Url(ctx.site().base_url.clone())
    }
    async fn gateway_url(&self, ctx: &Context<'_>) -> Url {
        Url(ctx.site().gateway_url.clone())
    }
    /// SSO where some organisation's people sign in by its identity provider.
    async fn sign_in_methods(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<SignInMethod>> {
        let with_sso = read::sso::is_anywhere(ctx.op()).await.or_graphql()?;
        Ok(std::iter::once(SignInMethod::MagicLink).chain(with_sso.then_some(SignInMethod::Sso)).collect())
    }
    async fn self_registration(&self) -> bool {
        self.0.self_registration
    }
    /// A team that somebody founds waits until a reviewer lets it in.
    async fn registration_needs_approval(&self) -> bool {
        self.0.registration_needs_approval
    }
}

#[derive(Default)]
pub struct PortalQuery;

#[Object]
impl PortalQuery {
    async fn portal(&self, ctx: &Context<'_>) -> async_graphql::Result<Portal> {
        read::portal::load(ctx.op()).await.map(Portal).or_graphql()
    }
}

/// An omitted field stays; null clears it.
#[derive(InputObject)]
pub struct UpdatePortalInput {
    name: Option<String>,
    #[graphql(default)]
    tagline: async_graphql::MaybeUndefined<String>,
    #[graphql(default)]
    support_email: async_graphql::MaybeUndefined<EmailAddress>,
    /// `#rrggbb`.
    #[graphql(default)]
    primary_color: async_graphql::MaybeUndefined<String>,
    #[graphql(default)]
    logo_url: async_graphql::MaybeUndefined<Url>,
    #[graphql(default)]
    terms_url: async_graphql::MaybeUndefined<Url>,
    self_registration: Option<bool>,
    registration_needs_approval: Option<bool>,
    settings: Option<SettingsInput>,
}

/// How long things live; what is omitted stays.
#[derive(InputObject)]
pub struct SettingsInput {
    /// From 1 to 30.
    magic_link_minutes: Option<i32>,
    session_hours: Option<i32>,
    /// From 1 to 8784; null: a session may lie unused for as long as it lasts.
    #[graphql(default)]
    session_idle_hours: async_graphql::MaybeUndefined<i32>,
    /// True: staff roles work in sessions alone that have proven a second factor, at once.
    staff_second_factor: Option<bool>,
    invitation_days: Option<i32>,
    request_log_days: Option<i32>,
    /// From 1 to 36600; null: for ever.
    #[graphql(default)]
    audit_days: async_graphql::MaybeUndefined<i32>,
    /// Of the IANA database, such as Europe/Berlin.
    time_zone: Option<String>,
    /// Monday to Friday, such as 09:00-17:00.
    business_hours: Option<String>,
    /// Business hours within which STANDARD requests are decided.
    standard_review_hours: Option<i32>,
    /// Business days within which FORMAL requests are decided.
    formal_review_days: Option<i32>,
    /// For how long a gateway may go without confirming that what it knows is current; from 10 to 86400.
    gateway_stale_seconds: Option<i32>,
    /// True: it refuses calls from then on, with 503. False: it serves on, by what it knows.
    gateway_fail_closed: Option<bool>,
}

impl From<SettingsInput> for portal::Settings {
    fn from(input: SettingsInput) -> Self {
        Self {
            magic_link_minutes: input.magic_link_minutes,
            session_hours: input.session_hours,
            session_idle_hours: change(input.session_idle_hours, |hours| hours),
            staff_second_factor: input.staff_second_factor,
            invitation_days: input.invitation_days,
            request_log_days: input.request_log_days,
            audit_days: change(input.audit_days, |days| days),
            time_zone: input.time_zone,
            business_hours: input.business_hours,
            standard_review_hours: input.standard_review_hours,
            formal_review_days: input.formal_review_days,
            gateway_stale_seconds: input.gateway_stale_seconds,
            gateway_fail_closed: input.gateway_fail_closed,
        }
    }
}

payload_type! { PortalPayload { portal: Portal } }

#[derive(Default)]
pub struct PortalMutation;

#[Object]
impl PortalMutation {
    async fn update_portal(&self, ctx: &Context<'_>, input: UpdatePortalInput) -> async_graphql::Result<Option<PortalPayload>> {
        let cmd = portal::UpdatePortal {
            name: input.name,
            tagline: change(input.tagline, |text| text),
            support_email: change(input.support_email, |email| email.0),
            primary_color: change(input.primary_color, |text| text),
            logo_url: change(input.logo_url, |url| url.0),
            terms_url: change(input.terms_url, |url| url.0),
            self_registration: input.self_registration,
            registration_needs_approval: input.registration_needs_approval,
            settings: input.settings.map(portal::Settings::from).unwrap_or_default(),
        };
        payload(portal::update(ctx.op(), ctx.actor(), cmd).await.map(Portal))
    }
}

/// Omitted: `None`; null: `Some(None)`.
pub fn change<T, U>(value: async_graphql::MaybeUndefined<T>, into: impl FnOnce(T) -> U) -> Option<Option<U>> {
    match value {
        async_graphql::MaybeUndefined::Undefined => None,
        async_graphql::MaybeUndefined::Null => Some(None),
        async_graphql::MaybeUndefined::Value(value) => Some(Some(into(value))),
    }
}
