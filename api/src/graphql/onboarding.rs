//! A partner brought in at once.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use domain::ops::{onboarding, profiles::ProfileDraft};

use crate::graphql::{
    client::Client,
    credential::IssuedSecret,
    enums::{AuthMethod, Environment},
    invitation::Invitation,
    payload::{Payload, UserError, payload},
    request::{RequestContext, id_referred_to},
    scalars::{EmailAddress, Url},
    subscription::Subscription,
    team::Team,
};

/// The whole recipe: team, client, profile, products, policy, portal access, invitations.
#[derive(InputObject)]
pub struct OnboardPartnerInput {
    /// A new team's name; or `teamId`.
    team_name: Option<String>,
    team_id: Option<ID>,
    tier_id: Option<ID>,
    /// The team's name unless given.
    client_name: Option<String>,
    description: Option<String>,
    /// Invited to the team, and authorised to sign in for the client.
    emails: Vec<EmailAddress>,
    /// Subscribes the team. Its developers make the credentials.
    plan_id: Option<ID>,
    /// Assigned to the client.
    product_ids: Option<Vec<ID>>,
    /// A part of the scopes that the operations of these products ask for; left out: all of them. On the product of the plan, its
    /// grants count alone.
    scopes: Option<Vec<String>>,
    policy_id: Option<ID>,
    profile: Option<PartnerProfileInput>,
    /// To those invited, in their mail.
    message: Option<String>,
}

#[derive(InputObject)]
pub struct PartnerProfileInput {
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
    /// One of the provider's own, 32 characters at least. Left out: one is made, and shown in `issued`.
    token: Option<String>,
}

crate::enforced! { OnboardPartnerPayload }

#[derive(SimpleObject)]
#[graphql(complex)]
pub struct OnboardPartnerPayload {
    team: Option<Team>,
    client: Option<Client>,
    subscription: Option<Subscription>,
    invitations: Vec<Invitation>,
    /// The profile's secret, shown this once; null where none was made.
    issued: Option<IssuedSecret>,
    user_errors: Vec<UserError>,
}

impl Payload for OnboardPartnerPayload {
    type Done = onboarding::Onboarded;
    fn done(made: onboarding::Onboarded) -> Self {
        Self {
            team: Some(Team(made.team)),
            client: Some(Client(made.client)),
            subscription: made.subscription.map(Subscription),
            invitations: made.invitations.into_iter().map(Invitation).collect(),
            issued: made.secret.and_then(IssuedSecret::of),
            user_errors: Vec::new(),
        }
    }
    fn refused(user_errors: Vec<UserError>) -> Self {
        Self { team: None, client: None, subscription: None, invitations: Vec::new(), issued: None, user_errors }
    }
}

#[derive(Default)]
pub struct OnboardingMutation;

#[Object]
impl OnboardingMutation {
    /// Staff: all of it happens, or nothing.
    async fn onboard_partner(
        &self,
        ctx: &Context<'_>,
        input: OnboardPartnerInput,
    ) -> async_graphql::Result<Option<OnboardPartnerPayload>> {
        payload(onboard(ctx, input).await)
    }
}

async fn onboard(ctx: &Context<'_>, input: OnboardPartnerInput) -> domain::Result<onboarding::Onboarded> {
    let products = input.product_ids.unwrap_or_default();
    let cmd = onboarding::OnboardPartner {
        team_name: input.team_name,
        team: input.team_id.as_ref().map(id_referred_to),
        tier: input.tier_id.as_ref().map(id_referred_to),
        client_name: input.client_name,
        description: input.description,
        emails: input.emails.into_iter().map(|email| email.0).collect(),
        plan: input.plan_id.as_ref().map(id_referred_to),
        products: products.iter().map(id_referred_to).collect(),
        scopes: input.scopes,
        policy: input.policy_id.as_ref().map(id_referred_to),
        profile: input.profile.map(draft),
        message: input.message,
    };
    onboarding::onboard(ctx.op(), ctx.actor(), cmd).await
}

fn draft(input: PartnerProfileInput) -> ProfileDraft {
    ProfileDraft {
        name: input.name,
        environment: input.environment.into(),
        auth_method: input.auth_method.into(),
        issuer: input.issuer.map(|url| url.0),
        audience: input.audience,
        certificate_pem: input.certificate_pem,
        allowed_methods: input.allowed_methods.unwrap_or_default(),
        ip_allowlist: input.ip_allowlist.unwrap_or_default(),
        token: input.token.map(Into::into),
    }
}
