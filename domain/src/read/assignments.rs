//! Who products are assigned to; for staff.

use std::collections::{BTreeMap, BTreeSet};

use entities::{
    assignment, client,
    columns::ScopeAlternatives,
    endpoint,
    id::{AssignmentId, ClientId, ProductId, TeamId, TierId},
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

type ByHand = BTreeMap<(ClientId, ProductId), Option<BTreeSet<String>>>;

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

/// What assignments by hand give these clients of each product: the scopes that they name together; `None`: all. A product that
/// a client's own subscription is to is left out.
pub(crate) async fn by_hand(db: &impl ConnectionTrait, clients: &[client::Model]) -> Result<ByHand> {
    use assignment::Column as A;
    let teams: BTreeSet<TeamId> = clients.iter().map(|client| client.team_id).collect();
    let tiers: BTreeMap<TeamId, TierId> = team::Entity::find()
        .filter(team::Column::Id.is_in(teams.iter().map(|id| id.0)))
        .all(db)
        .await?
        .into_iter()
        .filter_map(|team| Some((team.id, team.tier_id?)))
        .collect();
    let subscriptions = clients.iter().filter_map(|client| client.subscription_id).map(|id| id.0);
    let subscriptions = subscription::Entity::find().filter(subscription::Column::Id.is_in(subscriptions)).all(db).await?;
    let given = Condition::any()
        .add(A::ClientId.is_in(clients.iter().map(|client| client.id.0)))
        .add(A::TeamId.is_in(teams.iter().map(|id| id.0)))
        .add(A::TierId.is_in(tiers.values().map(|id| id.0)));
    let rows = assignment::Entity::find().filter(given).filter(A::SubscriptionId.is_null()).all(db).await?;
    let mut by_hand = ByHand::new();
    for client in clients {
        let tier = tiers.get(&client.team_id);
        let own = subscriptions.iter().find(|held| Some(held.id) == client.subscription_id).map(|held| held.product_id);
        let theirs = |row: &&assignment::Model| {
            row.client_id == Some(client.id)
                || row.team_id == Some(client.team_id)
                || row.tier_id.is_some() && row.tier_id.as_ref() == tier
        };
        for row in rows.iter().filter(theirs).filter(|row| Some(row.product_id) != own) {
            let held = by_hand.entry((client.id, row.product_id)).or_insert_with(|| Some(BTreeSet::new()));
            match (held, &row.scopes) {
                (Some(held), Some(named)) => held.extend(named.0.iter().cloned()),
                (held, _) => *held = None,
            }
        }
    }
    Ok(by_hand)
}

/// What assignments by hand give a client, of all products.
pub(crate) async fn scopes_by_hand(db: &impl ConnectionTrait, client: ClientId) -> Result<BTreeSet<String>> {
    let Some(client) = client::Entity::find_by_id(client).one(db).await? else { return Ok(BTreeSet::new()) };
    let given = by_hand(db, &[client]).await?;
    let whole = given.iter().filter(|(_, scopes)| scopes.is_none()).map(|((_, product), _)| *product);
    let all = scopes_of(db, whole.collect::<Vec<_>>()).await?;
    Ok(all.into_values().chain(given.into_values().flatten()).flatten().collect())
}

/// `None` for what is not there, and for who is no staff.
pub async fn assignment(ctx: &Domain, actor: &Actor, id: AssignmentId) -> Result<Option<assignment::Model>> {
    if catalog::onlooker(actor) != Onlooker::Staff {
        return Ok(None);
    }
    Ok(assignment::Entity::find_by_id(id).one(&ctx.db).await?)
}
