//! Who is calling, as headers that the gateway vouches for. Made once for each secret in use and each part of the scopes that an
//! access token was issued for: a key that calls a thousand times a second has the same identity each time.

use std::{cell::RefCell, collections::HashMap, rc::Rc, sync::Arc};

use domain::rules::{
    admission::Admitted,
    view::{Client, Scopes},
};
use entities::{
    enums::Environment,
    id::{CredentialId, CredentialSecretId, ProfileId},
};
use http::{HeaderName, HeaderValue};

use super::request_id;

static CLIENT: HeaderName = HeaderName::from_static("x-portico-client-id");
static TEAM: HeaderName = HeaderName::from_static("x-portico-team-id");
static PROFILE: HeaderName = HeaderName::from_static("x-portico-profile");
static PLAN: HeaderName = HeaderName::from_static("x-portico-plan-id");
static ENVIRONMENT: HeaderName = HeaderName::from_static("x-portico-environment");
static SCOPES: HeaderName = HeaderName::from_static("x-portico-scopes");

/// All that an identity may be told in.
pub static NAMES: [&HeaderName; 6] = [&CLIENT, &TEAM, &PROFILE, &PLAN, &ENVIRONMENT, &SCOPES];

/// Identities that a core keeps; beyond that it starts anew.
const MOST: usize = 4_096;
/// Parts of the scopes that a core keeps the header of, for each identity; beyond that it starts anew.
const MOST_PARTS: usize = 16;

type Headers = Vec<(&'static HeaderName, HeaderValue)>;

/// The identities that one core has told upstreams of.
#[derive(Default)]
pub struct Vouched(RefCell<HashMap<Key, Identity>>);

/// A secret that was found in public may use less than another of its credential.
type Key = (ProfileId, Option<CredentialId>, Option<CredentialSecretId>);

struct Identity {
    /// A client is replaced as a whole when anything of it changes.
    of: Arc<Client>,
    told: Vec<Told>,
}

/// What depends on the token and on the product.
struct Told {
    /// What the access token was issued for; `None`: the call came without one.
    part: Option<Box<str>>,
    granted: Scopes,
    headers: Rc<Headers>,
}

impl Told {
    fn of(admitted: &Admitted) -> Self {
        let (part, granted) = (admitted.token_scope().map(Into::into), admitted.granted().clone());
        Self { part, granted, headers: Rc::new(headers(admitted)) }
    }

    fn fits(&self, admitted: &Admitted) -> bool {
        let granted = admitted.granted();
        self.part.as_deref() == admitted.token_scope() && (Arc::ptr_eq(&self.granted, granted) || self.granted == *granted)
    }
}

impl Vouched {
    pub fn headers(&self, admitted: &Admitted) -> Rc<Headers> {
        let key = (admitted.profile().id, admitted.credential().map(|credential| credential.id), admitted.secret());
        let mut kept = self.0.borrow_mut();
        let known = kept.get_mut(&key).filter(|identity| Arc::ptr_eq(&identity.of, &admitted.client));
        if let Some(Identity { told, .. }) = known {
            if let Some(told) = told.iter().find(|told| told.fits(admitted)) {
                return told.headers.clone();
            }
            if told.len() >= MOST_PARTS {
                told.clear();
            }
            let new = Told::of(admitted);
            let headers = new.headers.clone();
            told.push(new);
            return headers;
        }
        if kept.len() >= MOST {
            kept.clear();
        }
        let told = Told::of(admitted);
        let headers = told.headers.clone();
        kept.insert(key, Identity { of: admitted.client.clone(), told: vec![told] });
        headers
    }
}

fn headers(admitted: &Admitted) -> Headers {
    let client = &admitted.client;
    let environment = match admitted.environment {
        Environment::Sandbox => "sandbox",
        Environment::Production => "production",
    };
    let mut headers = vec![
        (&CLIENT, request_id::header(client.id)),
        (&TEAM, request_id::header(client.team)),
        (&ENVIRONMENT, HeaderValue::from_static(environment)),
    ];
    if let Some(subscription) = client.subscription {
        headers.push((&PLAN, request_id::header(subscription.plan)));
    }
    // Names may be beyond ASCII; control characters they cannot have.
    let profile = HeaderValue::from_bytes(admitted.profile().name.as_bytes()).map(|profile| (&PROFILE, profile));
    let scopes = HeaderValue::try_from(admitted.scopes().collect::<Vec<_>>().join(" ")).map(|scopes| (&SCOPES, scopes));
    headers.extend(profile.into_iter().chain(scopes.ok()));
    headers
}
