//! Products.

use async_graphql::{ID, Object};
use entities::product;

use crate::graphql::{
    connection::HasCursor,
    enums::{ProductStatus, Visibility},
};

/// An API under one gateway base path.
#[derive(Debug, Clone)]
pub struct Product(pub product::Model);

impl HasCursor for Product {
    fn cursor(&self) -> String {
        self.0.id.to_string()
    }
}

#[Object]
impl Product {
    pub async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }
    async fn slug(&self) -> &str {
        &self.0.slug
    }
    async fn name(&self) -> &str {
        &self.0.name
    }
    async fn summary(&self) -> &str {
        &self.0.summary
    }
    async fn base_path(&self) -> &str {
        &self.0.base_path
    }
    async fn status(&self) -> ProductStatus {
        self.0.status.into()
    }
    async fn visibility(&self) -> Visibility {
        self.0.visibility.into()
    }
}
