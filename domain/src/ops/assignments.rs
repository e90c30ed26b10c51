//! Products given to tiers, teams and clients by hand, and taken back.

use std::collections::BTreeSet;

use entities::{
    assignment::{ActiveModel, Column, Entity, Model},
    client,
    columns::Strings,
    id::{ClientId, ProductId, TeamId, TierId},
    product, team, tier,
};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, Select};

use super::products::{changed, load};
use crate::{
    Actor, Domain, DomainError, ProblemCode, Result, Tx,
    access::require_staff,
    audit::{Action, Audit},
    error::Problems,
    read::assignments::scopes_of,
    rules::policy::StaffRight,
    tx::{Touch, retrying},
};

/// To whom; exactly one is given.
#[derive(Debug, Clone, Copy, Default)]
pub struct Target {
    pub tier: Option<TierId>,
    pub team: Option<TeamId>,
    pub client: Option<ClientId>,
}

#[derive(Debug, Clone, Copy)]
enum Recipient {
    Tier(TierId),
    Team(TeamId),
    Client(ClientId),
}

impl Target {
    fn recipient(self) -> Result<Recipient> {
        match (self.tier, self.team, self.client) {
            (Some(tier), None, None) => Ok(Recipient::Tier(tier)),
            (None, Some(team), None) => Ok(Recipient::Team(team)),
            (None, None, Some(client)) => Ok(Recipient::Client(client)),
            _ => Err(DomainError::refused(ProblemCode::Invalid, "", "give exactly one of tierId, teamId and clientId")),
        }
    }
}

impl Recipient {
    /// The team whose own log shows it; an error where there is no such recipient.
    async fn team(self, db: &impl ConnectionTrait) -> Result<Option<TeamId>> {
        let missing =
            |path: &str, what: &str| DomainError::refused(ProblemCode::NotFound, path, format!("there is no such {what}"));
        match self {
            Self::Tier(id) => {
                tier::Entity::find_by_id(id).one(db).await?.ok_or_else(|| missing("tierId", "tier"))?;
                Ok(None)
            }
            Self::Team(id) => {
                team::Entity::find_by_id(id).one(db).await?.ok_or_else(|| missing("teamId", "team"))?;
                Ok(Some(id))
            }
            Self::Client(id) => {
                let client = client::Entity::find_by_id(id).one(db).await?.ok_or_else(|| missing("clientId", "client"))?;
                Ok(Some(client.team_id))
            }
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Tier(_) => "tierId",
            Self::Team(_) => "teamId",
            Self::Client(_) => "clientId",
        }
    }

    fn assigned(self, product: ProductId) -> Select<Entity> {
        let all = Entity::find().filter(Column::ProductId.eq(product));
        match self {
            Self::Tier(id) => all.filter(Column::TierId.eq(id)),
            Self::Team(id) => all.filter(Column::TeamId.eq(id)),
            Self::Client(id) => all.filter(Column::ClientId.eq(id)),
        }
    }

    fn touch(self, tx: &Tx<'_>) {
        match self {
            // A tier's assignments are kept with the product.
            Self::Tier(_) => {}
            Self::Team(id) => tx.touch_gateway(Touch::Team(id)),
            Self::Client(id) => tx.touch_gateway(Touch::Client(id)),
        }
    }

    fn noted(self, entry: Audit) -> Audit {
        match self {
            Self::Tier(id) => entry.set("tier", id),
            Self::Team(id) => entry.set("team", id),
            Self::Client(id) => entry.set("client", id),
        }
    }
}

/// Gives a product to a tier, a team (all its clients) or a client. `scopes`: a part of what its operations ask for, for clients
/// that no subscription gives it; `None`: all. Given again, the scopes are those of the last time.
pub async fn assign(
    ctx: &Domain,
    actor: &Actor,
    product: ProductId,
    to: Target,
    scopes: Option<Vec<String>>,
) -> Result<product::Model> {
    require_staff(actor, StaffRight::Edit)?;
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        let product = load(tx.db(), product).await?;
        let to = to.recipient()?;
        let team = to.team(tx.db()).await?;
        let scopes = match &scopes {
            Some(named) => Some(part(tx.db(), product.id, named).await?),
            None => None,
        };
        let id = product.id;
        let entry = |action| to.noted(Audit::of(actor, action, id)).team(team);
        if let Some(before) = to.assigned(product.id).filter(Column::SubscriptionId.is_null()).one(tx.db()).await? {
            if before.scopes == scopes {
                let say = "the product is assigned there already, with these scopes";
                return Err(DomainError::refused(ProblemCode::AlreadyDone, to.path(), say));
            }
            let row = ActiveModel { id: Set(before.id), scopes: Set(scopes.clone()), ..Default::default() };
            Entity::update(row).exec(tx.db()).await?;
            to.touch(&tx);
            let product = changed(&tx, product).await?;
            tx.commit(entry(Action::AssignmentScopesSet).change("scopes", before.scopes, scopes)).await?;
            return Ok(product);
        }
        let mut row = Model {
            id: ctx.env.id(),
            product_id: product.id,
            tier_id: None,
            team_id: None,
            client_id: None,
            subscription_id: None,
            since: tx.now(),
            assigned_by: actor.user_id(),
            scopes: scopes.clone(),
        };
        match to {
            Recipient::Tier(id) => row.tier_id = Some(id),
            Recipient::Team(id) => row.team_id = Some(id),
            Recipient::Client(id) => row.client_id = Some(id),
        }
        Entity::insert(row.into_active_model()).exec_without_returning(tx.db()).await?;
        to.touch(&tx);
        let product = changed(&tx, product).await?;
        tx.commit(entry(Action::ProductAssigned).set("scopes", scopes)).await?;
        Ok(product)
    })
    .await
}

/// The scopes that are named, in order and each once, of those that the product's operations ask for.
async fn part(db: &impl ConnectionTrait, product: ProductId, named: &[String]) -> Result<Strings> {
    let known = scopes_of(db, [product]).await?.remove(&product).unwrap_or_default();
    let mut problems = Problems::default();
    for (i, scope) in named.iter().enumerate().filter(|(_, scope)| !known.contains(*scope)) {
        let there = if known.is_empty() { "they ask for none".to_owned() } else { listed(&known) };
        let say = format!("{scope} is no scope that the product's operations ask for: {there}");
        problems.add(ProblemCode::Invalid, &format!("scopes.{i}"), say);
    }
    problems.into_result()?;
    Ok(Strings(named.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect()))
}

fn listed(scopes: &BTreeSet<String>) -> String {
    scopes.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Takes back what was given by hand; what a subscription gave ends with the subscription.
pub async fn unassign(ctx: &Domain, actor: &Actor, product: ProductId, from: Target) -> Result<product::Model> {
    require_staff(actor, StaffRight::Edit)?;
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        let product = load(tx.db(), product).await?;
        let from = from.recipient()?;
        let team = from.team(tx.db()).await?;
        let rows = from.assigned(product.id).all(tx.db()).await?;
        let by_hand: Vec<_> = rows.iter().filter(|row| row.subscription_id.is_none()).map(|row| row.id.0).collect();
        if by_hand.is_empty() {
            return Err(match rows.is_empty() {
                true => DomainError::refused(ProblemCode::NotFound, from.path(), "the product is not assigned there"),
                false => DomainError::refused(
                    ProblemCode::WrongState,
                    from.path(),
                    "a subscription gives the product there: cancel or suspend the subscription",
                ),
            });
        }
        Entity::delete_many().filter(Column::Id.is_in(by_hand)).exec(tx.db()).await?;
        from.touch(&tx);
        let product = changed(&tx, product).await?;
        tx.commit(from.noted(Audit::of(actor, Action::ProductUnassigned, product.id)).team(team)).await?;
        Ok(product)
    })
    .await
}
