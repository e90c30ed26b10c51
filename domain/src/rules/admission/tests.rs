//! Every reason, and that of two checks which both fail the earlier answers.

use std::collections::HashMap;

use chrono::TimeDelta;
use entities::{
    enums::{AuthMethod, Backend, CredentialStatus, LogSink, PipelinePhase, RateWindow, SubscriptionStatus},
    id::{ClientId, CredentialId, EndpointId, PlanId, PolicyId, ProfileId, TeamId, TierId},
};
use secrecy::ExposeSecret;
use uuid::Uuid;

use super::*;
use crate::{
    keyring::sha256,
    rules::{
        certificate::Shown,
        credential::{Lookup, RANDOM_BYTES, SecretKind, issue},
        denial::Lack,
        jose::{KeySet, access_token::Expected},
        key_source::KeySource,
        limits::RateLimit,
        method::Method,
        routes::Routes,
        view::{Allowlist, Assigned, Moment, Scopes, Secret, Subscription, Team},
    },
};

pub(super) const LIVE: usize = 0;
const TEST: usize = 1;

fn id<T: entities::id::TypedId>(n: u128) -> T {
    T::from_uuid(Uuid::from_u128(n))
}

pub(super) fn now() -> DateTime<Utc> {
    "2026-01-01T12:00:00Z".parse().unwrap()
}

pub(super) fn scopes(names: &[&str]) -> Scopes {
    names.iter().map(|name| Box::from(*name)).collect()
}

/// A call that is admitted, and everything that it depends on, to be broken piece by piece.
pub(super) struct World {
    pub(super) product: Product,
    pub(super) client: Client,
    pub(super) team: Option<Team>,
    pub(super) policies: HashMap<PolicyId, Limits>,
    pub(super) plan: Limits,
    pub(super) client_is_there: bool,
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) framing: Option<&'static str>,
    pub(super) client_id: Option<String>,
    pub(super) profile_id: Option<&'static str>,
    pub(super) api_key: Option<String>,
    pub(super) bearer: Option<String>,
    pub(super) peer: &'static str,
    /// Of access tokens.
    pub(super) keys: KeySet,
    /// Published outside.
    pub(super) outside_keys: HashMap<KeySource, KeySet>,
    pub(super) certificate: Option<Shown>,
}

impl View for World {
    fn product(&self, base_path: &str) -> Option<Arc<Product>> {
        (base_path == "pay").then(|| {
            let p = &self.product;
            let upstream = |u: &Option<Upstream>| {
                u.as_ref().map(|u| Upstream { url: u.url.clone(), headers: Box::default(), origins: u.origins.clone(), ..*u })
            };
            Arc::new(Product {
                id: p.id,
                base_path: p.base_path.clone(),
                encoded_slashes: p.encoded_slashes,
                callable: p.callable,
                tiers: p.tiers.clone(),
                scopes: p.scopes.clone(),
                upstreams: [upstream(&p.upstreams[0]), upstream(&p.upstreams[1])],
                routes: p.routes.clone(),
            })
        })
    }

    fn client(&self, wanted: ClientId) -> Option<Arc<Client>> {
        let c = &self.client;
        (self.client_is_there && wanted == c.id).then(|| {
            Arc::new(Client {
                products: c.products.clone(),
                grants: c.grants.clone(),
                profiles: c.profiles.clone(),
                credentials: c.credentials.clone(),
                revoked_tokens: c.revoked_tokens.clone(),
                narrowed: c.narrowed.clone(),
                ..*c
            })
        })
    }

    fn key(&self, lookup: &Lookup) -> Option<(ClientId, u32)> {
        // A hint that is wrong for all but the first: the client is searched then.
        self.client.credentials.iter().find(|c| c.secrets.iter().any(|s| s.lookup == Some(*lookup)))?;
        Some((self.client.id, 0))
    }

    fn oauth_client(&self, id: CredentialId) -> Option<(ClientId, u32)> {
        self.client.credentials.iter().find(|c| c.id == id)?;
        Some((self.client.id, 0))
    }

    fn token_keys(&self) -> KeySet {
        self.keys.clone()
    }

    fn outside_keys(&self, source: &KeySource, _: DateTime<Utc>) -> Option<KeySet> {
        self.outside_keys.get(source).cloned()
    }

    fn products(&self) -> Vec<Arc<Product>> {
        self.product("pay").into_iter().collect()
    }

    fn team(&self, _: TeamId) -> Option<Arc<Team>> {
        self.team.as_ref().map(|team| Arc::new(Team { tier: team.tier, products: team.products.clone() }))
    }

    fn policy(&self, id: PolicyId) -> Option<Limits> {
        self.policies.get(&id).copied()
    }

    fn plan(&self, _: PlanId, _: Environment) -> Limits {
        self.plan
    }
}

fn profile(n: u128, name: &str, environment: Environment, auth_method: AuthMethod) -> Profile {
    Profile {
        id: id(n),
        name: name.into(),
        environment,
        auth_method,
        enabled: true,
        methods: Methods::NONE,
        allowlist: Allowlist::Anywhere,
        policy: None,
        outside: None,
    }
}

/// A credential of a kind in an environment, and what a caller presents for it.
pub(super) fn credential(n: u8, kind: AuthMethod, environment: Environment, profile: u16) -> (Credential, String) {
    let issued = issue(SecretKind::of(kind).unwrap(), environment, &[n; RANDOM_BYTES]);
    let secret = Secret {
        id: id(u128::from(n)),
        lookup: issued.lookup.as_deref().and_then(Lookup::parse),
        hash: issued.hash,
        valid_from: Moment(0),
        valid_until: Moment::NEVER,
        proof: None,
    };
    let credential = Credential {
        id: id::<CredentialId>(u128::from(n)),
        profile,
        kind,
        environment,
        status: CredentialStatus::Active,
        expires_at: Moment::NEVER,
        scopes: None,
        secrets: [secret].into(),
    };
    (credential, issued.secret.expose_secret().to_owned())
}

impl World {
    /// A production call with a token, to an endpoint that requires a scope.
    pub(super) fn token() -> Self {
        let mut routes = Routes::default();
        for (n, method, template, needs) in [
            (1, Method::Get, "/charges/{id}", &["read"][..]),
            (2, Method::Post, "/charges", &["write"]),
            (3, Method::Get, "/open", &[]),
        ] {
            let alternatives = if needs.is_empty() { Box::default() } else { [scopes(needs)].into() };
            routes.add(Endpoint { id: id::<EndpointId>(n), method, template: template.into(), scopes: alternatives });
        }
        let routes = Arc::new(routes);
        let upstream = || {
            Some(Upstream {
                backend: Backend::Upstream,
                url: "http://upstream.test/".parse().ok(),
                headers: Box::default(),
                timeout: std::time::Duration::from_secs(1),
                log_sink: LogSink::Database,
                origins: Default::default(),
            })
        };
        let (live, token) = credential(1, AuthMethod::Token, Environment::Production, 0);
        let (test, _) = credential(2, AuthMethod::Token, Environment::Sandbox, 1);
        let client = Client {
            id: id(7),
            team: id(8),
            enabled: true,
            policy: None,
            subscription: Some(Subscription {
                plan: id(9),
                product: id(10),
                status: SubscriptionStatus::Active,
                phase: None,
                awaits_payment: false,
                cancel_at: Moment::NEVER,
                expires_at: Moment::NEVER,
            }),
            products: Box::default(),
            grants: [scopes(&["read", "write"]), scopes(&["read", "write"])],
            profiles: [
                profile(11, "live", Environment::Production, AuthMethod::Token),
                profile(12, "test", Environment::Sandbox, AuthMethod::Token),
            ]
            .into(),
            credentials: [live, test].into(),
            revoked_tokens: Box::default(),
            narrowed: Box::default(),
        };
        Self {
            product: Product {
                id: id(10),
                base_path: "pay".into(),
                encoded_slashes: false,
                callable: true,
                tiers: Box::default(),
                scopes: scopes(&["read", "write"]),
                upstreams: [upstream(), upstream()],
                routes: [routes.clone(), routes],
            },
            client_id: Some(client.id.to_string()),
            client,
            team: None,
            policies: HashMap::new(),
            plan: Limits::UNLIMITED,
            client_is_there: true,
            method: "GET",
            path: "/pay/charges/42",
            framing: None,
            profile_id: Some("live"),
            api_key: None,
            bearer: Some(token),
            peer: "192.0.2.1",
            keys: KeySet::default(),
            outside_keys: HashMap::new(),
            certificate: None,
        }
    }

    /// The same with an API key alone.
    pub(super) fn key() -> Self {
        let mut world = Self::token();
        let (live, key) = credential(3, AuthMethod::ApiKey, Environment::Production, 0);
        let (test, _) = credential(4, AuthMethod::ApiKey, Environment::Sandbox, 1);
        world.client.credentials = [live, test].into();
        world.client.profiles.iter_mut().for_each(|p| p.auth_method = AuthMethod::ApiKey);
        (world.client_id, world.profile_id, world.bearer, world.api_key) = (None, None, None, Some(key));
        world
    }

    pub(super) fn admit(&self) -> Result<Admitted, Box<Denial>> {
        let call = Call {
            method: self.method,
            path: self.path,
            framing: self.framing,
            client_id: self.client_id.as_deref(),
            profile_id: self.profile_id,
            api_key: self.api_key.as_deref(),
            bearer: self.bearer.as_deref(),
            certificate: self.certificate.as_ref(),
            peer: self.peer.parse().unwrap(),
            now: now(),
            tokens: Expected { issuer: "https://portal.example", audience: "https://gateway.example" },
        };
        admit(self, &call)
    }

    pub(super) fn outcome(&self) -> String {
        match self.admit() {
            Ok(admitted) => format!("admitted to {}", admitted.endpoint().unwrap().template),
            Err(denial) => {
                let about = denial.about.as_deref().map(|about| format!(": {about}")).unwrap_or_default();
                format!("{:?} by {}{about}", denial.reason, denial.check.name())
            }
        }
    }
}

fn missing(scope: &str, lack: Lack) -> String {
    format!("ScopeMissing by scopes: {}", lack.about(scope))
}

fn with(mut world: World, change: impl FnOnce(&mut World)) -> String {
    change(&mut world);
    world.outcome()
}

pub(super) type Fault = (DenialReason, Check, fn(&mut World));

fn status(world: &mut World, status: SubscriptionStatus) {
    world.client.subscription.as_mut().unwrap().status = status;
}

/// What can be wrong with a call that carries a token, in the order of the checks.
pub(super) const TOKEN_FAULTS: &[Fault] = &[
    (DenialReason::MalformedRequest, Check::Route, |w| w.path = "/pay/a/../charges/42"),
    (DenialReason::RouteNotFound, Check::Route, |w| w.product.callable = false),
    (DenialReason::MethodNotAllowed, Check::Route, |w| w.method = "PUT"),
    (DenialReason::MalformedRequest, Check::Identity, |w| w.framing = Some("two Host headers")),
    (DenialReason::ClientIdMissing, Check::Identity, |w| w.client_id = None),
    (DenialReason::ClientUnknown, Check::Client, |w| w.client_is_there = false),
    (DenialReason::ProfileRequired, Check::Identity, |w| {
        w.profile_id = None;
        w.client.profiles[TEST].environment = Environment::Production;
    }),
    (DenialReason::ClientDisabled, Check::Client, |w| w.client.enabled = false),
    (DenialReason::ProfileUnknown, Check::Profile, |w| w.profile_id = Some("other")),
    (DenialReason::ProfileDisabled, Check::Profile, |w| w.client.profiles[LIVE].enabled = false),
    (DenialReason::SubscriptionInactive, Check::Subscription, |w| status(w, SubscriptionStatus::Suspended)),
    (DenialReason::ProductNotAssigned, Check::Product, |w| w.client.subscription.as_mut().unwrap().product = id(99)),
    (DenialReason::RouteNotFound, Check::Route, |w| w.product.upstreams[1] = None),
    (DenialReason::IpNotAllowed, Check::Network, |w| {
        w.client.profiles[LIVE].allowlist = Allowlist::Only(["10.0.0.0/8".parse().unwrap()].into());
    }),
    (DenialReason::MethodNotAllowed, Check::Method, |w| w.client.profiles[LIVE].methods = Methods::allowed(["POST"])),
    (DenialReason::CredentialInvalid, Check::Credential, |w| {
        let token = w.bearer.take().unwrap();
        w.bearer = Some(format!("{token}x"));
    }),
    (DenialReason::WrongEnvironment, Check::Credential, |w| w.client.credentials[LIVE].environment = Environment::Sandbox),
    (DenialReason::CredentialRevoked, Check::Credential, |w| w.client.credentials[LIVE].status = CredentialStatus::Revoked),
    (DenialReason::CredentialExpired, Check::Credential, |w| w.client.credentials[LIVE].expires_at = now().into()),
    (DenialReason::ScopeMissing, Check::Scopes, |w| w.client.grants[1] = scopes(&["write"])),
];

/// The same for an API key, where it differs.
pub(super) const KEY_FAULTS: &[Fault] = &[
    (DenialReason::MalformedRequest, Check::Identity, |w| w.bearer = Some("another".to_owned())),
    (DenialReason::CredentialInvalid, Check::Identity, |w| w.client.credentials[LIVE].secrets[0].lookup = None),
    (DenialReason::IdentityMismatch, Check::Identity, |w| w.client_id = Some("client_01h2xcejqtf2nbrexx3vqjhp41".to_owned())),
    (DenialReason::IdentityMismatch, Check::Identity, |w| w.profile_id = Some("test")),
    (DenialReason::ClientDisabled, Check::Client, |w| w.client.enabled = false),
    (DenialReason::ProfileDisabled, Check::Profile, |w| w.client.profiles[LIVE].enabled = false),
    (DenialReason::SubscriptionInactive, Check::Subscription, |w| {
        w.client.subscription.as_mut().unwrap().phase = Some(PipelinePhase::InReview);
    }),
    (DenialReason::ProductNotAssigned, Check::Product, |w| w.client.subscription.as_mut().unwrap().product = id(99)),
    (DenialReason::IpNotAllowed, Check::Network, |w| w.client.profiles[LIVE].allowlist = Allowlist::Only(Box::default())),
    (DenialReason::MethodNotAllowed, Check::Method, |w| w.client.profiles[LIVE].methods = Methods::allowed(["BREW"])),
    (DenialReason::CredentialInvalid, Check::Credential, |w| w.client.credentials[LIVE].secrets[0].hash = [0; 32]),
    (DenialReason::WrongEnvironment, Check::Credential, |w| w.client.credentials[LIVE].environment = Environment::Sandbox),
    (DenialReason::CredentialRevoked, Check::Credential, |w| w.client.credentials[LIVE].status = CredentialStatus::Revoked),
    (DenialReason::CredentialExpired, Check::Credential, |w| w.client.credentials[LIVE].secrets[0].valid_until = now().into()),
    (DenialReason::ScopeMissing, Check::Scopes, |w| w.client.credentials[LIVE].scopes = Some(scopes(&["write"]))),
];

#[test]
fn a_call_without_fault_is_admitted() {
    assert_eq!(World::token().outcome(), "admitted to /charges/{id}");
    assert_eq!(World::key().outcome(), "admitted to /charges/{id}");
    let world = World::key();
    let admitted = world.admit().unwrap();
    assert_eq!(&world.path[admitted.rest_at..], "/charges/42");
    assert_eq!(admitted.environment, Environment::Production);
    assert_eq!((admitted.profile().id, admitted.credential().unwrap().id), (id::<ProfileId>(11), id(3)));
    assert_eq!(admitted.secret(), Some(id(3)));
    assert_eq!(admitted.scopes().collect::<Vec<_>>(), ["read", "write"]);
    assert!(admitted.upstream().is_some());
}

#[test]
fn each_check_refuses_for_its_reason_and_of_two_the_earlier() {
    for (world, faults) in [(World::token as fn() -> World, TOKEN_FAULTS), (World::key, KEY_FAULTS)] {
        for (i, (reason, check, fault)) in faults.iter().enumerate() {
            for later in std::iter::once(None).chain(faults[i + 1..].iter().map(Some)) {
                // A profile cannot be missing from the headers and be named wrongly.
                let exclusive =
                    *reason == DenialReason::ProfileRequired && later.is_some_and(|l| l.0 == DenialReason::ProfileUnknown);
                if exclusive {
                    continue;
                }
                let mut broken = world();
                if let Some((_, _, also)) = later {
                    also(&mut broken);
                }
                fault(&mut broken);
                let denial = broken.admit().expect_err("a fault");
                assert_eq!((denial.reason, denial.check), (*reason, *check), "before {:?}", later.map(|l| (l.0, l.1)));
            }
        }
    }
}

#[test]
fn every_reason_before_the_limits_is_walked() {
    let after = [
        DenialReason::RateLimited,
        DenialReason::QuotaExhausted,
        DenialReason::Unavailable,
        DenialReason::RequestTooLarge,
        DenialReason::SchemaViolation,
        DenialReason::UpstreamUnreachable,
        DenialReason::UpstreamTimeout,
        DenialReason::LoopDetected,
        DenialReason::RequestTimeout,
        // Below: a call that presents nothing.
        DenialReason::CredentialMissing,
    ];
    for reason in crate::rules::denial::ALL {
        let walked = TOKEN_FAULTS.iter().chain(KEY_FAULTS).any(|fault| fault.0 == *reason);
        assert_ne!(walked, after.contains(reason), "{reason:?}");
    }
}

#[test]
fn calls_that_present_nothing() {
    let bare = |change: fn(&mut World)| {
        with(World::token(), |w| {
            w.bearer = None;
            change(w);
        })
    };
    assert_eq!(bare(|w| (w.client_id, w.profile_id) = (None, None)), "CredentialMissing by identity");
    assert_eq!(bare(|w| w.client_id = None), "CredentialMissing by identity");
    assert_eq!(bare(|w| w.profile_id = None), "CredentialMissing by identity");
    assert_eq!(bare(|_| ()), "CredentialMissing by credential");
    // A profile that asks for none.
    assert_eq!(bare(|w| w.client.profiles[LIVE].auth_method = AuthMethod::None), "admitted to /charges/{id}");
    let only = |w: &mut World| {
        w.profile_id = None;
        w.client.profiles[LIVE].auth_method = AuthMethod::None;
    };
    assert_eq!(bare(only), "admitted to /charges/{id}");
    let both = |w: &mut World| {
        w.profile_id = None;
        w.client.profiles.iter_mut().for_each(|p| p.auth_method = AuthMethod::None);
    };
    assert_eq!(bare(both), "ProfileRequired by identity: X-Profile-ID");
    // It takes none: one that is sent is not looked at in vain.
    let sent = with(World::token(), |w| w.client.profiles[LIVE].auth_method = AuthMethod::None);
    assert_eq!(sent, "CredentialInvalid by credential: the profile takes another kind of credential");
}

#[test]
fn which_profile_a_call_belongs_to() {
    let token = |change: fn(&mut World)| with(World::token(), change);
    assert_eq!(token(|w| w.profile_id = Some("prof_0000000000000000000000000b")), "admitted to /charges/{id}");
    // By the token's prefix.
    assert_eq!(token(|w| w.profile_id = None), "admitted to /charges/{id}");
    assert_eq!(token(|w| w.profile_id = Some("test")), "WrongEnvironment by credential");
    let own = |w: &mut World| {
        w.profile_id = None;
        w.bearer = Some("a-token-of-the-providers-own-making".to_owned());
    };
    assert_eq!(with(World::token(), own), "ProfileRequired by identity: X-Profile-ID");
    let only = |w: &mut World| {
        own(w);
        w.client.profiles[TEST].auth_method = AuthMethod::ApiKey;
        w.client.credentials[LIVE].secrets[0].hash = sha256("a-token-of-the-providers-own-making");
    };
    assert_eq!(with(World::token(), only), "admitted to /charges/{id}");
    let later_kind = token(|w| w.client.profiles[LIVE].auth_method = AuthMethod::SignedJwt);
    assert_eq!(later_kind, "CredentialInvalid by credential: the profile takes another kind of credential");
    // A key may come as a bearer, and headers that agree with it do no harm.
    let as_bearer = |w: &mut World| {
        w.bearer = w.api_key.take();
        (w.client_id, w.profile_id) = (Some(w.client.id.to_string()), Some("live"));
    };
    assert_eq!(with(World::key(), as_bearer), "admitted to /charges/{id}");
    let typo = |w: &mut World| w.api_key = Some(w.api_key.take().unwrap().replace("live", "test"));
    assert_eq!(
        with(World::key(), typo),
        "CredentialInvalid by identity: the key's checksum does not fit: a character was lost or changed"
    );
}

#[test]
fn subscriptions_in_force_and_open_lanes() {
    use SubscriptionStatus as S;
    let all = [
        S::PendingApproval,
        S::PendingPayment,
        S::PaymentFailed,
        S::Active,
        S::Suspended,
        S::PendingCancellation,
        S::Cancelled,
        S::Expired,
        S::Rejected,
    ];
    for state in all {
        let admitted = !with(World::token(), |w| status(w, state)).starts_with("SubscriptionInactive");
        assert_eq!(admitted, matches!(state, S::Active | S::PendingCancellation), "{state:?}");
    }
    for (phase, open) in [
        (None, true),
        (Some(PipelinePhase::Sandbox), false),
        (Some(PipelinePhase::InReview), false),
        (Some(PipelinePhase::Production), true),
        (Some(PipelinePhase::Rejected), false),
    ] {
        let lane = |production: bool| {
            with(World::token(), |w| {
                w.client.subscription.as_mut().unwrap().phase = phase;
                if !production {
                    w.client.profiles[LIVE].environment = Environment::Sandbox;
                    w.client.credentials[LIVE].environment = Environment::Sandbox;
                }
            })
        };
        assert_eq!(lane(true) == "admitted to /charges/{id}", open, "{phase:?}");
        assert_eq!(lane(false), "admitted to /charges/{id}", "{phase:?}");
    }
    let ends = |at: DateTime<Utc>| with(World::token(), |w| w.client.subscription.as_mut().unwrap().expires_at = at.into());
    assert_eq!(ends(now()), "SubscriptionInactive by subscription: it has expired");
    assert_eq!(ends(now() + TimeDelta::microseconds(1)), "admitted to /charges/{id}");
    let cancels = |at: DateTime<Utc>| with(World::token(), |w| w.client.subscription.as_mut().unwrap().cancel_at = at.into());
    assert_eq!(cancels(now()), "SubscriptionInactive by subscription: it was cancelled");
    assert_eq!(cancels(now() + TimeDelta::microseconds(1)), "admitted to /charges/{id}");
    let unpaid = |environment| {
        with(World::token(), |w| {
            w.client.subscription.as_mut().unwrap().awaits_payment = true;
            w.client.profiles[LIVE].environment = environment;
            w.client.credentials[LIVE].environment = environment;
        })
    };
    assert_eq!(unpaid(Environment::Production), "SubscriptionInactive by subscription: production waits for payment");
    assert_eq!(unpaid(Environment::Sandbox), "admitted to /charges/{id}");
}

#[test]
fn how_a_client_comes_by_a_product() {
    let by_hand = |change: fn(&mut World)| {
        with(World::token(), |w| {
            w.client.subscription = None;
            w.path = "/pay/open";
            change(w);
        })
    };
    assert_eq!(by_hand(|_| ()), "ProductNotAssigned by product");
    assert_eq!(by_hand(|w| w.client.products = [Assigned::whole(id(10))].into()), "admitted to /open");
    assert_eq!(by_hand(|w| w.team = Some(Team { tier: None, products: [Assigned::whole(id(10))].into() })), "admitted to /open");
    let tier = |w: &mut World| w.team = Some(Team { tier: Some(id::<TierId>(5)), products: Box::default() });
    assert_eq!(by_hand(tier), "ProductNotAssigned by product");
    assert_eq!(
        by_hand(|w| {
            w.team = Some(Team { tier: Some(id::<TierId>(5)), products: Box::default() });
            w.product.tiers = [(id::<TierId>(5), None)].into();
        }),
        "admitted to /open"
    );
}

#[test]
fn an_assignment_gives_all_scopes_or_those_that_it_names() {
    let assigned = |named: &[&str]| Assigned { product: id(10), scopes: Some(scopes(named)) };
    let held = |change: &dyn Fn(&mut World)| {
        let mut world = World::token();
        (world.client.subscription, world.path) = (None, "/pay/open");
        change(&mut world);
        world.admit().map(|admitted| admitted.scopes().collect::<Vec<_>>().join(" ")).unwrap_or_else(|_| "refused".to_owned())
    };
    assert_eq!(held(&|_| {}), "refused");
    assert_eq!(held(&|w| w.client.products = [Assigned::whole(id(10))].into()), "read write");
    assert_eq!(held(&|w| w.client.products = [assigned(&["read"])].into()), "read");
    assert_eq!(held(&|w| w.client.products = [assigned(&[])].into()), "");
    let both = |w: &mut World, team: Assigned| {
        w.client.products = [assigned(&["write"])].into();
        w.team = Some(Team { tier: Some(id(5)), products: [team].into() });
    };
    assert_eq!(held(&|w| both(w, assigned(&["read"]))), "read write");
    assert_eq!(held(&|w| both(w, Assigned::whole(id(10)))), "read write");
    let tier = |w: &mut World, named: Option<&[&str]>, of: u128| {
        both(w, assigned(&[]));
        w.product.tiers = [(id(of), named.map(scopes))].into();
    };
    assert_eq!(held(&|w| tier(w, Some(&["read"]), 5)), "read write");
    assert_eq!(held(&|w| tier(w, None, 5)), "read write");
    assert_eq!(held(&|w| tier(w, None, 6)), "write", "the tier of others");
    // The product of the client's own subscription: what the plan grants, whatever is assigned.
    let mut world = World::token();
    (world.client.grants, world.path) = ([scopes(&["read"]), scopes(&["read"])], "/pay/open");
    world.client.products = [Assigned::whole(id(10))].into();
    assert_eq!(world.admit().unwrap().scopes().collect::<Vec<_>>(), ["read"]);
    // The credential's part is a part of it.
    let part = |w: &mut World| {
        w.client.products = [Assigned::whole(id(10))].into();
        w.client.credentials[LIVE].scopes = Some(scopes(&["write", "admin"]));
    };
    assert_eq!(held(&part), "write");
}

#[test]
fn a_scope_that_is_missing_is_told_with_what_has_to_be_put_right_first() {
    type Row<'a> = (Lack, &'a dyn Fn(&mut World));
    let named = |w: &mut World, scopes_of: &[&str]| {
        w.client.subscription = None;
        w.client.grants = [scopes(&["read", "write"]), scopes(&["read", "write"])];
        w.client.products = [Assigned { product: id(10), scopes: Some(scopes(scopes_of)) }].into();
    };
    let restricted = |w: &mut World| w.client.credentials[LIVE].scopes = Some(scopes(&["write"]));
    let found = |w: &mut World| w.client.narrowed = [(id(1), scopes(&[]))].into();
    let granted = |w: &mut World, grants: &[&str]| w.client.grants[1] = scopes(grants);
    let rows: [Row<'_>; 8] = [
        (Lack::Assignment, &|w| named(w, &["write"])),
        (Lack::Assignment, &|w| (named(w, &["write"]), restricted(w), found(w)).0),
        (Lack::Credential, &|w| (named(w, &["read"]), restricted(w), found(w)).0),
        (Lack::Secret, &|w| (named(w, &["read"]), found(w)).0),
        (Lack::Grant, &|w| granted(w, &["write"])),
        // What is assigned besides gives the client of a subscription to the product nothing.
        (Lack::Grant, &|w| {
            granted(w, &["write"]);
            w.client.products = [Assigned::whole(id(10))].into();
            w.team = Some(Team { tier: None, products: [Assigned::whole(id(10))].into() });
        }),
        (Lack::Grant, &|w| (granted(w, &[]), restricted(w)).0),
        (Lack::Credential, &|w| (restricted(w), found(w)).0),
    ];
    for (n, (lack, change)) in rows.into_iter().enumerate() {
        assert_eq!(with(World::token(), change), missing("read", lack), "row {n}");
    }
    assert_eq!(with(World::token(), |w| named(w, &["read"])), "admitted to /charges/{id}");
}

#[test]
fn addresses_and_methods() {
    let from = |peer: &'static str, ranges: &[&str]| {
        with(World::token(), |w| {
            w.peer = peer;
            w.client.profiles[LIVE].allowlist = Allowlist::Only(ranges.iter().map(|r| r.parse().unwrap()).collect());
        })
    };
    assert_eq!(from("192.0.2.7", &["192.0.2.0/24"]), "admitted to /charges/{id}");
    assert_eq!(from("::ffff:192.0.2.7", &["10.0.0.0/8", "192.0.2.7/32"]), "admitted to /charges/{id}");
    assert_eq!(from("2001:db8::1", &["2001:db8::/32"]), "admitted to /charges/{id}");
    assert_eq!(from("2001:db9::1", &["2001:db8::/32"]), "IpNotAllowed by network: 2001:db9::1");
    assert_eq!(from("192.0.2.1", &["192.0.2.7/32"]), "IpNotAllowed by network: 192.0.2.1");
    let method = |method: &'static str, allowed: &[&str]| {
        with(World::token(), |w| {
            w.method = method;
            w.client.profiles[LIVE].methods = Methods::allowed(allowed);
        })
    };
    assert_eq!(method("HEAD", &["GET"]), "admitted to /charges/{id}");
    assert_eq!(method("HEAD", &[]), "admitted to /charges/{id}");
    assert_eq!(method("GET", &["POST", "PUT"]), "MethodNotAllowed by method: POST, PUT");
    assert_eq!(method("OPTIONS", &[]), "MethodNotAllowed by route: GET, HEAD");
    assert_eq!(method("get", &[]), "MethodNotAllowed by route: GET, HEAD");
    assert_eq!(with(World::token(), |w| w.path = "/payments/charges/42"), "RouteNotFound by route");
    assert_eq!(with(World::token(), |w| w.path = "/pay"), "RouteNotFound by route");
}

#[test]
fn endpoints_of_one_environment() {
    let sandbox_only = |w: &mut World| w.product.routes[1] = Arc::default();
    let outcome = with(World::token(), sandbox_only);
    assert_eq!(outcome, "RouteNotFound by route: the endpoint is not served in production");
    let mut world = World::token();
    sandbox_only(&mut world);
    let denial = world.admit().unwrap_err();
    assert!(denial.known.endpoint().is_none() && denial.known.environment() == Some(Environment::Production));
    // Who does not hold the product learns nothing of where it is served.
    world.client.subscription.as_mut().unwrap().product = id(99);
    assert_eq!(world.outcome(), "ProductNotAssigned by product");
}

#[test]
fn scopes_are_grants_of_which_a_credential_names_a_part() {
    let asked = |grants: &[&str], part: Option<&[&str]>, alternatives: &[&[&str]]| {
        with(World::token(), |w| {
            w.client.grants[1] = scopes(grants);
            w.client.credentials[LIVE].scopes = part.map(scopes);
            let mut routes = Routes::default();
            let alternatives = alternatives.iter().map(|set| scopes(set)).collect();
            routes.add(Endpoint { id: id(1), method: Method::Get, template: "/charges/{id}".into(), scopes: alternatives });
            w.product.routes = [Arc::new(routes), Arc::default()];
            w.product.routes[1] = w.product.routes[0].clone();
        })
    };
    let admitted = "admitted to /charges/{id}";
    assert_eq!(asked(&[], None, &[]), admitted);
    assert_eq!(asked(&["a"], None, &[&["a"]]), admitted);
    assert_eq!(asked(&["a"], None, &[&["a", "b"]]), missing("b", Lack::Grant));
    assert_eq!(asked(&["a", "b"], Some(&["a"]), &[&["a", "b"]]), missing("b", Lack::Credential));
    assert_eq!(asked(&["a"], Some(&["a", "b"]), &[&["b"]]), missing("b", Lack::Grant));
    assert_eq!(asked(&["c"], None, &[&["a", "b"], &["c"]]), admitted);
    assert_eq!(asked(&["b"], None, &[&["x", "y"], &["a", "b"]]), missing("a", Lack::Grant));
    assert_eq!(asked(&[], None, &[&["a"], &[]]), admitted);
}

#[test]
fn a_scope_of_one_environment_counts_there_alone() {
    let in_sandbox = |grants: [&[&str]; 2]| {
        with(World::token(), |w| {
            w.client.grants = grants.map(scopes);
            let test = credential(2, AuthMethod::Token, Environment::Sandbox, 1).1;
            (w.bearer, w.profile_id) = (Some(test), Some("test"));
        })
    };
    let in_production = |grants: [&[&str]; 2]| with(World::token(), |w| w.client.grants = grants.map(scopes));
    let admitted = "admitted to /charges/{id}";
    assert_eq!(in_sandbox([&["read"], &[]]), admitted);
    assert_eq!(in_production([&["read"], &[]]), missing("read", Lack::Grant));
    assert_eq!(in_production([&[], &["read"]]), admitted);
    assert_eq!(in_sandbox([&[], &["read"]]), missing("read", Lack::Grant));
    let mut world = World::token();
    world.client.grants = [scopes(&["read", "write"]), scopes(&["read"])];
    assert_eq!(world.admit().unwrap().scopes().collect::<Vec<_>>(), ["read"]);
}

#[test]
fn a_secret_that_was_found_in_public_may_use_what_is_left_to_it_and_others_may_all() {
    let narrowed = |secret: u128, left: &[&str]| {
        with(World::token(), |w| w.client.narrowed = [(id(0), scopes(&["read"])), (id(secret), scopes(left))].into())
    };
    let admitted = "admitted to /charges/{id}";
    assert_eq!(narrowed(1, &["read"]), admitted);
    assert_eq!(narrowed(1, &["write"]), missing("read", Lack::Secret));
    assert_eq!(narrowed(1, &[]), missing("read", Lack::Secret));
    assert_eq!(narrowed(2, &[]), admitted);
    let not_held = with(World::token(), |w| {
        (w.client.grants[1], w.client.narrowed) = (scopes(&["write"]), [(id(1), scopes(&["read"]))].into());
    });
    assert_eq!(not_held, missing("read", Lack::Grant), "what is left is no grant");
}

#[test]
fn secrets_of_a_rotation_overlap() {
    let older = |until: DateTime<Utc>| {
        with(World::token(), |w| {
            let fresh = credential(9, AuthMethod::Token, Environment::Production, 0).0.secrets[0].clone();
            let mut old = w.client.credentials[LIVE].secrets[0].clone();
            old.valid_until = until.into();
            w.client.credentials[LIVE].secrets = [old, fresh].into();
        })
    };
    assert_eq!(older(now() + TimeDelta::seconds(1)), "admitted to /charges/{id}");
    assert_eq!(older(now()), "CredentialExpired by credential");
    let early = with(World::token(), |w| w.client.credentials[LIVE].secrets[0].valid_from = Moment(i64::MAX));
    assert_eq!(early, "CredentialInvalid by credential");
    let unclaimed = with(World::token(), |w| w.client.credentials[LIVE].status = CredentialStatus::Unclaimed);
    assert_eq!(unclaimed, "CredentialInvalid by credential");
}

#[test]
fn the_nearest_limit_counts() {
    let limit = |n| Limits { rate: Some(RateLimit { requests: n, window: RateWindow::Minute }), quota: None };
    let limits = |change: fn(&mut World)| {
        let mut world = World::token();
        world.plan = Limits { rate: Some(RateLimit { requests: 3, window: RateWindow::Minute }), quota: None };
        for n in [1, 2] {
            let rate = Some(RateLimit { requests: n, window: RateWindow::Minute });
            world.policies.insert(id(u128::from(n)), Limits { rate, quota: None });
        }
        change(&mut world);
        world.admit().unwrap().limits
    };
    assert_eq!(limits(|_| ()), limit(3));
    assert_eq!(limits(|w| w.client.policy = Some(id(2))), limit(2));
    let both = |w: &mut World| (w.client.policy, w.client.profiles[LIVE].policy) = (Some(id(2)), Some(id(1)));
    assert_eq!(limits(both), limit(1));
    // A policy that is disabled is not in the view.
    let disabled = |w: &mut World| (w.client.policy, w.client.profiles[LIVE].policy) = (Some(id(2)), Some(id(99)));
    assert_eq!(limits(disabled), limit(2));
    let by_hand = |w: &mut World| {
        w.client.products = [Assigned::whole(id(10))].into();
        w.client.subscription = None;
        w.path = "/pay/open";
    };
    assert_eq!(limits(by_hand), Limits::UNLIMITED);
}

#[test]
fn a_denial_knows_what_was_established() {
    let mut world = World::key();
    world.client.profiles[LIVE].allowlist = Allowlist::Only(Box::default());
    let known = world.admit().unwrap_err().known;
    assert_eq!(known.client.as_ref().unwrap().id, world.client.id);
    assert_eq!((known.profile().unwrap().id, known.credential().unwrap().id), (id(11), id(3)));
    assert_eq!((known.environment(), known.endpoint().unwrap().id), (Some(Environment::Production), id(1)));
    world.path = "/other";
    let known = world.admit().unwrap_err().known;
    assert!(known.product.is_none() && known.client.is_none() && known.endpoint().is_none());
}
