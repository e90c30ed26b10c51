//! Clients: the gateway's identities for callers.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object};
use chrono::{DateTime, Utc};
use domain::{
    ops::{clients, portal_access},
    read::request_log::Calls,
    rules::policy::{Access, MemberRight},
};
use entities::{authorized_email, client};

use crate::{
    connection,
    graphql::{
        connection::HasCursor,
        loaders::found,
        loaders::lists::{AuthorizedOf, ProductsOf, ProfilesOf, may, one},
        payload::payload,
        policy::Policy,
        portal::change,
        product::Product,
        profile::Profile,
        request::{RequestContext, id_of, id_referred_to, page},
        request_log::{RequestLogConnection, RequestLogFilter, log},
        scalars::EmailAddress,
        subscription::Subscription,
        team::{MemberAccess, MemberAccessInput, Team},
    },
    payload_type,
};

/// A caller's identity at the gateway. Its id is what the header `X-Client-ID` takes.
#[derive(Debug, Clone)]
pub struct Client(pub client::Model);

connection! { ClientConnection ClientEdge Client }

impl HasCursor for Client {
    fn cursor(&self) -> String {
        self.0.id.to_string()
    }
}

#[Object]
impl Client {
    pub async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }
    async fn name(&self) -> &str {
        &self.0.name
    }
    async fn description(&self) -> Option<&str> {
        self.0.description.as_deref()
    }
    async fn team(&self, ctx: &Context<'_>) -> async_graphql::Result<Team> {
        found(ctx.loaders().teams.load_one(self.0.team_id).await).map(Team)
    }
    /// Null for one that the provider made by hand.
    async fn subscription(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Subscription>> {
        let Some(id) = self.0.subscription_id else { return Ok(None) };
        found(ctx.loaders().subscriptions.load_one(id).await).map(|row| Some(Subscription(row)))
    }
    /// A disabled client's calls are refused.
    async fn enabled(&self) -> bool {
        self.0.enabled
    }
    /// Whether its authorised addresses may ask for a sign-in link; independent of `enabled`.
    async fn portal_access(&self) -> bool {
        self.0.portal_access
    }
    /// Needs READ access to the team area.
    async fn authorized_emails(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Vec<AuthorizedEmail>>> {
        if !may(ctx, self.0.team_id, MemberRight::ReadTeam).await? {
            return Ok(None);
        }
        let rows = one(ctx, AuthorizedOf(self.0.id)).await?.unwrap_or_default();
        Ok(Some(rows.into_iter().map(AuthorizedEmail).collect()))
    }
    /// What it can call: assigned to it, to its team or to its team's tier.
    async fn products(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<Product>> {
        Ok(one(ctx, ProductsOf(self.0.id)).await?.unwrap_or_default().into_iter().map(Product::from).collect())
    }
    async fn policy(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Policy>> {
        let Some(id) = self.0.policy_id else { return Ok(None) };
        found(ctx.loaders().policies.load_one(id).await).map(|row| Some(Policy(row)))
    }
    async fn profiles(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<Profile>> {
        Ok(one(ctx, ProfilesOf(self.0.id)).await?.unwrap_or_default().into_iter().map(Profile).collect())
    }
    /// Its calls, newest first. Needs READ access to the credentials area.
    async fn request_log(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        filter: Option<RequestLogFilter>,
    ) -> async_graphql::Result<Option<RequestLogConnection>> {
        log(ctx, Calls::OfClient(self.0.id), filter, page(ctx, first, after, last, before)).await
    }
}

/// An address that may sign in for a client.
pub struct AuthorizedEmail(authorized_email::Model);

#[Object]
impl AuthorizedEmail {
    async fn email(&self) -> EmailAddress {
        EmailAddress(self.0.email.clone())
    }
    /// What its owner joins the client's team with.
    async fn access(&self) -> MemberAccess {
        Access::of(&self.0).into()
    }
    async fn invited_at(&self) -> DateTime<Utc> {
        self.0.invited_at
    }
    async fn last_sign_in_at(&self) -> Option<DateTime<Utc>> {
        self.0.last_sign_in_at
    }
}

#[derive(InputObject)]
pub struct CreateClientInput {
    team_id: ID,
    name: String,
    description: Option<String>,
    /// True unless given.
    enabled: Option<bool>,
}

/// An omitted field stays; null clears it.
#[derive(InputObject)]
pub struct UpdateClientInput {
    client_id: ID,
    name: Option<String>,
    #[graphql(default)]
    description: MaybeUndefined<String>,
    enabled: Option<bool>,
}

#[derive(InputObject)]
pub struct SetPortalAccessInput {
    client_id: ID,
    enabled: bool,
    /// All of them: who is not listed is no longer authorised.
    authorized_emails: Vec<AuthorizedEmailInput>,
}

#[derive(InputObject)]
pub struct AuthorizedEmailInput {
    email: EmailAddress,
    /// A developer's unless given: READ for the team, FULL for credentials, NONE for billing.
    access: Option<MemberAccessInput>,
}

payload_type! { #[graphql(complex)] ClientPayload { client: Client } }
crate::enforced! { ClientPayload }

#[derive(Default)]
pub struct ClientMutation;

#[Object]
impl ClientMutation {
    async fn create_client(&self, ctx: &Context<'_>, input: CreateClientInput) -> async_graphql::Result<Option<ClientPayload>> {
        payload(create(ctx, input).await)
    }
    async fn update_client(&self, ctx: &Context<'_>, input: UpdateClientInput) -> async_graphql::Result<Option<ClientPayload>> {
        payload(update(ctx, input).await)
    }
    /// A client's portal switch and the addresses that may sign in for it.
    async fn set_portal_access(
        &self,
        ctx: &Context<'_>,
        input: SetPortalAccessInput,
    ) -> async_graphql::Result<Option<ClientPayload>> {
        payload(set_access(ctx, input).await)
    }
}

async fn create(ctx: &Context<'_>, input: CreateClientInput) -> domain::Result<Client> {
    let cmd = clients::CreateClient {
        team: id_referred_to(&input.team_id),
        name: input.name,
        description: input.description,
        enabled: input.enabled.unwrap_or(true),
    };
    clients::create(ctx.op(), ctx.actor(), cmd).await.map(Client)
}

async fn update(ctx: &Context<'_>, input: UpdateClientInput) -> domain::Result<Client> {
    let description = change(input.description, |text| text);
    let cmd = clients::UpdateClient { name: input.name, description, enabled: input.enabled };
    clients::update(ctx.op(), ctx.actor(), id_of(&input.client_id, "client")?, cmd).await.map(Client)
}

async fn set_access(ctx: &Context<'_>, input: SetPortalAccessInput) -> domain::Result<Client> {
    let cmd = portal_access::SetPortalAccess {
        client: id_of(&input.client_id, "client")?,
        enabled: input.enabled,
        emails: input.authorized_emails.into_iter().map(|e| (e.email.0, e.access.map(Into::into))).collect(),
    };
    portal_access::set(ctx.op(), ctx.actor(), cmd).await.map(Client)
}
