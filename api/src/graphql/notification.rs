//! What a person was told.

use async_graphql::{ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entities::notification;

use crate::{
    connection,
    graphql::{connection::HasCursor, enums::NotificationKind, payload::UserError},
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
