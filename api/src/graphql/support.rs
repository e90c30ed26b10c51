//! What partners ask support.

use async_graphql::{Context, ID, InputObject, Object};
use chrono::{DateTime, Utc};
use domain::{ops::support, read};
use entities::support_request;

use crate::{
    connection,
    graphql::{
        connection::HasCursor,
        enums::SupportTopic,
        loaders::found,
        payload::payload,
        request::{OrGraphql, RequestContext, id_of, id_referred_to, page},
        team::Team,
        user::User,
    },
    payload_type,
};

/// What a team's member asked the provider's support.
#[derive(Debug, Clone)]
pub struct SupportRequest(pub support_request::Model);

connection! { SupportRequestConnection SupportRequestEdge SupportRequest }

impl HasCursor for SupportRequest {
    fn cursor(&self) -> String {
        self.0.id.to_string()
    }
}

#[Object]
impl SupportRequest {
    pub async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }
    /// What the asker was told to call it by.
    async fn reference(&self) -> &str {
        &self.0.reference
    }
    async fn team(&self, ctx: &Context<'_>) -> async_graphql::Result<Team> {
        found(ctx.loaders().teams.load_one(self.0.team_id).await).map(Team)
    }
    async fn from(&self, ctx: &Context<'_>) -> async_graphql::Result<User> {
        found(ctx.loaders().users.load_one(self.0.user_id).await).map(User)
    }
    async fn topic(&self) -> SupportTopic {
        self.0.topic.into()
    }
    async fn subject(&self) -> &str {
        &self.0.subject
    }
    async fn body(&self) -> &str {
        &self.0.body
    }
    /// The call that it is about.
    async fn request_id(&self) -> Option<String> {
        self.0.request_id.map(|id| id.to_string())
    }
    async fn at(&self) -> DateTime<Utc> {
        self.0.created_at
    }
}

/// Part of `Provider`, which is there for staff only.
#[derive(Default)]
pub struct ProviderSupport;

#[Object]
impl ProviderSupport {
    /// What partners asked support, newest first; one team's where `teamId` is given.
    async fn support_requests(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        team_id: Option<ID>,
    ) -> async_graphql::Result<SupportRequestConnection> {
        let page = page(ctx, first, after, last, before);
        let team = team_id.as_ref().map(id_referred_to);
        let rows = read::support::all(ctx.op(), ctx.actor(), team, &page).await.or_graphql()?;
        Ok(SupportRequestConnection(rows.map(SupportRequest)))
    }
}

#[derive(InputObject)]
pub struct ContactSupportInput {
    team_id: ID,
    topic: SupportTopic,
    /// One line, 200 characters at most.
    subject: String,
    /// 10,000 characters at most. Leave secrets out.
    body: String,
    /// What the answer's `X-Request-ID` said, where it is about a call.
    request_id: Option<String>,
}

payload_type! {
    /// `reference`: what to call the request by.
    ContactSupportPayload { reference: String }
}

#[derive(Default)]
pub struct SupportMutation;

#[Object]
impl SupportMutation {
    /// Asks the provider's support, as a member of a team. The answer comes to your address. Ten an hour.
    async fn contact_support(
        &self,
        ctx: &Context<'_>,
        input: ContactSupportInput,
    ) -> async_graphql::Result<Option<ContactSupportPayload>> {
        let sent = async {
            let cmd = support::ContactSupport {
                team: id_of(&input.team_id, "team")?,
                topic: input.topic.into(),
                subject: input.subject,
                body: input.body,
                request_id: input.request_id,
            };
            support::contact(ctx.op(), ctx.actor(), cmd).await
        };
        payload(sent.await.map(|request| request.reference))
    }
}
