//! Why a team sees a product and can call it or not: the facts of the catalog and of the gateways, for
//! `rules::access_explanation`.

use std::{collections::HashMap, sync::Arc};

use entities::{
    client, credential, endpoint,
    enums::{CredentialStatus, SpecStatus, TeamStatus},
    id::{ClientId, CredentialId, ProductId, SpecVersionId, TeamId},
    product, spec_version, team, tier,
};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};

use super::catalog::{self, Teams};
use crate::{
    Actor, Domain, DomainError, Result,
    access::{require_member, require_staff},
    rules::{
        access_explanation::{self, Explanation, Facts, Operation},
        policy::{MemberRight, StaffRight},
    },
    snapshot,
};

/// For staff: what holds for a team and a product.
pub async fn of_product(ctx: &Domain, actor: &Actor, team: TeamId, product: ProductId) -> Result<Explanation> {
    require_staff(actor, StaffRight::Read)?;
    let facts = facts(ctx, team, &[product]).await?.remove(&product).ok_or(DomainError::NotFound("product"))?;
    Ok(access_explanation::product(&facts, ctx.now()))
}

/// What holds for a team and an endpoint that the actor was found to see, by the facts of its product.
pub fn of_endpoint(ctx: &Domain, facts: &Facts, row: &endpoint::Model) -> Explanation {
    let operation = Operation { id: row.id, status: row.status, spec: row.spec_id };
    access_explanation::operation(facts, operation, ctx.now())
}

/// Refuses who may not be told what a team can call.
pub async fn require(ctx: &Domain, actor: &Actor, team: TeamId) -> Result<()> {
    require_member(&ctx.db, actor, team, MemberRight::ReadCredentials).await
}

/// Of each product that is there; `NotFound` where the team is not. Whoever asks was found to be one who may know.
pub async fn facts(ctx: &Domain, id: TeamId, of: &[ProductId]) -> Result<HashMap<ProductId, Arc<Facts>>> {
    let db = super::at_once(ctx).await?;
    let team = team::Entity::find_by_id(id).one(&db).await?.ok_or(DomainError::NotFound("team"))?;
    let tier = match team.tier_id {
        Some(tier) => tier::Entity::find_by_id(tier).one(&db).await?.map(|tier| tier.name),
        None => None,
    };
    let mut standing = snapshot::standing(ctx, &db, id, of).await?;
    let retired = retired(&db, of).await?;
    let (client_names, credential_names) = names(&db, id).await?;
    let mut facts = HashMap::new();
    for row in product::Entity::find().filter(product::Column::Id.is_in(of.iter().copied())).all(&db).await? {
        let Some(standing) = standing.remove(&row.id) else { continue };
        let of_product = Facts {
            team: team.name.clone(),
            team_is_active: team.status == TeamStatus::Active,
            tier: tier.clone(),
            status: row.status,
            visibility: row.visibility,
            reach: catalog::reach(&db, row.id, Teams::One(id)).await?,
            standing,
            retired: retired.iter().filter(|(product, _)| *product == row.id).map(|(_, spec)| *spec).collect(),
            client_names: client_names.clone(),
            credential_names: credential_names.clone(),
        };
        facts.insert(row.id, Arc::new(of_product));
    }
    db.rollback().await?;
    Ok(facts)
}

/// The versions of these products that no call reaches any more.
async fn retired(db: &impl ConnectionTrait, of: &[ProductId]) -> Result<Vec<(ProductId, SpecVersionId)>> {
    use spec_version::Column as V;
    let retired =
        spec_version::Entity::find().filter(V::ProductId.is_in(of.iter().copied())).filter(V::Status.eq(SpecStatus::Retired));
    Ok(retired.select_only().columns([V::ProductId, V::Id]).into_tuple().all(db).await?)
}

type Names = (Vec<(ClientId, String)>, Vec<(CredentialId, String)>);

/// What people call a team's clients, and those of its credentials that were not revoked.
async fn names(db: &impl ConnectionTrait, team: TeamId) -> Result<Names> {
    use client::Column as C;
    use credential::Column as K;
    let clients = client::Entity::for_team(team).select_only().columns([C::Id, C::Name]).into_tuple().all(db).await?;
    let credentials: Vec<(CredentialId, Option<String>)> = credential::Entity::for_team(team)
        .filter(K::Status.ne(CredentialStatus::Revoked))
        .select_only()
        .columns([K::Id, K::Name])
        .into_tuple()
        .all(db)
        .await?;
    Ok((clients, credentials.into_iter().filter_map(|(id, name)| Some((id, name?))).collect()))
}
