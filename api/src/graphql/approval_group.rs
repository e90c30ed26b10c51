//! Approval groups: the reviewers that decide on the plans bound to them.

use async_graphql::{Context, ID, InputObject, Object};
use domain::{ops::approval_groups, read};
use entities::approval_group;

use crate::{
    graphql::{
        loaders::lists::{ReviewersOf, one},
        payload::{DeletePayload, payload},
        request::{OrGraphql, RequestContext, id_of, id_referred_to},
        user::User,
    },
    payload_type,
};

/// Reviewers that decide on the plans bound to them.
pub struct ApprovalGroup(pub approval_group::Model);

#[Object]
impl ApprovalGroup {
    pub async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }
    async fn name(&self) -> &str {
        &self.0.name
    }
    async fn members(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<User>> {
        Ok(one(ctx, ReviewersOf(self.0.id)).await?.unwrap_or_default().into_iter().map(User).collect())
    }
}

#[derive(InputObject)]
pub struct CreateApprovalGroupInput {
    name: String,
    /// Members of the staff with the role REVIEWER, ADMIN or OWNER.
    member_ids: Vec<ID>,
}

/// An omitted field stays; a list that is given replaces the one there was.
#[derive(InputObject)]
pub struct UpdateApprovalGroupInput {
    group_id: ID,
    name: Option<String>,
    member_ids: Option<Vec<ID>>,
}

#[derive(InputObject)]
pub struct ApprovalGroupIdInput {
    group_id: ID,
}

payload_type! { ApprovalGroupPayload { group: ApprovalGroup } }

#[derive(Default)]
pub struct ProviderApprovalGroups;

#[Object]
impl ProviderApprovalGroups {
    /// All groups, by name.
    async fn approval_groups(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<ApprovalGroup>> {
        let groups = read::approval_groups::all(ctx.op(), ctx.actor()).await.or_graphql()?;
        Ok(groups.into_iter().map(ApprovalGroup).collect())
    }
}

#[derive(Default)]
pub struct ApprovalGroupMutation;

#[Object]
impl ApprovalGroupMutation {
    async fn create_approval_group(
        &self,
        ctx: &Context<'_>,
        input: CreateApprovalGroupInput,
    ) -> async_graphql::Result<Option<ApprovalGroupPayload>> {
        let members: Vec<_> = input.member_ids.iter().map(id_referred_to).collect();
        payload(approval_groups::create(ctx.op(), ctx.actor(), &input.name, &members).await.map(ApprovalGroup))
    }
    async fn update_approval_group(
        &self,
        ctx: &Context<'_>,
        input: UpdateApprovalGroupInput,
    ) -> async_graphql::Result<Option<ApprovalGroupPayload>> {
        payload(update(ctx, &input).await)
    }
    /// Refused while a plan is bound to it.
    async fn delete_approval_group(
        &self,
        ctx: &Context<'_>,
        input: ApprovalGroupIdInput,
    ) -> async_graphql::Result<Option<DeletePayload>> {
        payload(delete(ctx, &input).await)
    }
}

async fn update(ctx: &Context<'_>, input: &UpdateApprovalGroupInput) -> domain::Result<ApprovalGroup> {
    let id = id_of(&input.group_id, "approval group")?;
    let members: Option<Vec<_>> = input.member_ids.as_ref().map(|ids| ids.iter().map(id_referred_to).collect());
    let group = approval_groups::update(ctx.op(), ctx.actor(), id, input.name.as_deref(), members.as_deref());
    group.await.map(ApprovalGroup)
}

async fn delete(ctx: &Context<'_>, input: &ApprovalGroupIdInput) -> domain::Result<ID> {
    let id = id_of(&input.group_id, "approval group")?;
    Ok(approval_groups::delete(ctx.op(), ctx.actor(), id).await?.to_string().into())
}
