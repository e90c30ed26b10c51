//! Situations, and what is said of them.

use std::{fmt::Write, sync::Arc};

use entities::{
    enums::{Backend, LogSink, PipelinePhase, SubscriptionStatus},
    id::{ProductId, TypedId},
};
use uuid::Uuid;

use super::*;
use crate::rules::{
    method::{Method, Methods},
    routes::{Endpoint, Routes},
    view::{Credential, Moment, Product, Scopes, Secret, Subscription, Upstream},
};

fn id<T: TypedId>(n: u128) -> T {
    T::from_uuid(Uuid::from_u128(n))
}

fn now() -> DateTime<Utc> {
    "2026-01-01T12:00:00Z".parse().unwrap()
}

fn product(product: ProductId) -> Product {
    let upstream = || {
        let (url, timeout) = ("http://upstream.test/".parse().ok(), std::time::Duration::from_secs(1));
        Some(Upstream {
            backend: Backend::Upstream,
            url,
            headers: Box::default(),
            timeout,
            log_sink: LogSink::Database,
            origins: Default::default(),
        })
    };
    let mut routes = Routes::default();
    let needs: Arc<[Box<str>]> = ["book".into()].into();
    routes.add(Endpoint { id: id(1), method: Method::Get, template: "/shipments".into(), scopes: Box::default() });
    routes.add(Endpoint { id: id(2), method: Method::Post, template: "/shipments".into(), scopes: [needs].into() });
    let routes = Arc::new(routes);
    Product {
        id: product,
        base_path: "ship".into(),
        encoded_slashes: false,
        callable: true,
        tiers: Box::default(),
        scopes: ["book".into()].into(),
        upstreams: [upstream(), upstream()],
        routes: [routes.clone(), routes],
    }
}

fn profile(n: u128, environment: Environment) -> Profile {
    Profile {
        id: id(n),
        name: if environment == Environment::Sandbox { "sandbox".into() } else { "production".into() },
        environment,
        auth_method: AuthMethod::ApiKey,
        enabled: true,
        methods: Methods::NONE,
        allowlist: Allowlist::Anywhere,
        policy: None,
        outside: None,
    }
}

fn key(n: u128, profile: u16, environment: Environment) -> Credential {
    let secret =
        Secret { id: id(n), lookup: None, hash: [0; 32], valid_from: Moment(0), valid_until: Moment::NEVER, proof: None };
    Credential {
        id: id(n),
        profile,
        kind: AuthMethod::ApiKey,
        environment,
        status: CredentialStatus::Active,
        expires_at: Moment::NEVER,
        scopes: None,
        secrets: [secret].into(),
    }
}

fn client() -> Client {
    Client {
        id: id(7),
        team: id(8),
        enabled: true,
        policy: None,
        subscription: Some(Subscription {
            plan: id(9),
            product: id(10),
            status: SubscriptionStatus::Active,
            phase: Some(PipelinePhase::Sandbox),
            awaits_payment: false,
            cancel_at: Moment::NEVER,
            expires_at: Moment::NEVER,
        }),
        products: Box::default(),
        grants: <[Scopes; 2]>::default(),
        profiles: [profile(11, Environment::Sandbox), profile(12, Environment::Production)].into(),
        credentials: [key(1, 0, Environment::Sandbox), key(2, 1, Environment::Production)].into(),
        revoked_tokens: Box::default(),
        narrowed: Box::default(),
    }
}

/// A team that may work in the sandbox of a product that it is assigned to.
fn facts(change: impl FnOnce(&mut Facts, &mut Client, &mut Product)) -> Facts {
    let (mut client, mut product) = (client(), product(id(10)));
    let standing = Standing { product: Arc::new(self::product(id(10))), team: None, clients: Vec::new() };
    let mut facts = Facts {
        team: "Acme".into(),
        team_is_active: true,
        tier: Some("Gold".into()),
        status: ProductStatus::Published,
        visibility: Visibility::Assigned,
        reach: Reach { subscription: true, ..Reach::default() },
        standing,
        retired: Vec::new(),
        client_names: vec![(id(7), "Shop".into())],
        credential_names: vec![(id(1), "CI".into())],
    };
    change(&mut facts, &mut client, &mut product);
    facts.standing.product = Arc::new(product);
    if !facts.client_names.is_empty() {
        facts.standing.clients = vec![Arc::new(client)];
    }
    facts
}

fn post() -> Operation {
    Operation { id: id(2), status: EndpointStatus::Published, spec: id(20) }
}

fn told(out: &mut String, what: &str, explanation: &Explanation) {
    let Explanation { visible, callable, because } = explanation;
    let is = |is: &bool, word: &'static str| if *is { word.to_owned() } else { format!("not {word}") };
    let _ = writeln!(out, "{what}: {}, {}", is(visible, "visible"), is(callable, "callable"));
    because.iter().for_each(|sentence| out.push_str(&format!("  {sentence}\n")));
}

#[test]
fn situations_and_their_sentences() {
    let mut out = String::new();
    let mut of_product = |what: &str, facts: Facts| told(&mut out, what, &super::product(&facts, now()));
    of_product("sandbox work", facts(|_, _, _| {}));
    of_product("by every way", facts(|f, _, _| f.reach = Reach { tier: true, team: true, client: true, subscription: true }));
    of_product(
        "by none",
        facts(|f, _, _| {
            (f.reach, f.tier, f.client_names) = (Reach::default(), None, Vec::new());
        }),
    );
    of_product(
        "public, without a client",
        facts(|f, _, _| {
            (f.visibility, f.client_names) = (Visibility::Public, Vec::new());
        }),
    );
    of_product("for members, not approved", facts(|f, _, _| (f.visibility, f.team_is_active) = (Visibility::Members, false)));
    of_product(
        "a draft",
        facts(|f, _, p| {
            f.status = ProductStatus::Draft;
            p.callable = false;
        }),
    );
    of_product("suspended", facts(|_, c, _| c.subscription.as_mut().unwrap().status = SubscriptionStatus::Suspended));
    of_product(
        "another product",
        facts(|_, c, _| {
            c.enabled = false;
            c.subscription.as_mut().unwrap().product = id(99);
        }),
    );
    of_product(
        "in production, from some addresses",
        facts(|_, c, _| {
            c.subscription.as_mut().unwrap().phase = Some(PipelinePhase::Production);
            c.profiles[1].allowlist = Allowlist::Only(["192.0.2.0/24".parse().unwrap()].into());
            c.profiles[0].enabled = false;
        }),
    );
    of_product("from no address", facts(|_, c, _| c.profiles[0].allowlist = Allowlist::Only(Box::default())));
    of_product(
        "keys that do not work",
        facts(|_, c, _| {
            c.credentials[0].expires_at = now().into();
            c.credentials[1].profile = 0;
            c.credentials[1].environment = Environment::Sandbox;
            c.credentials[1].status = CredentialStatus::Unclaimed;
        }),
    );
    of_product("keys that were revoked", facts(|_, c, _| c.credentials[0].status = CredentialStatus::Revoked));
    of_product("without a credential", facts(|_, c, _| c.credentials = Box::default()));
    of_product("calls that need none", facts(|_, c, _| c.profiles[0].auth_method = AuthMethod::None));
    let mut of_endpoint = |what: &str, facts: Facts, of: Operation| told(&mut out, what, &operation(&facts, of, now()));
    of_endpoint("a scope that is not granted", facts(|_, _, _| {}), post());
    of_endpoint("a scope that is granted", facts(|_, c, _| c.grants[0] = ["book".into()].into()), post());
    of_endpoint("a method that is not allowed", facts(|_, c, _| c.profiles[0].methods = Methods::allowed(["GET"])), post());
    let draft = Operation { id: id(3), status: EndpointStatus::Draft, spec: id(20) };
    of_endpoint("an endpoint that is a draft", facts(|_, _, _| {}), draft);
    let old = Operation { id: id(3), status: EndpointStatus::Published, spec: id(21) };
    of_endpoint("an endpoint of a retired version", facts(|f, _, _| f.retired = vec![id(21)]), old);
    insta::assert_snapshot!(out);
}
