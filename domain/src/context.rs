//! What every operation works with.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sea_orm::DatabaseConnection;
use secrecy::SecretString;

use crate::{
    dns::{Dns, Silent},
    documents::Documents,
    env::Env,
    identity::{IdentityProviders, Nobody},
    itself::Itself,
    key_sets::KeySets,
    keyring::Keyring,
    outgoing::{Nowhere, Outgoing},
    receipt::Receipt,
    updates::Updates,
    wake::Wake,
    writable::Writable,
};

/// The identity provider of the portal's own staff, by the settings.
#[derive(Debug, Clone)]
pub struct StaffSso {
    /// As its tokens spell it.
    pub issuer: String,
    pub client_id: String,
    pub client_secret: Option<SecretString>,
    /// Whose staff sign in by it.
    pub domains: Vec<String>,
    /// Whether staff at these domains have no other way in.
    pub enforced: bool,
}

/// The domain's handle: cheap to clone, one per process.
#[derive(Clone)]
pub struct Domain {
    pub db: DatabaseConnection,
    pub env: Env,
    pub keys: Arc<Keyring>,
    pub wake: Arc<Wake>,
    pub writable: Arc<Writable>,
    pub updates: Arc<Updates>,
    pub documents: Arc<Documents>,
    pub itself: Arc<Itself>,
    pub outgoing: Arc<dyn Outgoing>,
    pub key_sets: Arc<KeySets>,
    pub dns: Arc<dyn Dns>,
    pub identities: Arc<dyn IdentityProviders>,
    pub staff_sso: Option<Arc<StaffSso>>,
    /// Where it is left what gateways said of a change; `None`: nobody waits for them.
    pub receipt: Option<Arc<Receipt>>,
}

impl Domain {
    /// Over a database that is up to date. It fetches nothing until it is told how.
    pub fn new(db: DatabaseConnection, env: Env, keys: Keyring) -> Self {
        let updates = Arc::new(Updates::new(env.uuid()));
        let outgoing: Arc<dyn Outgoing> = Arc::new(Nowhere);
        let key_sets = Arc::new(KeySets::new(env.clone(), outgoing.clone()));
        let (wake, writable, documents, itself) = (Arc::default(), Arc::default(), Arc::default(), Arc::default());
        Self {
            db,
            env,
            keys: Arc::new(keys),
            wake,
            writable,
            updates,
            documents,
            itself,
            outgoing,
            key_sets,
            dns: Arc::new(Silent),
            identities: Arc::new(Nobody),
            staff_sso: None,
            receipt: None,
        }
    }

    #[must_use]
    pub fn fetching_by(self, outgoing: Arc<dyn Outgoing>) -> Self {
        Self { key_sets: Arc::new(KeySets::new(self.env.clone(), outgoing.clone())), outgoing, ..self }
    }

    #[must_use]
    pub fn asking(self, dns: Arc<dyn Dns>) -> Self {
        Self { dns, ..self }
    }

    #[must_use]
    pub fn signing_in_by(self, identities: Arc<dyn IdentityProviders>, staff: Option<StaffSso>) -> Self {
        Self { identities, staff_sso: staff.map(Arc::new), ..self }
    }

    /// For one who is answered: an operation is done when the gateways follow it, a second after its commit at the latest.
    #[must_use]
    pub fn answering(&self) -> Self {
        Self { receipt: Some(Arc::default()), ..self.clone() }
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.env.now()
    }
}
