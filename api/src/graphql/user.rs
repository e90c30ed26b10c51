//! People.

use async_graphql::{ID, Object};
use chrono::{DateTime, Utc};
use entities::user;

/// A person who can sign in.
#[derive(Debug, Clone)]
pub struct User(pub user::Model);

#[Object]
impl User {
    pub async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }
    /// Whether this person has a role on the provider's side.
    async fn staff(&self) -> bool {
        self.0.staff_role.is_some()
    }
}
