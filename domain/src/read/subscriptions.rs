//! Subscriptions as their viewers see them.

use std::collections::HashMap;

use entities::{
    client,
    enums::{PipelinePhase, SubscriptionStatus},
    id::{PlanId, ProductId, SubscriptionId, TeamId},
    scope_grant, subscription,
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::{
    catalog::Teams,
    page::{Page, PageRequest, newest_first},
    search,
};
use crate::{
    Actor, Domain, Result,
    access::{may, membership as membership_in, require_staff},
    rules::policy::{MemberRight, StaffRight},
};

/// A subscription by its id, for the team's members and staff.
pub async fn by_id(ctx: &Domain, actor: &Actor, id: SubscriptionId) -> Result<Option<subscription::Model>> {
    let Some(row) = subscription::Entity::find_by_id(id).one(&ctx.db).await? else { return Ok(None) };
    let membership = membership_in(&ctx.db, actor, row.team_id).await?;
    Ok(may(actor, membership.as_ref(), MemberRight::SeeTeam).then_some(row))
}

/// A team's subscriptions; the caller has checked that the viewer sees the team.
pub async fn of_team(
    ctx: &Domain,
    team: TeamId,
    status: Option<SubscriptionStatus>,
    page: &PageRequest,
) -> Result<Page<subscription::Model>> {
    let mut list = subscription::Entity::for_team(team);
    if let Some(status) = status {
        list = list.filter(subscription::Column::Status.eq(status));
    }
    newest_first::<_, SubscriptionId>(ctx, list, subscription::Column::Id, page).await
}

#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub status: Option<SubscriptionStatus>,
    pub phase: Option<PipelinePhase>,
    pub plan: Option<PlanId>,
    /// Part of the name.
    pub search: Option<String>,
}

/// All subscriptions, for staff.
pub async fn all(ctx: &Domain, actor: &Actor, filter: &Filter, page: &PageRequest) -> Result<Page<subscription::Model>> {
    require_staff(actor, StaffRight::Read)?;
    let mut list = subscription::Entity::find();
    if let Some(status) = filter.status {
        list = list.filter(subscription::Column::Status.eq(status));
    }
    if let Some(phase) = filter.phase {
        list = list.filter(subscription::Column::Phase.eq(phase));
    }
    if let Some(plan) = filter.plan {
        list = list.filter(subscription::Column::PlanId.eq(plan));
    }
    list = list.filter(search::named(subscription::Column::Name, filter.search.as_deref()));
    newest_first::<_, SubscriptionId>(ctx, list, subscription::Column::Id, page).await
}

/// What these teams hold of these products, newest first.
pub async fn of_products(
    ctx: &Domain,
    teams: Teams,
    products: &[ProductId],
) -> Result<HashMap<ProductId, Vec<subscription::Model>>> {
    let rows = subscription::Entity::find()
        .filter(teams.rows(subscription::Column::TeamId))
        .filter(subscription::Column::ProductId.is_in(products.iter().map(|id| id.0)))
        .order_by_desc(subscription::Column::Id)
        .all(&ctx.db)
        .await?;
    let mut by_product: HashMap<_, Vec<_>> = HashMap::new();
    for row in rows {
        by_product.entry(row.product_id).or_default().push(row);
    }
    Ok(by_product)
}

/// The client of each.
pub async fn clients_of(ctx: &Domain, held: &[SubscriptionId]) -> Result<HashMap<SubscriptionId, client::Model>> {
    let rows =
        client::Entity::find().filter(client::Column::SubscriptionId.is_in(held.iter().map(|id| id.0))).all(&ctx.db).await?;
    Ok(rows.into_iter().filter_map(|row| Some((row.subscription_id?, row))).collect())
}

/// The scopes that each holds, oldest grant first.
pub async fn grants_of(ctx: &Domain, held: &[SubscriptionId]) -> Result<HashMap<SubscriptionId, Vec<scope_grant::Model>>> {
    let rows = scope_grant::Entity::find()
        .filter(scope_grant::Column::SubscriptionId.is_in(held.iter().map(|id| id.0)))
        .order_by_asc(scope_grant::Column::Id)
        .all(&ctx.db)
        .await?;
    let mut by_held: HashMap<_, Vec<_>> = HashMap::new();
    for row in rows {
        by_held.entry(row.subscription_id).or_default().push(row);
    }
    Ok(by_held)
}
