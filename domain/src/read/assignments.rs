//! Who products are assigned to; for staff.

use std::collections::{BTreeMap, BTreeSet};

use entities::{
    assignment, client,
    columns::ScopeAlternatives,
    endpoint,
    id::{AssignmentId, ClientId, ProductId},
    subscription, team,
};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};

use super::{
    catalog,
    page::{self, Page, PageRequest},
};
use crate::{Actor, Domain, Result, rules::visibility::Onlooker};

/// Newest first; `None` for who is no staff.
pub async fn of_product(
    ctx: &Domain,
    actor: &Actor,
    product: ProductId,
    request: &PageRequest,
) -> Result<Option<Page<assignment::Model>>> {
    if catalog::onlooker(actor) != Onlooker::Staff {
        return Ok(None);
    }
    let list = assignment::Entity::find().filter(assignment::Column::ProductId.eq(product));
    page::newest_first::<_, AssignmentId>(ctx, list, assignment::Column::Id, request).await.map(Some)
}

/// What the operations of these products ask for.
pub(crate) async fn scopes_of(
    db: &impl ConnectionTrait,
    products: impl IntoIterator<Item = ProductId>,
) -> Result<BTreeMap<ProductId, BTreeSet<String>>> {
    use endpoint::Column as E;
    let rows: Vec<(ProductId, ScopeAlternatives)> = endpoint::Entity::find()
        .filter(E::ProductId.is_in(products))
        .select_only()
        .columns([E::ProductId, E::Scopes])
        .into_tuple()
        .all(db)
        .await?;
    let mut scopes: BTreeMap<ProductId, BTreeSet<String>> = BTreeMap::new();
    for (product, alternatives) in rows {
        scopes.entry(product).or_default().extend(alternatives.0.into_iter().flatten());
    }
    Ok(scopes)
}

/// What assignments by hand give a client of the products that no subscription of its own gives it.
pub(crate) async fn scopes_by_hand(db: &impl ConnectionTrait, client: ClientId) -> Result<BTreeSet<String>> {
    use assignment::Column as A;
    let Some(client) = client::Entity::find_by_id(client).one(db).await? else { return Ok(BTreeSet::new()) };
    let tier = team::Entity::find_by_id(client.team_id).one(db).await?.and_then(|team| team.tier_id);
    let held = match client.subscription_id {
        Some(id) => subscription::Entity::find_by_id(id).one(db).await?.map(|held| held.product_id),
        None => None,
    };
    let mut given = Condition::any().add(A::ClientId.eq(client.id)).add(A::TeamId.eq(client.team_id));
    if let Some(tier) = tier {
        given = given.add(A::TierId.eq(tier));
    }
    let mut rows = assignment::Entity::find().filter(given).filter(A::SubscriptionId.is_null()).all(db).await?;
    rows.retain(|row| Some(row.product_id) != held);
    let all = scopes_of(db, rows.iter().filter(|row| row.scopes.is_none()).map(|row| row.product_id)).await?;
    let named = rows.into_iter().filter_map(|row| row.scopes).flat_map(|scopes| scopes.0);
    Ok(all.into_values().flatten().chain(named).collect())
}

/// `None` for what is not there, and for who is no staff.
pub async fn assignment(ctx: &Domain, actor: &Actor, id: AssignmentId) -> Result<Option<assignment::Model>> {
    if catalog::onlooker(actor) != Onlooker::Staff {
        return Ok(None);
    }
    Ok(assignment::Entity::find_by_id(id).one(&ctx.db).await?)
}
