//! Tokens: as they are, or of a header or a payload that is signed as it is, so that what comes after the signature is
//! reached. The first byte says which. What is accepted is looked at by an oracle that knows only the rules' outcome.
#![no_main]

use std::sync::LazyLock;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use chrono::{DateTime, TimeDelta, Utc};
use domain::rules::jose::{BadToken, Jws, KeySet, SigningKey, access_token, assertion, outside_token, signed_jwt};
use libfuzzer_sys::fuzz_target;
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use serde_json::{Value, json};

const ISSUER: &str = "https://portal.example.com";
const GATEWAY: &str = "https://api.example.com";
const CLIENT: &str = "client_01k0000000000000000000000a";
const SECRET: &[u8] = b"a test secret that everybody knows, of some length";
/// A test key, P-256 in PKCS#8: everybody knows it, and nothing may trust it.
const TEST_KEY: &str = "\
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg251ttntQEWus8RbDPoKkdhQna2TMvFNV1rLhfnXPg0yhRANCAATV15RxHHxEarLQGiAz0k\
    sB3fDVsYnFFlPtcj8qVzzSMmJvmLIMOrKczQyRn/cU1O8b7AH8Ni98dF5oY7WRtFZh";
const TEST_KID: &str = "0";

struct Signer {
    pair: EcdsaKeyPair,
    /// Of the key, named so.
    keys: KeySet,
}

static SIGNER: LazyLock<Signer> = LazyLock::new(|| {
    let pkcs8 = STANDARD.decode(TEST_KEY).expect("base64");
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8, &SystemRandom::new()).expect("a key");
    let (_, other) = SigningKey::generate().map(|(key, _)| ((), key.public_jwk())).expect("a key");
    let point = ring::signature::KeyPair::public_key(&pair).as_ref().to_vec();
    let (x, y) = point[1..].split_at(32);
    let own = json!({ "kty": "EC", "crv": "P-256", "kid": TEST_KID, "x": encoded(x), "y": encoded(y) });
    let keys = KeySet::registered(&json!({ "keys": [own, other] }), "jwks").expect("keys");
    Signer { pair, keys }
});

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_772_366_400, 0).expect("a time")
}

/// Which of the four checks take it.
fn accepted(text: &str) -> Vec<&'static str> {
    let jws = match Jws::parse(text) {
        Ok(jws) => jws,
        Err(error) => {
            told(&error);
            return Vec::new();
        }
    };
    let keys = &SIGNER.keys;
    let access = access_token::Expected { issuer: ISSUER, audience: GATEWAY };
    let mine = assertion::Expected { client_id: CLIENT, issuer: ISSUER };
    let outside = outside_token::Expected { issuer: ISSUER, audience: Some(GATEWAY) };
    let signed = signed_jwt::Expected { client_id: CLIENT, audiences: &[GATEWAY, ISSUER] };
    let outcomes = [
        ("access", access_token::check(&jws, keys, access, now(), TimeDelta::zero()).err()),
        ("assertion", assertion::check(&jws, keys, mine, now()).err()),
        ("outside", outside_token::check(&jws, keys, outside, now()).err()),
        ("signed", signed_jwt::check(&jws, [SECRET], signed, now()).err()),
    ];
    outcomes.iter().flat_map(|(_, error)| error).for_each(told);
    outcomes.into_iter().filter(|(_, error)| error.is_none()).map(|(name, _)| name).collect()
}

/// A refusal keeps to the characters and the length that an answer may have.
fn told(error: &BadToken) {
    let text = error.to_string();
    assert!(text.len() < 400 && text.bytes().all(|b| matches!(b, b' '..=b'!' | b'#'..=b'[' | b']'..=b'~')), "{text}");
}

/// What all that is accepted has to say, by a reader of its own.
fn holds(kind: &str, claims: &Value) {
    let exp = claims["exp"].as_f64().expect("exp");
    let now = now().timestamp() as f64;
    assert!(exp > now - 30.0, "expired");
    for from in ["nbf", "iat"] {
        // When a token of an outside issuer was made is nothing to go by.
        assert!(kind == "outside" || claims.get(from).is_none_or(|at| at.as_f64().expect("a time") <= now + 30.0), "{from}");
    }
    let aud = &claims["aud"];
    let meant = |who: &str| aud == who || aud.as_array().is_some_and(|list| list.iter().any(|one| one == who));
    match kind {
        "access" => {
            assert!(exp > now && claims["iss"] == ISSUER && claims["sub"] == claims["client_id"] && meant(GATEWAY));
            assert!(claims["jti"] != "" && claims["proof"].is_string() && claims["environment"].is_string());
        }
        "assertion" => {
            assert!(claims["iss"] == CLIENT && claims["sub"] == CLIENT && exp <= now + 330.0);
            assert!(aud == ISSUER || *aud == json!([ISSUER]), "{aud}");
            assert!(claims["jti"].as_str().is_some_and(|jti| (1..=256).contains(&jti.len())));
        }
        "outside" => assert!(claims["iss"] == ISSUER && meant(GATEWAY)),
        _ => assert!([&claims["iss"], &claims["sub"]].iter().any(|who| *who == CLIENT)),
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((mode, rest)) = data.split_first() else { return };
    let by_secret = mode & 1 == 1;
    let header = if by_secret {
        r#"{"alg":"HS256"}"#.to_owned()
    } else {
        let typ = if mode & 2 == 2 { r#""at+jwt""# } else { r#""JWT""# };
        format!(r#"{{"alg":"ES256","kid":"{TEST_KID}","typ":{typ}}}"#)
    };
    let claims = r#"{"iss":"client_01k0000000000000000000000a","iat":1772366400,"exp":1772366460}"#;
    let signed = match mode >> 6 {
        0 => {
            let Ok(text) = std::str::from_utf8(rest) else { return };
            let accepted = accepted(text);
            assert!(accepted.is_empty(), "{accepted:?} of a token that nobody signed: {text}");
            return;
        }
        1 => format!("{}.{}", encoded(header), encoded(rest)),
        _ => format!("{}.{}", encoded(rest), encoded(claims)),
    };
    let signature = if by_secret {
        encoded(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), signed.as_bytes()))
    } else {
        encoded(SIGNER.pair.sign(&SystemRandom::new(), signed.as_bytes()).expect("a signature"))
    };
    let text = format!("{signed}.{signature}");
    let kinds = accepted(&text);
    if let Some(kind) = kinds.first() {
        let payload = URL_SAFE_NO_PAD.decode(text.split('.').nth(1).expect("a payload")).expect("base64");
        let claims = serde_json::from_slice(&payload).expect("JSON");
        kinds.iter().for_each(|kind| holds(kind, &claims));
        let wrong = format!("{signed}.{}", encoded([1; 64]));
        assert!(accepted(&wrong).is_empty(), "{kind} with another signature");
    }
});
