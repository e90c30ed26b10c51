//! What a new team holds at once: the invitation is the approval.

use entities::{
    columns::Answers,
    enums::{PlanStatus, ProductStatus},
    id::SubscriptionId,
    plan, product, subscription, team,
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::subscriptions::{self, NewSubscription};
use crate::{Result, Tx, read::catalog::team_may_see};

/// Subscribes a new team to every plan on offer that comes by itself, of the products that it sees. Nobody is there yet to
/// whom a secret could be shown, so the team makes its credentials. `None` where there is no such plan.
pub(crate) async fn to_all(tx: &Tx<'_>, team: &team::Model) -> Result<Option<Vec<SubscriptionId>>> {
    let plans = plan::Entity::find()
        .filter(plan::Column::AutoSubscribe.eq(true))
        .filter(plan::Column::HasSandbox.eq(true))
        .filter(plan::Column::Status.eq(PlanStatus::Active))
        .order_by_asc(plan::Column::Id)
        .all(tx.db())
        .await?;
    let products = product::Entity::find()
        .filter(product::Column::Id.is_in(plans.iter().map(|plan| plan.product_id.0)))
        .filter(product::Column::Status.eq(ProductStatus::Published))
        .all(tx.db())
        .await?;
    let mut made = Vec::new();
    for plan in plans {
        let Some(product) = products.iter().find(|product| product.id == plan.product_id) else { continue };
        if !team_may_see(tx.db(), team.id, product).await? || holds(tx, team, &plan).await? {
            continue;
        }
        let new = NewSubscription { owner: None, name: plan.name.clone(), custom_properties: Answers::default() };
        made.push(subscriptions::insert(tx, team, &plan, new).await?.subscription.id);
    }
    Ok(Some(made).filter(|made| !made.is_empty()))
}

/// Whether it was just subscribed by hand.
async fn holds(tx: &Tx<'_>, team: &team::Model, plan: &plan::Model) -> Result<bool> {
    let held = subscription::Entity::for_team(team.id).filter(subscription::Column::PlanId.eq(plan.id));
    Ok(held.one(tx.db()).await?.is_some())
}
