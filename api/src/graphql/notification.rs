//! What a person was told.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use domain::rules::{notice::Subject, policy::MemberRight};
use entities::notification;

use crate::{
    connection,
    graphql::{
        connection::HasCursor,
        credential::Credential,
        enums::NotificationKind,
        loaders::{
            lists::{SeenProduct, may, one},
            loaded,
        },
        node::Node,
        payload::UserError,
        product::Product,
        request::RequestContext,
        subscription::Subscription,
        team::Team,
    },
};

/// What the viewer was told. The texts are plain.
#[derive(Debug, Clone)]
pub struct Notification(pub notification::Model);

connection! { NotificationConnection NotificationEdge Notification }

impl HasCursor for Notification {
    fn cursor(&self) -> String {
        self.0.id.to_string()
    }
}

#[Object]
impl Notification {
    pub async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }
    async fn kind(&self) -> NotificationKind {
        self.0.kind.into()
    }
    async fn title(&self) -> &str {
        &self.0.title
    }
    /// Paragraphs, with an empty line between two.
    async fn body(&self) -> &str {
        &self.0.body
    }
    async fn at(&self) -> DateTime<Utc> {
        self.0.at
    }
    /// What it is about; null where the viewer may not see it any more.
    async fn subject(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Node>> {
        let Some(subject) = Subject::read(&self.0.subject_kind, self.0.subject_id) else { return Ok(None) };
        Ok(match subject {
            Subject::Subscription(id) => match loaded(ctx.loaders().subscriptions.load_one(id).await)? {
                Some(row) if may(ctx, row.team_id, MemberRight::SeeTeam).await? => Some(Node::Subscription(Subscription(row))),
                _ => None,
            },
            Subject::Team(id) if may(ctx, id, MemberRight::SeeTeam).await? => {
                loaded(ctx.loaders().teams.load_one(id).await)?.map(|row| Node::Team(Team(row)))
            }
            Subject::Team(_) | Subject::AccessToken(_) | Subject::Person(_) => None,
            Subject::Product(id) => {
                one(ctx, SeenProduct { by: ctx.actor().who, id }).await?.map(|row| Node::Product(Product::from(row)))
            }
            Subject::Credential(id) => match loaded(ctx.loaders().credentials.load_one(id).await)? {
                Some(row) if may(ctx, row.team_id, MemberRight::ReadCredentials).await? => {
                    Some(Node::Credential(Credential(row)))
                }
                _ => None,
            },
        })
    }
    /// Null while unread.
    async fn read_at(&self) -> Option<DateTime<Utc>> {
        self.0.read_at
    }
}

#[derive(InputObject)]
pub struct MarkNotificationsReadInput {
    /// All where left out; 500 at most.
    pub ids: Option<Vec<ID>>,
}

#[derive(SimpleObject)]
pub struct NotificationsPayload {
    /// How many are unread now, also where the input was refused.
    pub unread: i32,
    pub user_errors: Vec<UserError>,
}
