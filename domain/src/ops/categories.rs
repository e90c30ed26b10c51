//! The headings of the catalog.

use entities::{
    category::{Column, Entity, Model},
    id::CategoryId,
    product_category,
};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use crate::{
    Actor, Domain, DomainError, ProblemCode, Result, Tx,
    access::require_staff,
    audit::{Action, Audit},
    rules::{policy::StaffRight, text},
    tx::retrying,
};

const NAME_MAX: usize = 60;

/// A new heading; its slug is made from its name.
pub async fn create(ctx: &Domain, actor: &Actor, name: &str) -> Result<Model> {
    require_staff(actor, StaffRight::Edit)?;
    let name = text::name("name", name, NAME_MAX)?;
    let slug = text::slug_from(&name);
    if slug.is_empty() {
        return Err(DomainError::refused(ProblemCode::Invalid, "name", "must contain a letter a to z or a digit"));
    }
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        if Entity::find().filter(Column::Slug.eq(&slug)).one(tx.db()).await?.is_some() {
            let message = format!("there is a category {slug} already: choose another name");
            return Err(DomainError::refused(ProblemCode::Taken, "name", message));
        }
        let row = Model { id: ctx.env.id(), name: name.clone(), slug: slug.clone() };
        Entity::insert(row.clone().into_active_model()).exec_without_returning(tx.db()).await?;
        tx.commit(Audit::of(actor, Action::CategoryCreated, row.id).set("name", &row.name)).await?;
        Ok(row)
    })
    .await
}

/// Takes a heading away; its products stay.
pub async fn delete(ctx: &Domain, actor: &Actor, id: CategoryId) -> Result<CategoryId> {
    require_staff(actor, StaffRight::Edit)?;
    let tx = Tx::begin(ctx).await?;
    let row = Entity::find_by_id(id).one(tx.db()).await?.ok_or(DomainError::NotFound("category"))?;
    product_category::Entity::delete_many().filter(product_category::Column::CategoryId.eq(id)).exec(tx.db()).await?;
    Entity::delete_by_id(id).exec(tx.db()).await?;
    let gone = Audit::of(actor, Action::CategoryDeleted, id).change("name", row.name, None::<String>);
    tx.commit(gone).await?;
    Ok(id)
}
