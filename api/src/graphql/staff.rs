//! The provider's staff.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use domain::ops::staff;
use entities::user;

use crate::graphql::{
    enums::StaffRole,
    payload::{Payload, UserError, payload},
    request::RequestContext,
    scalars::EmailAddress,
    user::User,
};

/// Somebody with a role on the provider's side.
pub struct StaffMember {
    user: user::Model,
    role: StaffRole,
}

impl StaffMember {
    /// `None` for who has no role.
    pub fn of(user: user::Model) -> Option<Self> {
        let role = user.staff_role?.into();
        Some(Self { user, role })
    }
}

#[Object]
impl StaffMember {
    /// The person's id.
    async fn id(&self) -> ID {
        self.user.id.to_string().into()
    }
    async fn user(&self) -> User {
        User(self.user.clone())
    }
    async fn role(&self) -> StaffRole {
        self.role
    }
}

#[derive(InputObject)]
pub struct SetStaffRoleInput {
    email: EmailAddress,
    /// Null takes the role away.
    role: Option<StaffRole>,
}

#[derive(SimpleObject)]
pub struct StaffMemberPayload {
    /// Null where the role was taken away.
    member: Option<StaffMember>,
    user_errors: Vec<UserError>,
}

impl Payload for StaffMemberPayload {
    type Done = Option<StaffMember>;
    fn done(member: Self::Done) -> Self {
        Self { member, user_errors: Vec::new() }
    }
    fn refused(user_errors: Vec<UserError>) -> Self {
        Self { member: None, user_errors }
    }
}

#[derive(Default)]
pub struct StaffMutation;

#[Object]
impl StaffMutation {
    /// Staff: gives somebody a role, or takes it. Only an owner makes or changes owners.
    async fn set_staff_role(
        &self,
        ctx: &Context<'_>,
        input: SetStaffRoleInput,
    ) -> async_graphql::Result<Option<StaffMemberPayload>> {
        let cmd = staff::SetStaffRole { email: input.email.0, role: input.role.map(Into::into) };
        payload(staff::set_role(ctx.op(), ctx.actor(), cmd).await.map(StaffMember::of))
    }
}
