//! Tiers: levels of partnership.

use entities::tier;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};

use crate::{
    Actor, Domain, DomainError, ProblemCode, Result, Tx,
    access::require_staff,
    audit::{Action, Audit},
    error::Problems,
    rules::{policy::StaffRight, text},
    tx::retrying,
};

#[derive(Debug, Clone)]
pub struct CreateTier {
    pub name: String,
    pub description: Option<String>,
}

pub async fn create(ctx: &Domain, actor: &Actor, cmd: CreateTier) -> Result<tier::Model> {
    require_staff(actor, StaffRight::Edit)?;
    let mut problems = Problems::default();
    let name = problems.take(text::name("name", &cmd.name, 80)).unwrap_or_default();
    let description = problems.take(text::prose("description", cmd.description.as_deref(), 1000)).flatten();
    problems.into_result()?;
    retrying(async || insert(ctx, actor, &name, description.clone()).await).await
}

async fn insert(ctx: &Domain, actor: &Actor, name: &str, description: Option<String>) -> Result<tier::Model> {
    let tx = Tx::begin(ctx).await?;
    if tier::Entity::find().filter(tier::Column::Name.eq(name)).count(tx.db()).await? > 0 {
        return Err(DomainError::refused(ProblemCode::Taken, "name", "another tier has this name: choose another"));
    }
    let row = tier::Model { id: ctx.env.id(), name: name.to_owned(), description };
    tier::Entity::insert(tier::ActiveModel::from(row.clone())).exec_without_returning(tx.db()).await?;
    tx.commit(Audit::of(actor, Action::TierCreated, row.id).set("name", &row.name)).await?;
    Ok(row)
}
