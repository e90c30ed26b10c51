//! Good tokens of every kind, and a corpus of bad ones, each of which is refused for its own reason.

mod corpus;
mod forge;
mod good;
mod key_sets;
mod keys;
mod mutations;
mod standards;

use std::sync::LazyLock;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::*;

const ISSUER: &str = "https://portal.example.com";
const GATEWAY: &str = "https://api.example.com";
const IDP: &str = "https://idp.example.org/realms/one";
const CLIENT: &str = "client_01k0000000000000000000000a";
/// What the partner signs HS256 with.
const SECRET: &[u8] = b"a test secret that everybody knows, of some length";

fn now() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn partner_jwks() -> Value {
    json!({ "keys": [
        keys::ec_jwk("ec", &keys::ec()),
        keys::rsa_jwk("rsa"),
        keys::with(keys::rsa_jwk("rsa-rs256"), "alg", "RS256"),
        keys::with(keys::rsa_jwk("rsa-ps256"), "alg", "PS256"),
        keys::ed25519_jwk("ed"),
    ]})
}

/// Read once: the tests check thousands of tokens.
fn partner_keys() -> KeySet {
    static KEYS: LazyLock<KeySet> = LazyLock::new(|| KeySet::registered(&partner_jwks(), "jwks").unwrap());
    KEYS.clone()
}

fn own_key() -> SigningKey {
    let jwk = KeySet::registered(&keys::without(keys::ec_jwk("", &keys::own()), "kid"), "").unwrap();
    SigningKey::from_pkcs8(jwk.keys()[0].thumbprint(), &keys::own_pkcs8()).unwrap()
}

fn own_keys() -> KeySet {
    static KEYS: LazyLock<KeySet> = LazyLock::new(|| [own_key().public_key().clone()].into_iter().collect());
    KEYS.clone()
}

/// One of the four checks, with what it expects in these tests.
type Check = fn(&str) -> Result<(), BadToken>;

fn assertion(token: &str) -> Result<(), BadToken> {
    let expected = assertion::Expected { client_id: CLIENT, issuer: ISSUER };
    assertion::check(&Jws::parse(token)?, &partner_keys(), expected, now()).map(drop)
}

fn access(token: &str) -> Result<(), BadToken> {
    let expected = access_token::Expected { issuer: ISSUER, audience: GATEWAY };
    access_token::check(&Jws::parse(token)?, &own_keys(), expected, now(), TimeDelta::zero()).map(drop)
}

fn signed(token: &str) -> Result<(), BadToken> {
    let expected = signed_jwt::Expected { client_id: CLIENT, audiences: &[GATEWAY, ISSUER] };
    signed_jwt::check(&Jws::parse(token)?, [SECRET], expected, now()).map(drop)
}

fn outside(token: &str) -> Result<(), BadToken> {
    static KEYS: LazyLock<KeySet> = LazyLock::new(|| KeySet::published(&partner_jwks().to_string()).unwrap());
    let expected = outside_token::Expected { issuer: IDP, audience: Some(GATEWAY) };
    outside_token::check(&Jws::parse(token)?, &KEYS, expected, now()).map(drop)
}
