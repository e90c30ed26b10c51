//! What gateways know of one team and some products, read at once and kept by nobody: for questions about a call that nobody makes.

use std::{collections::HashMap, sync::Arc};

use entities::{
    client,
    id::{ClientId, ProductId, TeamId},
};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{
    clients::{self, Parts, Which},
    products,
    rows::Interner,
};
use crate::{Domain, Result, rules::admission::standing::Standing};

/// Of each product that is there.
pub async fn standing(
    ctx: &Domain,
    db: &impl ConnectionTrait,
    team: TeamId,
    of: &[ProductId],
) -> Result<HashMap<ProductId, Standing>> {
    let ids: Vec<ClientId> = client::Entity::find()
        .filter(client::Column::TeamId.eq(team))
        .order_by_asc(client::Column::Id)
        .select_only()
        .column(client::Column::Id)
        .into_tuple()
        .all(db)
        .await?;
    let mut shared = Interner::default();
    let clients = match ids.is_empty() {
        true => Vec::new(),
        false => Parts::read(db, &ctx.keys, &ids).await?.assemble(&mut shared),
    };
    let team = clients::teams(db, Which::Only(&[team])).await?.pop().map(|(_, team)| team);
    let products = products::products(db, &ctx.keys, Which::Only(of), &mut shared).await?;
    let standing = |product| Standing { product: Arc::new(product), team: team.clone(), clients: clients.clone() };
    Ok(products.into_iter().map(|product| (product.id, standing(product))).collect())
}
