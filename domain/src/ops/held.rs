//! The subscription that stands behind a client, and its plan.

use chrono::{DateTime, TimeDelta, Utc};
use entities::{client, plan, subscription};
use sea_orm::EntityTrait;

use crate::{Result, Tx};

/// A subscription and its plan.
pub(super) type Held = (subscription::Model, plan::Model);

/// `None` for a client made by hand.
pub(super) async fn held_by(tx: &Tx<'_>, client: &client::Model) -> Result<Option<Held>> {
    let Some(id) = client.subscription_id else { return Ok(None) };
    let Some(held) = subscription::Entity::find_by_id(id).one(tx.db()).await? else { return Ok(None) };
    let plan = plan::Entity::find_by_id(held.plan_id).one(tx.db()).await?;
    Ok(plan.map(|plan| (held, plan)))
}

/// When a secret that is made now expires by its plan; `None`: it does not.
pub(crate) fn lifetime_end(plan: &plan::Model, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    plan.credential_lifetime_days.map(|days| now + TimeDelta::days(days.into()))
}
