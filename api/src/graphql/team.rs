//! Teams.

use async_graphql::{ID, Object};
use chrono::{DateTime, Utc};
use entities::team;

use crate::graphql::{connection::HasCursor, enums::TeamStatus};

/// A partner organisation.
#[derive(Debug, Clone)]
pub struct Team(pub team::Model);

impl HasCursor for Team {
    fn cursor(&self) -> String {
        self.0.id.to_string()
    }
}

#[Object]
impl Team {
    pub async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }
    async fn name(&self) -> &str {
        &self.0.name
    }
    async fn slug(&self) -> &str {
        &self.0.slug
    }
    async fn internal(&self) -> bool {
        self.0.internal
    }
    async fn status(&self) -> TeamStatus {
        self.0.status.into()
    }
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }
}
