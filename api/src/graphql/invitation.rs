//! TEMP
use async_graphql::{ID, Object};
use entities::invitation;
#[derive(Debug, Clone)]
pub struct Invitation(pub invitation::Model);
#[Object]
impl Invitation {
    pub async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }
    async fn email(&self) -> super::scalars::EmailAddress {
        super::scalars::EmailAddress(self.0.email.clone())
    }
}
