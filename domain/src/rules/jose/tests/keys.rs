//! Keys for the tests. TEST KEYS: everybody knows them, and nothing outside of these tests may trust them.

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::{
    rand::SystemRandom,
    rsa::PublicKeyComponents,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair},
};
use serde_json::{Value, json};

use super::encode;

/// A test key of 2048 bits, PKCS#8.
const TEST_RSA: &str = "\
    MIIEvAIBADANBgkqhkiG9w0BAQEFAASCBKYwggSiAgEAAoIBAQCXycyKsHohI5KqxwXgwiwsVtrN0Wz/3sajcmqNN1VqUznF0igE3NgTD8nc/8Z7YRF55U\
    iATXAv18IssQVmQutRtqVVRrDGlFBrgf2ab2hhsJLm2AVfLGb5XxyROHeXn0EpU3yetOTKjFHjuAmyope1csfKnX9a25oap+2/CHkK1yenAWyRcaTpZ8cN\
    B/P7yiPj0KKkDx5LKv/8PUXba5qTjWRv4dsvrhHZGdZD34NPQTt8CZ/BHVHLBiYA2CkO7GsvnVRGoVft9NOeSagwPY+vIca4IRlmMN02mv7PeCntwFN+Ri\
    5TbQ9q+gZYy+P+HXREsS/TAoYdgCnAk3aWi457AgMBAAECggEABN3BJXuxD840pwlmQ3xT3O4LDnaVt11uz9rKaLYqyThbaQQYln7AClqwuiK5YKLOGtdm\
    4rWPtR6q5DKeq1aM44Bm4veASKM7n166JXWQwXvfEcv3TB8tg/Zwk4VLR6pYB2KBLKWqbqqDsm96F4thC+KDgs7qQEE7qHnUezZ1QUJzygTWkvrku4p2Sl\
    l2dFLe3GFlgErHlGfob9ExKuJ8jsVZqDTjAWmm37ipGothCCw6kA5FCTF17ywgNqTw0SfQXZM1tEMZRBT3tu0q+tZ0wVJ25kD+v93KyprztRdECXxojlQa\
    0eJjaIQ4S2wU9gYVhVLEJ/ObgNoJ0RkBOD3q8QKBgQDN24mhKuIzv4as8tBk0HSUideGVQHEFvfnZUixMntSYzd1a0wqfj8D6K5efB2DFrEShBWeY2NoK7\
    sqcq65NrUed7PQdyaDyINYRInCH+A/Tl7tXgri3q1mHoi+At7JwqNbJBzkVxAIJy3gyvP0FYP0IWUacAg1Z2cCAKPygS7VawKBgQC8wrbutq85y0wKFe4u\
    g2DMmVfo66NN0q76F8ePzY9Eed7FjLiZLzwJf6Z4QFukznwbCzmF1LksuVD+Mbm4fGIJqpHm80O+ZIv0hvnqd4wA0M/pUk07tQZ/FBli5rYmVQZjqqmJT3\
    pq71qGf1MQinQLwTJDneQymFZlPNHlSKZfMQKBgAxxHWNhTSSlicVAM7o0IyerIRycXKv2W2tf4sHa9DsphfuRzZuv360jzg4l4D7BC1i8JPZauXJdWkWZ\
    gtfs54t83qBV4z0JzG50TgMunAYXfYNJMM0/eil25Pre/4ogOnFSwHBIls53V72DZrU067HApvSvGr/njQFA+qe4iRUbAoGAH4PrAwQhUWbt9SkgMUfiG4\
    bmtI7THyUz7bGWsh3B887dMOKD15+ZSIS1iJJGOsf21JUVL5EKsbrnGOm4dmLeA3slDQhEoT8sVtFKXKlFCMXUUMJa/sMEqKb0bhzTAKdlf7J4x+IrMDty\
    Q85yUeqr4WKKP9vWw9PHaPO0n7F3haECgYAvPKNjyj7IwdiqLRkRZd22H5n2fbAJ4JO9IRXwp0dIWwvXJCNhEoEfAf7uJxTIhH1YWkJHMJoMzoYRr9K64j\
    ywbUbl1z1Kr4Fy3xnm+mWWSXjscGTl0xnezHsARfm7orAb1cI8YmIg+9oYtRrt3PnA2Z3XZwT15oVw0KHZcVaX6w==";
/// A test key of P-256, PKCS#8: a partner's.
const TEST_EC: &str = "\
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgzEHYQ8/pSaEhP+xCAUlSuMoOKuxPQmsCO4CsbxFIGGuhRANCAARFQ4RiAwnHZkHP1j1/NG\
    q0PILEnkahlVKlJyBC+eiNhEvG5A8V4wWnabQLo8o6jyBH+C8YazHOnEmT7on+reAj";
/// A test key of P-256, PKCS#8: ours.
const TEST_EC_OWN: &str = "\
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg251ttntQEWus8RbDPoKkdhQna2TMvFNV1rLhfnXPg0yhRANCAATV15RxHHxEarLQGiAz0k\
    sB3fDVsYnFFlPtcj8qVzzSMmJvmLIMOrKczQyRn/cU1O8b7AH8Ni98dF5oY7WRtFZh";
const TEST_ED25519_SEED: [u8; 32] = *b"a test key, known to everybody!!";

fn pkcs8(key: &str) -> Vec<u8> {
    STANDARD.decode(key).unwrap()
}

pub fn rsa() -> RsaKeyPair {
    RsaKeyPair::from_pkcs8(&pkcs8(TEST_RSA)).unwrap()
}

pub fn ec() -> EcdsaKeyPair {
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8(TEST_EC), &SystemRandom::new()).unwrap()
}

pub fn own_pkcs8() -> Vec<u8> {
    pkcs8(TEST_EC_OWN)
}

pub fn own() -> EcdsaKeyPair {
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &own_pkcs8(), &SystemRandom::new()).unwrap()
}

pub fn ed25519() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&TEST_ED25519_SEED).unwrap()
}

pub fn rsa_jwk(kid: &str) -> Value {
    let PublicKeyComponents { n, e } = PublicKeyComponents::<Vec<u8>>::from(rsa().public());
    json!({ "kty": "RSA", "kid": kid, "n": encode(n), "e": encode(e) })
}

pub fn ec_jwk(kid: &str, pair: &EcdsaKeyPair) -> Value {
    let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
    json!({ "kty": "EC", "kid": kid, "crv": "P-256", "x": encode(x), "y": encode(y) })
}

pub fn ed25519_jwk(kid: &str) -> Value {
    json!({ "kty": "OKP", "kid": kid, "crv": "Ed25519", "x": encode(ed25519().public_key()) })
}

/// The JWK with one more member, or another value for it.
pub fn with(mut jwk: Value, member: &str, value: impl Into<Value>) -> Value {
    jwk[member] = value.into();
    jwk
}

pub fn without(mut jwk: Value, member: &str) -> Value {
    jwk.as_object_mut().unwrap().shift_remove(member).unwrap();
    jwk
}

/// The RSA key as PKCS#1, DER.
pub fn rsa_pkcs1() -> Vec<u8> {
    rsa().public().as_ref().to_vec()
}

/// The RSA key as SubjectPublicKeyInfo, DER.
pub fn rsa_spki() -> Vec<u8> {
    let head = b"\x30\x82\x01\x22\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00\x03\x82\x01\x0f\x00";
    [&head[..], &rsa_pkcs1()].concat()
}

pub fn rsa_pem() -> String {
    let body = STANDARD.encode(rsa_spki());
    let lines: Vec<_> = body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
}
