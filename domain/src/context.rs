//! What every operation works with.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sea_orm::DatabaseConnection;

use crate::{
    documents::Documents,
    env::Env,
    key_sets::KeySets,
    keyring::Keyring,
    outgoing::{Nowhere, Outgoing},
    updates::Updates,
    wake::Wake,
};

/// The domain's handle: cheap to clone, one per process.
#[derive(Clone)]
pub struct Domain {
    pub db: DatabaseConnection,
    pub env: Env,
    pub keys: Arc<Keyring>,
    pub wake: Arc<Wake>,
    pub updates: Arc<Updates>,
    pub documents: Arc<Documents>,
    pub outgoing: Arc<dyn Outgoing>,
    pub key_sets: Arc<KeySets>,
}

impl Domain {
    /// Over a database that is up to date. It fetches nothing until it is told how.
    pub fn new(db: DatabaseConnection, env: Env, keys: Keyring) -> Self {
        let updates = Arc::new(Updates::new(env.uuid()));
        let outgoing: Arc<dyn Outgoing> = Arc::new(Nowhere);
        let key_sets = Arc::new(KeySets::new(env.clone(), outgoing.clone()));
        let (wake, documents) = (Arc::default(), Arc::default());
        Self { db, env, keys: Arc::new(keys), wake, updates, documents, outgoing, key_sets }
    }

    #[must_use]
    pub fn fetching_by(self, outgoing: Arc<dyn Outgoing>) -> Self {
        Self { key_sets: Arc::new(KeySets::new(self.env.clone(), outgoing.clone())), outgoing, ..self }
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.env.now()
    }
}
