//! Rotations that a reviewer decides on.

use async_graphql::{Context, ID, InputObject, Object};
use chrono::{DateTime, Utc};
use domain::ops::rotation_requests;
use entities::rotation_request;

use crate::graphql::{
    credential::Credential,
    enums::RequestStatus,
    loaders::found,
    request::{RequestContext, id_of},
    user::User,
};

/// A team's request for a new secret, where the plan has it decided on.
pub struct RotationRequest(pub rotation_request::Model);

#[Object]
impl RotationRequest {
    async fn status(&self) -> RequestStatus {
        self.0.status.into()
    }
    async fn requested_by(&self, ctx: &Context<'_>) -> async_graphql::Result<User> {
        found(ctx.loaders().users.load_one(self.0.requested_by).await).map(User)
    }
    async fn requested_at(&self) -> DateTime<Utc> {
        self.0.requested_at
    }
    async fn decided_by(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<User>> {
        let Some(id) = self.0.decided_by else { return Ok(None) };
        found(ctx.loaders().users.load_one(id).await).map(|row| Some(User(row)))
    }
    /// What the reviewer said.
    async fn notes(&self) -> Option<&str> {
        self.0.notes.as_deref()
    }
}

#[derive(InputObject)]
pub struct DecideRotationInput {
    credential_id: ID,
    /// Shown to the team.
    notes: Option<String>,
}

pub async fn approve(ctx: &Context<'_>, input: &DecideRotationInput) -> domain::Result<Credential> {
    let id = id_of(&input.credential_id, "credential")?;
    rotation_requests::approve(ctx.op(), ctx.actor(), id, input.notes.as_deref()).await.map(Credential)
}

pub async fn decline(ctx: &Context<'_>, input: &DecideRotationInput) -> domain::Result<Credential> {
    let id = id_of(&input.credential_id, "credential")?;
    rotation_requests::decline(ctx.op(), ctx.actor(), id, input.notes.as_deref()).await.map(Credential)
}
