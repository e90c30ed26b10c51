//! What every operation works with.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sea_orm::DatabaseConnection;

use crate::{documents::Documents, env::Env, keyring::Keyring, updates::Updates, wake::Wake};

/// The domain's handle: cheap to clone, one per process.
#[derive(Clone)]
pub struct Domain {
    pub db: DatabaseConnection,
    pub env: Env,
    pub keys: Arc<Keyring>,
    pub wake: Arc<Wake>,
    pub updates: Arc<Updates>,
    pub documents: Arc<Documents>,
}

impl Domain {
    /// Over a database that is up to date.
    pub fn new(db: DatabaseConnection, env: Env, keys: Keyring) -> Self {
        let updates = Arc::new(Updates::new(env.uuid()));
        Self { db, env, keys: Arc::new(keys), wake: Arc::default(), updates, documents: Arc::default() }
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.env.now()
    }
}
