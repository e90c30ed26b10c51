//! Access tokens and signed tokens, broken piece by piece.

use std::sync::Arc;

use chrono::TimeDelta;
use entities::{
    enums::{AuthMethod, CredentialStatus, Environment},
    id::TokenId,
};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::{
    keyring::sha256,
    rules::{
        admission::tests::{World, credential, now},
        certificate::{Certificate, Shown},
        jose::{KeySet, SigningKey, Typ, access_token::AccessToken, signed_jwt},
        key_source::KeySource,
        view::{Assigned, Moment, Outside, Proof},
    },
};

const ISSUER: &str = "https://portal.example";
const GATEWAY: &str = "https://gateway.example";

/// A world whose caller has a token of the production client, and the token's parts.
struct OAuth {
    world: World,
    key: SigningKey,
    client_id: String,
    proof: String,
    jti: String,
}

impl OAuth {
    fn new() -> Self {
        let (key, _) = SigningKey::generate().expect("a key");
        let mut world = World::token();
        let kind = AuthMethod::Oauth2ClientSecret;
        let (live, _) = credential(5, kind, Environment::Production, 0);
        let (test, _) = credential(6, kind, Environment::Sandbox, 1);
        let (client_id, proof) = (live.id.to_string(), live.secrets[0].id.to_string());
        world.client.credentials = [live, test].into();
        world.client.profiles.iter_mut().for_each(|profile| profile.auth_method = kind);
        world.keys = [key.public_key().clone()].into_iter().collect();
        (world.client_id, world.profile_id) = (None, None);
        let jti = TokenId(uuid::Uuid::from_u128(9)).to_string();
        let mut oauth = Self { world, key, client_id, proof, jti };
        oauth.present(|_| {});
        oauth
    }

    /// Presents a token that differs from a good one as said.
    fn present(&mut self, change: impl FnOnce(&mut AccessToken<'_>)) {
        let mut token = AccessToken {
            issuer: ISSUER,
            audience: GATEWAY,
            client_id: &self.client_id,
            issued_at: now() - TimeDelta::minutes(1),
            expires_at: now() + TimeDelta::minutes(9),
            jti: &self.jti,
            scope: "read",
            certificate: None,
            environment: Environment::Production,
            proof: &self.proof,
        };
        change(&mut token);
        self.world.bearer = Some(self.key.sign(Typ::AccessToken, &token).expect("a token"));
    }
}

#[test]
fn an_access_token_is_taken_as_long_as_all_holds_that_it_was_issued_for() {
    let outcome = |change: fn(&mut OAuth)| {
        let mut oauth = OAuth::new();
        change(&mut oauth);
        oauth.world.outcome()
    };
    let table = [
        ("good", outcome(|_| {})),
        ("without the scope", outcome(|o| o.present(|t| t.scope = "write"))),
        ("of another client in X-Client-ID", outcome(|o| o.world.client_id = Some("client_other".to_owned()))),
        ("expired", outcome(|o| o.present(|t| t.expires_at = now()))),
        ("for another audience", outcome(|o| o.present(|t| t.audience = "https://other.example"))),
        ("of another issuer", outcome(|o| o.present(|t| t.issuer = "https://other.example"))),
        ("of an unknown client", outcome(|o| o.present(|t| t.client_id = "cred_00000000000000000000000000"))),
        ("for the other environment", outcome(|o| o.present(|t| t.environment = Environment::Sandbox))),
        ("for a secret that is not there", outcome(|o| o.present(|t| t.proof = "secret_7zzzzzzzzzzzzzzzzzzzzzzzzz"))),
        ("signed with another key", outcome(|o| o.world.keys = Default::default())),
        ("revoked", outcome(|o| o.world.client.revoked_tokens = [TokenId(uuid::Uuid::from_u128(9))].into())),
        (
            "its secret found in public",
            outcome(|o| o.world.client.narrowed = [(o.world.client.credentials[0].secrets[0].id, [].into())].into()),
        ),
        ("its secret ended", outcome(|o| o.world.client.credentials[0].secrets[0].valid_until = Moment::from(now()))),
        ("its credential revoked", outcome(|o| o.world.client.credentials[0].status = CredentialStatus::Revoked)),
        ("its credential expired", outcome(|o| o.world.client.credentials[0].expires_at = Moment::from(now()))),
        ("the profile takes keys", outcome(|o| o.world.client.profiles[0].auth_method = AuthMethod::ApiKey)),
    ];
    let lines: String = table.map(|(name, outcome)| format!("{name}: {outcome}\n")).concat();
    insta::assert_snapshot!(lines);
}

#[test]
fn an_opaque_token_is_none_of_ours() {
    let mut oauth = OAuth::new();
    oauth.world.bearer = Some("pts_live_nonsense".to_owned());
    assert_eq!(oauth.world.outcome(), "ClientIdMissing by identity");
    oauth.world.client_id = Some(oauth.world.client.id.to_string());
    oauth.world.profile_id = Some("live");
    assert!(oauth.world.outcome().starts_with("CredentialInvalid by credential"), "{}", oauth.world.outcome());
}

#[test]
fn a_partners_own_token_is_taken_while_its_secret_works() {
    let mut world = World::token();
    let (mut live, text) = credential(7, AuthMethod::SignedJwt, Environment::Production, 0);
    let secret = SecretString::from(text);
    live.secrets[0].proof = Some(Box::new(Proof::Shared(secret.clone())));
    world.client.profiles[0].auth_method = AuthMethod::SignedJwt;
    world.client.credentials = [live].into();
    let client = world.client.id.to_string();
    world.bearer = Some(signed_jwt::make(&secret, &client, now()));
    assert!(world.outcome().starts_with("admitted"), "{}", world.outcome());
    world.profile_id = None;
    assert!(world.outcome().starts_with("admitted"), "the only profile of its kind: {}", world.outcome());
    world.bearer = Some(signed_jwt::make(&secret, "client_other", now()));
    assert!(world.outcome().starts_with("CredentialInvalid by credential: iss is client_other"), "{}", world.outcome());
    world.bearer = Some(signed_jwt::make(&secret, &client, now() - TimeDelta::minutes(5)));
    assert!(world.outcome().starts_with("CredentialExpired by credential"), "{}", world.outcome());
    world.bearer = Some(signed_jwt::make(&secret, &client, now()));
    world.client.credentials[0].secrets[0].valid_until = Moment::from(now());
    assert!(world.outcome().starts_with("CredentialInvalid by credential"), "{}", world.outcome());
}

/// A world whose caller has a token of an outside issuer, and the issuer's key.
fn outside() -> (World, SigningKey) {
    let (key, _) = SigningKey::generate().expect("a key");
    let mut world = World::token();
    let outside = Outside { issuer: "https://login.example".to_owned(), audience: "api://pay".to_owned() };
    let subject = |n: u8, environment, profile| {
        let (mut credential, _) = credential(n, AuthMethod::Token, environment, profile);
        credential.kind = AuthMethod::Oidc;
        credential.secrets[0].hash = sha256("program");
        credential
    };
    world.client.credentials = [subject(5, Environment::Production, 0), subject(6, Environment::Sandbox, 1)].into();
    for profile in &mut world.client.profiles {
        profile.auth_method = AuthMethod::Oidc;
        profile.outside = Some(Arc::new(outside.clone()));
    }
    let keys = [key.public_key().clone()].into_iter().collect();
    world.outside_keys.insert(KeySource::Issuer("https://login.example".into()), keys);
    world.bearer = Some(outside_token(&key, |_| {}));
    (world, key)
}

fn outside_token(key: &SigningKey, change: impl FnOnce(&mut Value)) -> String {
    let exp = (now() + TimeDelta::minutes(5)).timestamp();
    let mut claims = json!({ "iss": "https://login.example", "aud": "api://pay", "exp": exp, "sub": "u1", "azp": "program" });
    change(&mut claims);
    key.sign(Typ::Jwt, &claims).expect("a token")
}

#[test]
fn an_outside_token_is_taken_for_the_client_that_has_its_subject() {
    let outcome = |change: fn(&mut World, &SigningKey)| {
        let (mut world, key) = outside();
        change(&mut world, &key);
        world.outcome()
    };
    let claim = |world: &mut World, key: &SigningKey, name: &str, value: Value| {
        world.bearer = Some(outside_token(key, |claims| claims[name] = value));
    };
    let other = || SigningKey::generate().expect("a key").0;
    let table = [
        ("good", outcome(|_, _| {})),
        ("without X-Client-ID", outcome(|w, _| w.client_id = None)),
        ("of another program", outcome(|w, k| w.bearer = Some(outside_token(k, |c| c["azp"] = json!("another"))))),
        ("named by sub", outcome(|w, k| w.bearer = Some(outside_token(k, |c| c["sub"] = json!("program"))))),
        ("of another issuer", outcome(|w, k| w.bearer = Some(outside_token(k, |c| c["iss"] = json!("https://other.example"))))),
        ("for another audience", outcome(|w, k| w.bearer = Some(outside_token(k, |c| c["aud"] = json!("x"))))),
        ("expired", outcome(|w, k| w.bearer = Some(outside_token(k, |c| c["exp"] = json!(1))))),
        (
            "bound to a certificate",
            outcome(|w, k| w.bearer = Some(outside_token(k, |c| c["cnf"] = json!({ "x5t#S256": "A".repeat(43) })))),
        ),
        ("the issuer was never read", outcome(|w, _| w.outside_keys.clear())),
        ("its credential revoked", outcome(|w, _| w.client.credentials[0].status = CredentialStatus::Revoked)),
        ("its subject replaced", outcome(|w, _| w.client.credentials[0].secrets[0].valid_until = Moment::from(now()))),
        ("opaque", outcome(|w, _| w.bearer = Some("nonsense".to_owned()))),
    ];
    let lines: String = table.map(|(name, outcome)| format!("{name}: {outcome}\n")).concat();
    insta::assert_snapshot!(lines);

    // What other keys could change says so; what they could not does not.
    let wants = |world: &World| world.admit().expect_err("refused").wants;
    let (mut world, key) = outside();
    let issuer = Some(KeySource::Issuer("https://login.example".into()));
    world.bearer = Some(outside_token(&other(), |_| {}));
    assert_eq!(wants(&world), issuer);
    claim(&mut world, &key, "aud", json!("x"));
    assert_eq!(wants(&world), None);
    world.bearer = Some(outside_token(&other(), |claims| claims["iss"] = json!("https://other.example")));
    assert_eq!(wants(&world), None);
    // The name of its key is another key's among those that are known: it may have changed.
    world.bearer = Some(outside_token(&key, |_| {}));
    let mut renamed = other().public_jwk();
    renamed["kid"] = key.public_jwk()["kid"].clone();
    let known = KeySet::published(&json!({ "keys": [renamed] }).to_string()).expect("a set");
    world.outside_keys.insert(KeySource::Issuer("https://login.example".into()), known);
    assert_eq!(wants(&world), issuer);
    // A set whose keys have no names is tried whatever name a token has.
    let mut nameless = key.public_jwk();
    nameless.as_object_mut().expect("a key").remove("kid");
    let known = KeySet::published(&json!({ "keys": [other().public_jwk(), nameless] }).to_string()).expect("a set");
    world.outside_keys.insert(KeySource::Issuer("https://login.example".into()), known);
    assert!(world.outcome().starts_with("admitted"), "{}", world.outcome());
    world.outside_keys.clear();
    assert_eq!(wants(&world), issuer);
    // A client made by hand has the audience to itself.
    let (mut world, key) = outside();
    claim(&mut world, &key, "azp", json!("another"));
    world.client.subscription = None;
    world.client.products = [Assigned::whole(world.product.id)].into();
    world.path = "/pay/open";
    assert!(world.outcome().starts_with("admitted"), "{}", world.outcome());
}

#[test]
fn a_certificate_is_taken_where_it_is_registered_trusted_and_in_force() {
    let of = |n: u8| Certificate {
        thumbprint: [n; 32],
        not_before: now() - TimeDelta::days(1),
        not_after: now() + TimeDelta::days(1),
    };
    let certificates = || {
        let mut world = World::token();
        for (credential, profile) in world.client.credentials.iter_mut().zip(&mut world.client.profiles) {
            credential.kind = AuthMethod::Mtls;
            profile.auth_method = AuthMethod::Mtls;
        }
        world.client.credentials[0].secrets[0].hash = [1; 32];
        world.client.credentials[1].secrets[0].hash = [2; 32];
        world.bearer = None;
        world.certificate = Some(Shown { certificate: of(1), trusted: true });
        world
    };
    let outcome = |change: &dyn Fn(&mut World)| {
        let mut world = certificates();
        change(&mut world);
        world.outcome()
    };
    let shown = |certificate, trusted| move |world: &mut World| world.certificate = Some(Shown { certificate, trusted });
    let table = [
        ("good", outcome(&|_| {})),
        ("none", outcome(&|world| world.certificate = None)),
        ("another", outcome(&shown(of(3), true))),
        ("the sandbox's", outcome(&shown(of(2), true))),
        ("of no authority", outcome(&shown(of(1), false))),
        ("ended", outcome(&shown(Certificate { not_after: now(), ..of(1) }, true))),
        ("not begun", outcome(&shown(Certificate { not_before: now() + TimeDelta::seconds(1), ..of(1) }, true))),
        ("revoked", outcome(&|world| world.client.credentials[0].status = CredentialStatus::Revoked)),
        ("beside a token", outcome(&|world| world.bearer = Some("nonsense".to_owned()))),
        ("of no client", outcome(&|world| world.client_id = None)),
    ];
    let lines: String = table.map(|(name, outcome)| format!("{name}: {outcome}\n")).concat();
    insta::assert_snapshot!(lines);
    // An access token that is bound to a certificate comes with it.
    let mut oauth = OAuth::new();
    oauth.present(|token| token.certificate = Some([1; 32]));
    assert!(
        oauth.world.outcome().starts_with("CredentialInvalid by credential: the token is bound"),
        "{}",
        oauth.world.outcome()
    );
    oauth.world.certificate = Some(Shown { certificate: of(1), trusted: true });
    assert!(oauth.world.outcome().starts_with("admitted"), "{}", oauth.world.outcome());
}
