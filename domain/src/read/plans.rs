//! Plans as their viewers see them.

use std::collections::HashMap;

use entities::{
    enums::PlanStatus,
    id::{PlanId, ProductId},
    plan, plan_environment, subscription,
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::catalog::{self, Teams};
use crate::{
    Actor, Domain, Result,
    access::require_staff,
    rules::{policy::StaffRight, subscription::FINAL},
};

/// A plan by its id. Staff see all; others those that are offered, of products that they see, and those that their teams hold.
pub async fn by_id(ctx: &Domain, actor: &Actor, id: PlanId) -> Result<Option<plan::Model>> {
    let Some(plan) = plan::Entity::find_by_id(id).one(&ctx.db).await? else { return Ok(None) };
    if sees_all(actor) || held_by_viewer(ctx, actor, plan.id).await? {
        return Ok(Some(plan));
    }
    if plan.superseded_by.is_some() || !matches!(plan.status, PlanStatus::Active | PlanStatus::Deprecated) {
        return Ok(None);
    }
    Ok(catalog::product(ctx, actor, plan.product_id).await?.map(|_| plan))
}

/// Whether the viewer sees plans that are not offered too.
pub fn sees_all(actor: &Actor) -> bool {
    require_staff(actor, StaffRight::Read).is_ok()
}

/// The plans of products that the viewer is known to see, by product, oldest first. `all`: also those that are not offered.
pub async fn of_products(ctx: &Domain, all: bool, products: &[ProductId]) -> Result<HashMap<ProductId, Vec<plan::Model>>> {
    let mut list = plan::Entity::find().filter(plan::Column::ProductId.is_in(products.iter().map(|id| id.0)));
    if !all {
        list = list.filter(plan::Column::Status.is_in([PlanStatus::Active, PlanStatus::Deprecated]));
        list = list.filter(plan::Column::SupersededBy.is_null());
    }
    let mut by_product: HashMap<_, Vec<_>> = HashMap::new();
    for plan in list.order_by_asc(plan::Column::Id).all(&ctx.db).await? {
        by_product.entry(plan.product_id).or_default().push(plan);
    }
    Ok(by_product)
}

/// What plans say of their environments, sandbox first.
pub async fn environments(ctx: &Domain, plans: &[PlanId]) -> Result<HashMap<PlanId, Vec<plan_environment::Model>>> {
    let rows = plan_environment::Entity::find()
        .filter(plan_environment::Column::PlanId.is_in(plans.iter().map(|id| id.0)))
        .all(&ctx.db)
        .await?;
    let mut by_plan: HashMap<_, Vec<_>> = HashMap::new();
    for row in rows {
        by_plan.entry(row.plan_id).or_default().push(row);
    }
    Ok(by_plan.into_iter().map(|(id, rows)| (id, in_order(rows))).collect())
}

async fn held_by_viewer(ctx: &Domain, actor: &Actor, plan: PlanId) -> Result<bool> {
    let Some(teams) = catalog::teams(actor) else { return Ok(false) };
    let held = subscription::Entity::find()
        .filter(subscription::Column::PlanId.eq(plan))
        .filter(teams.rows(subscription::Column::TeamId));
    Ok(held.one(&ctx.db).await?.is_some())
}

/// Which of these plans these teams hold, not counting what is over.
pub async fn held_of(ctx: &Domain, teams: Teams, plans: &[PlanId]) -> Result<Vec<PlanId>> {
    let held = subscription::Entity::find()
        .filter(subscription::Column::PlanId.is_in(plans.iter().map(|id| id.0)))
        .filter(teams.rows(subscription::Column::TeamId))
        .filter(subscription::Column::Status.is_not_in(FINAL));
    Ok(held.select_only().column(subscription::Column::PlanId).distinct().into_tuple().all(&ctx.db).await?)
}

/// Sandbox first.
pub(crate) fn in_order(mut rows: Vec<plan_environment::Model>) -> Vec<plan_environment::Model> {
    rows.sort_by_key(|row| row.environment);
    rows
}
