//! What stands beside products, read for a whole list of them at once.

use std::{collections::HashMap, sync::Arc};

use async_graphql::dataloader::Loader;
use domain::DomainError;
use entities::{
    category,
    enums::SpecStatus,
    id::{CategoryId, ProductId},
    product_category, product_environment, spec_version,
};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder};

use crate::graphql::loaders::Rows;

/// A product's headings, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CategoriesOf(pub ProductId);

/// A product's environments, sandbox first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EnvironmentsOf(pub ProductId);

/// A product's current version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CurrentSpecOf(pub ProductId);

fn failed(error: DbErr) -> Arc<DomainError> {
    Arc::new(error.into())
}

impl Loader<CategoriesOf> for Rows {
    type Value = Vec<category::Model>;
    type Error = Arc<DomainError>;

    async fn load(&self, keys: &[CategoriesOf]) -> Result<HashMap<CategoriesOf, Self::Value>, Self::Error> {
        use product_category::Column as C;
        let links = product_category::Entity::find().filter(C::ProductId.is_in(keys.iter().map(|key| key.0.0)));
        let links = links.all(&self.0.db).await.map_err(failed)?;
        let ids = links.iter().map(|link| link.category_id.0);
        let named = category::Entity::find().filter(category::Column::Id.is_in(ids)).order_by_asc(category::Column::Name);
        let categories = named.all(&self.0.db).await.map_err(failed)?;
        let of = |product| -> Vec<category::Model> {
            let linked = |id: CategoryId| links.iter().any(|link| link.product_id == product && link.category_id == id);
            categories.iter().filter(|category| linked(category.id)).cloned().collect()
        };
        Ok(keys.iter().map(|&key| (key, of(key.0))).collect())
    }
}

impl Loader<EnvironmentsOf> for Rows {
    type Value = Vec<product_environment::Model>;
    type Error = Arc<DomainError>;

    async fn load(&self, keys: &[EnvironmentsOf]) -> Result<HashMap<EnvironmentsOf, Self::Value>, Self::Error> {
        use product_environment::Column as C;
        let rows = product_environment::Entity::find().filter(C::ProductId.is_in(keys.iter().map(|key| key.0.0)));
        let mut found: HashMap<_, Vec<_>> = keys.iter().map(|&key| (key, Vec::new())).collect();
        for row in rows.all(&self.0.db).await.map_err(failed)? {
            found.entry(EnvironmentsOf(row.product_id)).or_default().push(row);
        }
        found.values_mut().for_each(|rows| rows.sort_by_key(|row| row.environment));
        Ok(found)
    }
}

impl Loader<CurrentSpecOf> for Rows {
    type Value = spec_version::Model;
    type Error = Arc<DomainError>;

    async fn load(&self, keys: &[CurrentSpecOf]) -> Result<HashMap<CurrentSpecOf, Self::Value>, Self::Error> {
        use spec_version::Column as C;
        let rows = spec_version::Entity::find()
            .filter(C::ProductId.is_in(keys.iter().map(|key| key.0.0)))
            .filter(C::Status.eq(SpecStatus::Current));
        let rows = rows.all(&self.0.db).await.map_err(failed)?;
        Ok(rows.into_iter().map(|row| (CurrentSpecOf(row.product_id), row)).collect())
    }
}
