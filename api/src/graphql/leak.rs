//! Secrets that were found in public.

use async_graphql::Object;
use chrono::{DateTime, Utc};
use domain::read::leaks::OpenLeak;

use crate::graphql::enums::LeakedKeyAction;

/// A secret of a credential that a scanner found in public.
pub struct Leak(pub OpenLeak);

#[Object]
impl Leak {
    async fn reported_at(&self) -> DateTime<Utc> {
        self.0.leak.reported_at
    }
    /// Where it was found; null where the scanner did not say. Nobody has looked whether it is safe to open.
    async fn url(&self) -> Option<&str> {
        self.0.leak.url.as_deref()
    }
    /// What was done about it.
    async fn action(&self) -> LeakedKeyAction {
        self.0.leak.action.into()
    }
    /// Of NARROW: the scopes that the secret can use still, where they are held.
    async fn scopes(&self) -> Option<&[String]> {
        self.0.leak.scopes.as_deref()
    }
    /// When the secret ends, or ended; null: not by itself.
    async fn ends_at(&self) -> Option<DateTime<Utc>> {
        self.0.ends_at
    }
    /// `claimCredential` makes and shows the secret that takes its place.
    async fn claimable(&self) -> bool {
        self.0.claimable
    }
}
