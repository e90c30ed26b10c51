//! Plans as their viewers see them.

use std::collections::{HashMap, HashSet};

use entities::{
    assignment, client,
    enums::{PlanStatus, ProductStatus, Visibility},
    id::{PlanId, ProductId, TeamId},
    membership, plan, plan_environment, product, subscription, team,
};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
};

use crate::{
    Actor, Domain, Result,
    access::require_staff,
    ops::plans::in_order,
    rules::{policy::StaffRight, subscription::FINAL},
};

/// A plan by its id. Staff see all; others those that are offered, of products that they see, and those that their teams hold.
pub async fn by_id(ctx: &Domain, actor: &Actor, id: PlanId) -> Result<Option<plan::Model>> {
    let Some(plan) = plan::Entity::find_by_id(id).one(&ctx.db).await? else { return Ok(None) };
    if sees_all(actor) || held_by_viewer(ctx, actor, plan.id).await? {
        return Ok(Some(plan));
    }
    let product = product::Entity::find_by_id(plan.product_id).one(&ctx.db).await?;
    let Some(product) = product.filter(|p| in_catalog(p.status) && is_offered(plan.status)) else { return Ok(None) };
    Ok(if visible_to_viewer(ctx, actor, &product).await? { Some(plan) } else { None })
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

fn is_offered(status: PlanStatus) -> bool {
    matches!(status, PlanStatus::Active | PlanStatus::Deprecated)
}

fn in_catalog(status: ProductStatus) -> bool {
    matches!(status, ProductStatus::Published | ProductStatus::Deprecated)
}

async fn teams_of(ctx: &Domain, actor: &Actor) -> Result<Vec<TeamId>> {
    let Some(user) = actor.user_id() else { return Ok(Vec::new()) };
    let teams: HashSet<_> = membership::Entity::for_user(user).all(&ctx.db).await?.into_iter().map(|m| m.team_id).collect();
    Ok(teams.into_iter().collect())
}

async fn held_by_viewer(ctx: &Domain, actor: &Actor, plan: PlanId) -> Result<bool> {
    let teams = teams_of(ctx, actor).await?;
    let held = subscription::Entity::find()
        .filter(subscription::Column::PlanId.eq(plan))
        .filter(subscription::Column::TeamId.is_in(teams.iter().map(|id| id.0)));
    Ok(held.count(&ctx.db).await? > 0)
}

async fn visible_to_viewer(ctx: &Domain, actor: &Actor, product: &product::Model) -> Result<bool> {
    match product.visibility {
        Visibility::Public => Ok(true),
        Visibility::Members => Ok(actor.user_id().is_some()),
        Visibility::Assigned => {
            let teams = teams_of(ctx, actor).await?;
            let teams = team::Entity::find().filter(team::Column::Id.is_in(teams.iter().map(|id| id.0))).all(&ctx.db).await?;
            for team in teams {
                if assigned(&ctx.db, product.id, &team).await? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
    }
}

/// Whether a team's members see a product: everybody does, or it is assigned to the team.
pub(crate) async fn visible_to_team(db: &impl ConnectionTrait, product: &product::Model, team: &team::Model) -> Result<bool> {
    match product.visibility {
        Visibility::Public | Visibility::Members => Ok(true),
        Visibility::Assigned => assigned(db, product.id, team).await,
    }
}

/// Whether a product is assigned to a team: by its tier, directly, for a client of theirs, or by a subscription.
async fn assigned(db: &impl ConnectionTrait, product: ProductId, team: &team::Model) -> Result<bool> {
    let clients = client::Entity::for_team(team.id).select_only().column(client::Column::Id).into_query();
    let held = subscription::Entity::for_team(team.id)
        .filter(subscription::Column::Status.is_not_in(FINAL))
        .select_only()
        .column(subscription::Column::Id)
        .into_query();
    let by_client = Condition::all()
        .add(assignment::Column::ClientId.in_subquery(clients))
        .add(assignment::Column::SubscriptionId.is_null());
    let mut given = Condition::any()
        .add(assignment::Column::TeamId.eq(team.id))
        .add(by_client)
        .add(assignment::Column::SubscriptionId.in_subquery(held));
    if let Some(tier) = team.tier_id {
        given = given.add(assignment::Column::TierId.eq(tier));
    }
    let found = assignment::Entity::find().filter(assignment::Column::ProductId.eq(product)).filter(given).one(db).await?;
    Ok(found.is_some())
}
