//! People.

use async_graphql::{Context, ID, Object};
use chrono::{DateTime, Utc};
use domain::{read::people, rules::person::display_name};
use entities::user;

use crate::graphql::{
    loaders::{Mates, loaded},
    request::RequestContext,
    scalars::EmailAddress,
};

/// A person who can sign in.
#[derive(Debug, Clone)]
pub struct User(pub user::Model);

#[Object]
impl User {
    pub async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }
    /// For themselves, their team mates and staff; null for others.
    async fn email(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<EmailAddress>> {
        Ok(self.visible_email(ctx).await?.map(|email| EmailAddress(email.to_owned())))
    }
    /// The name they gave, else the address's local part where you may see it, else their role.
    async fn name(&self, ctx: &Context<'_>) -> async_graphql::Result<String> {
        let given = self.0.name.as_deref();
        let email = if given.is_some() { None } else { self.visible_email(ctx).await? };
        Ok(display_name(given, email, self.0.staff_role))
    }
    /// Whether this person has a role on the provider's side.
    async fn staff(&self) -> bool {
        self.0.staff_role.is_some()
    }
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }
}

impl User {
    async fn visible_email(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<&str>> {
        let Some(viewer) = ctx.actor().user_id() else { return Ok(None) };
        if viewer == self.0.id || people::sees_everyone(ctx.actor()) {
            return Ok(Some(&self.0.email));
        }
        let mates = loaded(ctx.loaders().users.load_one(Mates { viewer, person: self.0.id }).await)?;
        Ok(mates.map(|()| self.0.email.as_str()))
    }
}
