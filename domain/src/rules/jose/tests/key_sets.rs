//! Key sets: what a person is told about a bad one, what is passed over in a published one, and who may have signed what.

use super::{
    keys::{ec, ec_jwk, ed25519_jwk, own, rsa_jwk, with, without},
    *,
};

fn told(jwks: &Value) -> String {
    match KeySet::registered(jwks, "jwks") {
        Ok(keys) => format!("{} accepted", keys.keys().len()),
        Err(problems) => problems.iter().map(|p| format!("{} {}", p.path.join("."), p.message)).collect::<Vec<_>>().join("\n  "),
    }
}

/// An RSA key of this modulus, big-endian.
fn modulus(n: &[u8]) -> Value {
    with(rsa_jwk("rsa"), "n", encode(n))
}

fn odd(bytes: usize) -> Vec<u8> {
    let mut n = vec![0xc5; bytes];
    n[3] = 7;
    n
}

type Rows = Vec<(&'static str, Value)>;

fn bad_keys() -> Rows {
    [bad_in_general(), bad_curves(), bad_rsa()].concat()
}

fn bad_in_general() -> Rows {
    let rsa = || rsa_jwk("rsa");
    let elliptic = || ec_jwk("ec", &ec());
    let edwards = || ed25519_jwk("ed");
    vec![
        ("not an object", "key".into()),
        ("nothing in it", json!({})),
        ("RSA, private", with(rsa(), "d", "AQ")),
        ("RSA, a prime", with(rsa(), "p", "AQ")),
        ("EC, private", with(elliptic(), "d", "AQ")),
        ("EC, private and null", with(elliptic(), "d", Value::Null)),
        ("Ed25519, private", with(edwards(), "d", "AQ")),
        ("a shared secret", json!({ "kty": "oct", "k": encode(SECRET) })),
        ("a shared secret without itself", json!({ "kty": "oct" })),
        ("kty a number", with(rsa(), "kty", 1)),
        ("kty in lower case", with(rsa(), "kty", "rsa")),
        ("kty of later times", json!({ "kty": "AKP", "alg": "ML-DSA-44", "pub": "AQ" })),
        ("use enc", with(elliptic(), "use", "enc")),
        ("use null", with(elliptic(), "use", Value::Null)),
        ("key_ops without verify", with(elliptic(), "key_ops", json!(["sign"]))),
        ("key_ops a text", with(elliptic(), "key_ops", "verify")),
        ("kid a number", with(elliptic(), "kid", 1)),
        ("kid empty", with(elliptic(), "kid", "")),
        ("kid of 201 bytes", with(elliptic(), "kid", "k".repeat(201))),
        ("kid with a line end", with(elliptic(), "kid", "a\nb")),
        ("alg of another kind", with(elliptic(), "alg", "RS256")),
        ("alg HS256 for an RSA key", with(rsa(), "alg", "HS256")),
        ("alg none", with(edwards(), "alg", "none")),
        ("alg a number", with(rsa(), "alg", 256)),
        ("alg for encryption", with(rsa(), "alg", "RSA-OAEP-256")),
    ]
}

fn bad_curves() -> Rows {
    let elliptic = || ec_jwk("ec", &ec());
    let edwards = || ed25519_jwk("ed");
    let x_of = |jwk: Value| jwk["x"].as_str().unwrap().to_owned();
    vec![
        ("P-384", with(elliptic(), "crv", "P-384")),
        ("secp256k1", with(elliptic(), "crv", "secp256k1")),
        ("crv missing", without(elliptic(), "crv")),
        ("x missing", without(elliptic(), "x")),
        ("y missing", without(elliptic(), "y")),
        ("x short", with(elliptic(), "x", encode([1; 31]))),
        ("y long", with(elliptic(), "y", encode([1; 33]))),
        ("x padded", with(elliptic(), "x", format!("{}=", x_of(elliptic())))),
        ("off the curve", with(elliptic(), "y", x_of(elliptic()))),
        ("the point at infinity", with(with(elliptic(), "x", encode([0; 32])), "y", encode([0; 32]))),
        ("x beyond the field", with(elliptic(), "x", encode([0xff; 32]))),
        ("Ed448", with(edwards(), "crv", "Ed448")),
        ("X25519", with(edwards(), "crv", "X25519")),
        ("Ed25519, short", with(edwards(), "x", encode([1; 31]))),
        ("Ed25519 of zeros", with(edwards(), "x", encode([0; 32]))),
        ("Ed25519 of zeros with a sign", with(edwards(), "x", encode([&[0; 31][..], &[0x80]].concat()))),
    ]
}

fn bad_rsa() -> Rows {
    let rsa = || rsa_jwk("rsa");
    vec![
        ("n missing", without(rsa(), "n")),
        ("e missing", without(rsa(), "e")),
        ("n empty", modulus(&[])),
        ("n in the standard alphabet", with(rsa(), "n", "++//")),
        ("RSA of 512 bits", modulus(&odd(64))),
        ("RSA of 1024 bits", modulus(&odd(128))),
        ("RSA of 2047 bits", modulus(&[&[0x45][..], &odd(255)].concat())),
        ("RSA of 4104 bits", modulus(&odd(513))),
        ("RSA of 16384 bits", modulus(&odd(2_048))),
        ("a zero byte before n", modulus(&[&[0][..], &odd(256)].concat())),
        ("n even", modulus(&[&odd(255)[..], &[2]].concat())),
        ("ROCA", modulus(&roca())),
        ("e = 1", with(rsa(), "e", "AQ")),
        ("e = 2", with(rsa(), "e", "Ag")),
        ("e = 65536", with(rsa(), "e", encode([1, 0, 0]))),
        ("e = 2^33 + 1", with(rsa(), "e", encode([2, 0, 0, 0, 1]))),
        ("e as large as n", with(rsa(), "e", encode(odd(256)))),
        ("e empty", with(rsa(), "e", "")),
        ("a zero byte before e", with(rsa(), "e", encode([0, 1, 0, 1]))),
        ("e a number", with(rsa(), "e", 65_537)),
    ]
}

/// A modulus of the ROCA family as far as its remainders go: a multiple of all the primes, plus 1, which is a power of 65537
/// modulo each.
fn roca() -> Vec<u8> {
    let primes = (3..=167u32).filter(|n| (2..*n).all(|d| n % d != 0));
    // Little-endian.
    let mut product = vec![1u32];
    for prime in primes {
        let mut carry = 0;
        for digit in &mut product {
            let sum = *digit * prime + carry;
            (*digit, carry) = (sum & 0xff, sum >> 8);
        }
        product.extend((carry > 0).then_some(carry));
    }
    let mut n: Vec<u8> = product.iter().rev().map(|digit| *digit as u8).collect();
    // Times powers of 2, up to 2048 bits.
    while n[0] < 0x80 {
        let mut carry = 0;
        for byte in n.iter_mut().rev() {
            let doubled = u16::from(*byte) * 2 + carry;
            (*byte, carry) = (doubled as u8, doubled >> 8);
        }
    }
    n.resize(256, 0);
    n[255] = 1;
    n
}

#[test]
fn a_bad_key_is_named_with_what_would_fix_it() {
    let told: Vec<_> = bad_keys().iter().map(|(name, jwk)| format!("{name}\n  {}", told(&json!({ "keys": [jwk] })))).collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn each_bad_key_is_passed_over_where_it_is_published() {
    let mut taken = Vec::new();
    for (name, jwk) in bad_keys() {
        let text = json!({ "keys": [jwk, ed25519_jwk("good"), jwk] }).to_string();
        let keys = KeySet::published(&text).unwrap();
        let names: Vec<_> = keys.keys().iter().map(PublicKey::name).collect();
        assert!(names.contains(&"good"), "{name}");
        taken.extend((names != ["good"]).then_some(name));
    }
    // What differs in its writing alone is bad where a partner registers it, and no reason to refuse a provider's tokens.
    let written_otherwise = [
        "EC, private and null",
        "use null",
        "key_ops a text",
        "kid a number",
        "x padded",
        "a zero byte before n",
        "a zero byte before e",
    ];
    assert_eq!(taken, written_otherwise);
}

#[test]
fn a_bad_set_is_refused_as_a_whole() {
    // What some publish beside, or instead: unknown kinds and algorithms, members that are null, padding, zero bytes, a mark.
    let padded = |jwk: Value, member: &str, text: &dyn Fn(&str) -> String| {
        let told = jwk[member].as_str().unwrap().to_owned();
        with(jwk, member, text(&told))
    };
    let decode = |text: &str| base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, text).unwrap();
    let zero = |text: &str| encode([&[0][..], &decode(text)].concat());
    let keys = json!({ "keys": [
        { "kty": "oct", "kid": "secret", "k": "AAAA" }, { "kty": "EC", "crv": "secp256k1", "kid": "k1", "x": "AA", "y": "AA" },
        with(rsa_jwk("r"), "alg", "RS512"), { "kty": 7 }, "nonsense", null,
        with(with(with(ec_jwk("a", &ec()), "use", Value::Null), "alg", Value::Null), "x5c", json!(["MIIB"])),
        padded(ec_jwk("b", &own()), "x", &|text| format!("{}==", text.replace('-', "+").replace('_', "/"))),
        with(padded(rsa_jwk("r"), "n", &zero), "kid", 7), with(ec_jwk("c", &ec()), "key_ops", "verify"),
    ] });
    let read = KeySet::published(&format!("\u{feff}{keys}")).unwrap();
    assert_eq!(read.keys().iter().map(PublicKey::name).collect::<Vec<_>>(), ["a", "b", "7", "c"]);
    let many: Vec<_> = (0..17).map(|n| ed25519_jwk(&n.to_string())).collect();
    let two_faults = json!([with(rsa_jwk("a"), "e", "AQ"), ec_jwk("b", &ec()), with(ed25519_jwk("c"), "d", "AQ")]);
    let told = [
        ("null", Value::Null),
        ("a text", partner_jwks().to_string().into()),
        ("a list", json!([ec_jwk("ec", &ec())])),
        ("keys an object", json!({ "keys": {} })),
        ("no keys", json!({ "keys": [] })),
        ("17 keys", json!({ "keys": many })),
        ("16 keys", json!({ "keys": many[1..] })),
        ("two bad keys", json!({ "keys": two_faults })),
        ("one kid twice", json!({ "keys": [ec_jwk("a", &ec()), ec_jwk("a", &own())] })),
        ("a key twice", json!({ "keys": [without(ed25519_jwk("a"), "kid"), without(ed25519_jwk("a"), "kid")] })),
        ("a key on its own", ec_jwk("a", &ec())),
        ("a bad key on its own", with(ec_jwk("a", &ec()), "d", "AQ")),
        ("something that has both", with(json!({ "kty": "EC" }), "keys", json!([ec_jwk("a", &ec())]))),
        (
            "all members that may be there",
            with(with(with(ec_jwk("a", &ec()), "use", "sig"), "key_ops", json!(["verify"])), "x5c", 1),
        ),
    ]
    .map(|(name, jwks)| format!("{name}\n  {}", told(&jwks)));
    insta::assert_snapshot!(told.join("\n"), @"
    null
      jwks must be a JWKS: an object with keys, a list of public keys as JWKs (RFC 7517)
    a text
      jwks must be a JWKS: an object with keys, a list of public keys as JWKs (RFC 7517)
    a list
      jwks must be a JWKS: an object with keys, a list of public keys as JWKs (RFC 7517)
    keys an object
      jwks.keys must be a list of public keys as JWKs
    no keys
      jwks.keys must have one key at least
    17 keys
      jwks.keys has 17 keys; at most 16 can be registered: leave out those out of use
    16 keys
      16 accepted
    two bad keys
      jwks.keys.0.e must be an odd number from 3 to 2^33, such as AQAB (65537)
      jwks.keys.2.d is secret, and must stay where the key is used: treat this key as leaked, make a new pair, and register its public half only, without d, p, q, dp, dq, qi, oth and k
    one kid twice
      jwks.keys.1.kid names an earlier key of the set as well: give each key its own
    a key twice
      jwks.keys.1 stands in the set already: leave it out
    a key on its own
      1 accepted
    a bad key on its own
      jwks.d is secret, and must stay where the key is used: treat this key as leaked, make a new pair, and register its public half only, without d, p, q, dp, dq, qi, oth and k
    something that has both
      1 accepted
    all members that may be there
      1 accepted
    ");
}

#[test]
fn a_published_set_may_be_odd_but_not_anything() {
    assert_eq!(KeySet::published("{}"), Err(BadKeySet::NotASet));
    assert_eq!(KeySet::published(r#"{"keys":{}}"#), Err(BadKeySet::NotASet));
    assert_eq!(KeySet::published("[]"), Err(BadKeySet::NotASet));
    assert_eq!(KeySet::published(""), Err(BadKeySet::NotJson));
    assert_eq!(KeySet::published("<html>"), Err(BadKeySet::NotJson));
    assert_eq!(KeySet::published(&"[".repeat(100_000)), Err(BadKeySet::NotJson));
    assert_eq!(KeySet::published(&" ".repeat(262_145)), Err(BadKeySet::TooLarge(262_145)));
    assert_eq!(KeySet::published(r#"{"keys":[]}"#).unwrap().keys(), []);
    // One kid for two keys, as while an issuer changes them: both may have signed.
    let text = json!({ "keys": [ec_jwk("a", &ec()), ec_jwk("a", &own())] }).to_string();
    assert_eq!(KeySet::published(&text).unwrap().candidates(Some("a")).count(), 2);
    let many: Vec<_> = (0..70).map(|n| ed25519_jwk(&n.to_string())).collect();
    assert_eq!(KeySet::published(&json!({ "keys": many }).to_string()).unwrap().keys().len(), 64);
}

#[test]
fn a_name_chooses_the_keys_that_are_tried() {
    let nameless = without(ed25519_jwk("x"), "kid");
    let jwks = json!({ "keys": [ec_jwk("a", &ec()), nameless, ec_jwk("b", &own())] });
    let keys = KeySet::registered(&jwks, "").unwrap();
    let thumbprint = keys.keys()[1].thumbprint();
    let chosen = |kid| keys.candidates(kid).map(PublicKey::name).collect::<Vec<_>>();
    assert_eq!(chosen(None), ["a", thumbprint, "b"]);
    assert_eq!(chosen(Some("a")), ["a"]);
    assert_eq!(chosen(Some(thumbprint)), [thumbprint]);
    // A key that has a name is not found by its thumbprint. One without is tried for names that no key has.
    assert_eq!((chosen(Some(keys.keys()[0].thumbprint())), chosen(Some("c"))), (vec![thumbprint], vec![thumbprint]));
}

#[test]
fn a_set_is_written_as_it_was_read_without_what_is_not_needed() {
    let keys = partner_keys();
    assert_eq!(KeySet::registered(&keys.to_json(), "").as_ref(), Ok(&keys));
    let more = with(with(ec_jwk("a", &ec()), "x5c", json!(["MIIB"])), "name", "production");
    let written = KeySet::registered(&more, "").unwrap().to_json();
    assert_eq!(written, json!({ "keys": [with(with(ec_jwk("a", &ec()), "use", "sig"), "alg", "ES256")] }));
    let shown = format!("{keys:?}");
    assert!(shown.contains("rsa-ps256") && !shown.contains("material"), "{shown}");
}
