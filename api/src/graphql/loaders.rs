//! Batched look-ups, one set per request: a list of a hundred rows costs one statement per kind of thing beside it.

use std::{collections::HashMap, sync::Arc};

use async_graphql::dataloader::{DataLoader, Loader};
use domain::{Domain, DomainError};
use entities::{
    id::{ProductId, TeamId, UserId},
    product, team, user,
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

/// Rows of one table by id, for what the viewer reached through something they may see.
pub struct Rows(pub(super) Domain);

macro_rules! row_loaders {
    ($($field:ident: $id:ident => $module:ident)*) => {
        /// This request's loaders.
        pub struct Loaders {
            $(pub $field: DataLoader<Rows, async_graphql::dataloader::NoCache>,)*
        }

        impl Loaders {
            pub fn new(domain: &Domain) -> Self {
                Self { $($field: DataLoader::new(Rows(domain.clone()), tokio::spawn),)* }
            }
        }

        $(impl Loader<$id> for Rows {
            type Value = $module::Model;
            type Error = Arc<DomainError>;

            async fn load(&self, ids: &[$id]) -> Result<HashMap<$id, Self::Value>, Self::Error> {
                let rows = $module::Entity::find()
                    .filter($module::Column::Id.is_in(ids.iter().map(|id| id.0)))
                    .all(&self.0.db)
                    .await
                    .map_err(|error| Arc::new(error.into()))?;
                Ok(rows.into_iter().map(|row| (row.id, row)).collect())
            }
        })*
    };
}

row_loaders! {
    products: ProductId => product
    teams: TeamId => team
    users: UserId => user
}

/// A loader's answer for something that a foreign key says is there.
pub fn found<T>(answer: Result<Option<T>, Arc<DomainError>>) -> async_graphql::Result<T> {
    loaded(answer)?.ok_or_else(|| crate::error::to_graphql(DomainError::NotFound("row")))
}

/// A loader's answer for something that need not be there.
pub fn loaded<T>(answer: Result<Option<T>, Arc<DomainError>>) -> async_graphql::Result<Option<T>> {
    answer.map_err(|error| crate::error::to_graphql(DomainError::Unavailable(error.to_string().into())))
}
