//! Requests for scopes, for the team that made them and for staff.

use entities::{
    columns::PlanScope,
    enums::{Environment, RequestStatus, ScopeGrantKind},
    id::{ScopeRequestId, SubscriptionId},
    plan, scope_grant, scope_request,
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::page::{Page, PageRequest, newest_first};
use crate::{
    Actor, Domain, Result,
    access::{may, membership as membership_in},
    rules::policy::MemberRight,
};

pub async fn by_id(ctx: &Domain, actor: &Actor, id: ScopeRequestId) -> Result<Option<scope_request::Model>> {
    let Some(row) = scope_request::Entity::find_by_id(id).one(&ctx.db).await? else { return Ok(None) };
    let membership = membership_in(&ctx.db, actor, row.team_id).await?;
    Ok(may(actor, membership.as_ref(), MemberRight::SeeTeam).then_some(row))
}

/// A subscription's requests, newest first; the caller has checked that the viewer sees the subscription.
pub async fn of_subscription(
    ctx: &Domain,
    held: SubscriptionId,
    status: Option<RequestStatus>,
    page: &PageRequest,
) -> Result<Page<scope_request::Model>> {
    let mut list = scope_request::Entity::find().filter(scope_request::Column::SubscriptionId.eq(held));
    if let Some(status) = status {
        list = list.filter(scope_request::Column::Status.eq(status));
    }
    newest_first::<_, ScopeRequestId>(ctx, list, scope_request::Column::Id, page).await
}

/// Whether a scope that was granted counts in an environment: the plan names those that it is for.
pub(crate) fn counts_in(plan: &plan::Model, scope: &str, environment: Environment) -> bool {
    let defined = plan.scopes.iter().find(|defined| defined.name == scope);
    defined.is_none_or(|scope| scope.environments.contains(&environment))
}

/// What the plan offers and the subscription does not hold: what can be had for the asking, and what needs a reason.
pub fn to_ask_for(plan: &plan::Model, grants: &[scope_grant::Model]) -> (Vec<PlanScope>, Vec<PlanScope>) {
    let open = plan.scopes.iter().filter(|scope| !grants.iter().any(|grant| grant.scope == scope.name));
    open.cloned().partition(|scope| scope.grant != ScopeGrantKind::Restricted)
}
