//! Algorithms that a header must not choose, keys that it must not bring along, and signatures that do not hold.

use ring::signature::KeyPair;

use super::{
    super::forge::{By, Token, join},
    *,
};

pub fn cases() -> Vec<Case> {
    [names(), confused(), swapped(), extensions(), key_names(), signatures()].into_iter().flatten().collect()
}

fn good() -> Token {
    Token::assertion()
}

fn names() -> Vec<Case> {
    let unsigned = |alg: &str| good().by(By::Bytes(Vec::new())).header("alg", alg).text();
    let signed = |alg: &str| good().header("alg", alg).text();
    let bad = |name, token| case(name, assertion, token, "AlgorithmNotAllowed");
    vec![
        bad("alg none", unsigned("none")),
        bad("alg None", unsigned("None")),
        bad("alg NONE", unsigned("NONE")),
        bad("alg nOnE", unsigned("nOnE")),
        bad("alg none with a space", unsigned("none ")),
        bad("alg none with a NUL", unsigned("none\0")),
        bad("alg none, but signed", signed("none")),
        bad("alg empty", signed("")),
        bad("alg es256", signed("es256")),
        bad("alg ES256 with a space", signed(" ES256")),
        bad("alg ES384", signed("ES384")),
        bad("alg ES512", signed("ES512")),
        bad("alg ES521, as the standard never said", signed("ES521")),
        bad("alg ES256K", signed("ES256K")),
        bad("alg Ed448", signed("Ed448")),
        bad("alg eddsa", good().with_key(By::EdDsa, "eddsa", "ed").text()),
        bad("alg RS1", signed("RS1")),
        bad("alg RS512", good().with_key(By::Rs512, "RS512", "rsa").text()),
        bad("alg PS512", good().with_key(By::Ps512, "PS512", "rsa").text()),
        bad("alg HS384", signed("HS384")),
        bad("alg RSA-OAEP", signed("RSA-OAEP")),
        bad("alg dir", signed("dir")),
        bad("alg of 10 kB", signed(&"A".repeat(10_000))),
        bad("alg with quotes, a line end and a backslash", signed("\"\n\\")),
        case("alg missing", assertion, good().no_header("alg").text(), "Malformed"),
        case("alg null", assertion, good().header("alg", Value::Null).text(), "Malformed"),
        case("alg a number", assertion, good().header("alg", 256).text(), "Malformed"),
        case("alg a list", assertion, good().header("alg", json!(["ES256"])).text(), "Malformed"),
    ]
}

/// A public key taken for a shared secret.
fn confused() -> Vec<Case> {
    let hs256 = |secret: &[u8], kid| good().with_key(By::Hs256(secret.to_vec()), "HS256", kid).text();
    let outside_hs256 = |secret: &[u8]| Token::outside().with_key(By::Hs256(secret.to_vec()), "HS256", "rsa").text();
    let jwk = keys::rsa_jwk("rsa");
    let modulus = jwk["n"].as_str().unwrap().to_owned();
    let bad = |name, token| case(name, assertion, token, "AlgorithmNotAllowed");
    vec![
        bad("HS256 with the RSA key as PEM", hs256(keys::rsa_pem().as_bytes(), "rsa")),
        bad("HS256 with the RSA key as PEM without its last line end", hs256(keys::rsa_pem().trim().as_bytes(), "rsa")),
        bad("HS256 with the RSA key as DER", hs256(&keys::rsa_spki(), "rsa")),
        bad("HS256 with the RSA key as PKCS#1", hs256(&keys::rsa_pkcs1(), "rsa")),
        bad("HS256 with the RSA key as JWK", hs256(jwk.to_string().as_bytes(), "rsa")),
        bad("HS256 with the modulus as text", hs256(modulus.as_bytes(), "rsa")),
        bad("HS256 with the whole JWKS", hs256(partner_jwks().to_string().as_bytes(), "rsa")),
        bad("HS256 with the EC point", hs256(keys::ec().public_key().as_ref(), "ec")),
        bad("HS256 with the Ed25519 key", hs256(keys::ed25519().public_key().as_ref(), "ed")),
        bad("HS256 with nothing", hs256(b"", "ec")),
        bad("HS256 with the client's own secret", hs256(SECRET, "ec")),
        bad("HS256 without a kid", good().by(By::Hs256(SECRET.to_vec())).header("alg", "HS256").no_header("kid").text()),
        case("outside: HS256 with the RSA key as PEM", outside, outside_hs256(keys::rsa_pem().as_bytes()), "AlgorithmNotAllowed"),
        case("outside: HS256 with the RSA key as DER", outside, outside_hs256(&keys::rsa_spki()), "AlgorithmNotAllowed"),
        case("outside: HS256 with the client's secret", outside, outside_hs256(SECRET), "AlgorithmNotAllowed"),
        case(
            "outside: not signed",
            outside,
            Token::outside().by(By::Bytes(Vec::new())).header("alg", "none").text(),
            "AlgorithmNotAllowed",
        ),
        case("signed: ES256", signed, Token::signed().with_key(By::Es256, "ES256", "ec").text(), "AlgorithmNotAllowed"),
        case("signed: RS256", signed, Token::signed().with_key(By::Rs256, "RS256", "rsa").text(), "AlgorithmNotAllowed"),
        case("signed: ES256 named, HS256 used", signed, Token::signed().header("alg", "ES256").text(), "AlgorithmNotAllowed"),
        case(
            "signed: alg none",
            signed,
            Token::signed().by(By::Bytes(vec![])).header("alg", "none").text(),
            "AlgorithmNotAllowed",
        ),
    ]
}

/// One algorithm's name over another's signature, and keys for another one.
fn swapped() -> Vec<Case> {
    let token = |by, alg, kid| good().with_key(by, alg, kid).text();
    let wrong = |name, token| case(name, assertion, token, "SignatureWrong");
    let bad = |name, token| case(name, assertion, token, "AlgorithmNotAllowed");
    vec![
        wrong("RS256 named, PS256 used", token(By::Ps256, "RS256", "rsa")),
        wrong("PS256 named, RS256 used", token(By::Rs256, "PS256", "rsa")),
        wrong("RS256 named, SHA-512 used", token(By::Rs512, "RS256", "rsa")),
        wrong("PS256 named, SHA-512 used", token(By::Ps512, "PS256", "rsa")),
        wrong("ES256 named, RS256 used", token(By::Rs256, "ES256", "ec")),
        wrong("EdDSA named, ES256 used", token(By::Es256, "EdDSA", "ed")),
        wrong("ES256 named, EdDSA used", token(By::EdDsa, "ES256", "ec")),
        wrong("ES256 named, HS256 used", token(By::Hs256(SECRET.to_vec()), "ES256", "ec")),
        bad("PS256 by a key for RS256", token(By::Ps256, "PS256", "rsa-rs256")),
        bad("RS256 by a key for PS256", token(By::Rs256, "RS256", "rsa-ps256")),
        bad("RS256 in the name of the EC key", token(By::Rs256, "RS256", "ec")),
        bad("ES256 in the name of the RSA key", token(By::Es256, "ES256", "rsa")),
        bad("EdDSA in the name of the EC key", token(By::EdDsa, "EdDSA", "ec")),
        bad("ES256 in the name of the Ed25519 key", token(By::Es256, "ES256", "ed")),
    ]
}

fn extensions() -> Vec<Case> {
    let header = |name: &str, value: Value| good().header(name, value).text();
    let critical = |name, token| case(name, assertion, token, "Critical");
    let bad = |name, token| case(name, assertion, token, "HeaderNotAccepted");
    let own = keys::ec_jwk("ec", &keys::own());
    let brought = |name, member: &str, value: Value| {
        case(name, assertion, good().by(By::Own).header(member, value).text(), "SignatureWrong")
    };
    vec![
        critical("crit with an extension", header("crit", json!(["http://example.invalid/UNDEFINED"]))),
        critical("crit with b64", good().header("crit", json!(["b64"])).header("b64", false).text()),
        critical("crit with a known claim", header("crit", json!(["exp"]))),
        critical("crit empty", header("crit", json!([]))),
        critical("crit null", header("crit", Value::Null)),
        bad("b64 false", header("b64", false.into())),
        bad("b64 true", header("b64", true.into())),
        bad("zip", header("zip", "DEF".into())),
        bad("enc", header("enc", "A128GCM".into())),
        brought("jwk of another key in the header", "jwk", own.clone()),
        brought("jku in the header", "jku", "https://evil.example.com/jwks.json".into()),
        brought("x5u in the header", "x5u", "https://evil.example.com/cert.pem".into()),
        brought("x5c in the header", "x5c", json!(["MIIB"])),
        case(
            "jwk in the header and no kid",
            assertion,
            good().by(By::Own).header("jwk", own).no_header("kid").text(),
            "SignatureWrong",
        ),
    ]
}

fn key_names() -> Vec<Case> {
    let kid = |kid: &str| good().header("kid", kid).text();
    let none = |name, token| case(name, assertion, token, "NoKeyFits");
    let malformed = |name, token| case(name, assertion, token, "Malformed");
    let thumbprint = partner_keys().keys()[0].thumbprint().to_owned();
    vec![
        none("kid unknown", kid("other")),
        none("kid in other case", kid("EC")),
        none("kid with a space", kid("ec ")),
        none("kid empty", kid("")),
        none("kid: a path", kid("../../../../dev/null")),
        none("kid: SQL", kid("ec' UNION SELECT 'secret' --")),
        none("kid: a command", kid("ec|sleep 10")),
        none("kid: an address", kid("https://evil.example.com/jwks.json")),
        none("kid: NUL", kid("ec\0")),
        none("kid: beyond ASCII", kid("еc")),
        none("kid of 200 bytes", kid(&"k".repeat(200))),
        none("kid: the thumbprint of a key that has a kid", kid(&thumbprint)),
        none("kid of our own key", kid(own_key().kid())),
        malformed("kid of 201 bytes", kid(&"k".repeat(201))),
        malformed("kid of 10 kB", kid(&"../".repeat(3_400))),
        malformed("kid a number", good().header("kid", 0).text()),
        malformed("kid null", good().header("kid", Value::Null).text()),
        malformed("kid a list", good().header("kid", json!(["ec"])).text()),
        case("no kid, and none of the keys", assertion, good().by(By::Own).no_header("kid").text(), "SignatureWrong"),
    ]
}

/// Big-endian, 32 bytes.
fn p256_order() -> Vec<u8> {
    let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    (0..32).map(|at| u8::from_str_radix(&order[2 * at..2 * at + 2], 16).unwrap()).collect()
}

/// S and the group's order added: the same value to a verifier that does not look.
fn malleated(mut signature: Vec<u8>) -> Vec<u8> {
    let mut order = [0u8; 32];
    order[..16].copy_from_slice(&0x14de_f9de_a2f7_9cd6_5812_631a_5cf5_d3ed_u128.to_le_bytes());
    order[31] = 0x10;
    let mut carry = 0;
    for (digit, more) in signature[32..].iter_mut().zip(order) {
        let sum = u16::from(*digit) + u16::from(more) + carry;
        (*digit, carry) = (sum as u8, sum >> 8);
    }
    signature
}

/// An ECDSA signature as ASN.1, as other standards have it.
fn der(signature: &[u8]) -> Vec<u8> {
    let integer = |digits: &[u8]| [&[2, 33, 0][..], digits].concat();
    let (r, s) = signature.split_at(32);
    [&[0x30, 70][..], &integer(r), &integer(s)].concat()
}

fn signatures() -> Vec<Case> {
    let order = p256_order();
    let es256 = good().signature();
    let (r, s) = es256.split_at(32);
    let ec = |bytes: Vec<u8>| good().by(By::Bytes(bytes)).text();
    let ed = good().with_key(By::EdDsa, "EdDSA", "ed");
    let rsa = good().with_key(By::Rs256, "RS256", "rsa");
    let with = |token: &Token, bytes: Vec<u8>| token.clone().by(By::Bytes(bytes)).text();
    let mut flipped = es256.clone();
    flipped[10] ^= 1;
    // Signed for another payload.
    let other = good().claim("jti", "two").signature();
    let header_of_other =
        join(&By::Bytes(es256.clone()), &encode(good().header("x", 1).header_json()), &encode(good().payload_json()));
    let bad = |name, token| case(name, assertion, token, "SignatureWrong");
    vec![
        bad("ES256: r = s = 0", ec(vec![0; 64])),
        bad("ES256: r = 0", ec([&[0; 32], s].concat())),
        bad("ES256: s = 0", ec([r, &[0; 32]].concat())),
        bad("ES256: r = n", ec([&order, s].concat())),
        bad("ES256: s = n", ec([r, &order[..]].concat())),
        bad("ES256: r = s = n", ec([&order[..], &order].concat())),
        bad("ES256: r = s = 1", ec([[&[0; 31][..], &[1]].concat(), [&[0; 31][..], &[1]].concat()].concat())),
        bad("ES256: all bits", ec(vec![0xff; 64])),
        bad("ES256: r and s exchanged", ec([s, r].concat())),
        bad("ES256: in ASN.1", ec(der(&es256))),
        bad("ES256: a byte too few", ec(es256[..63].to_vec())),
        bad("ES256: a byte too many", ec([&es256[..], &[0]].concat())),
        bad("ES256: one bit changed", ec(flipped)),
        bad("ES256: of another payload", ec(other)),
        bad("ES256: of another header", header_of_other),
        bad("ES256: by another key", good().by(By::Own).text()),
        bad("EdDSA: malleated", with(&ed, malleated(ed.signature()))),
        bad("EdDSA: zero", with(&ed, vec![0; 64])),
        bad("EdDSA: a point of order one", with(&ed, [&[1][..], &[0; 63]].concat())),
        bad("EdDSA: a byte too few", with(&ed, ed.signature()[..63].to_vec())),
        bad("RS256: zero", with(&rsa, vec![0; 256])),
        bad("RS256: one", with(&rsa, [&[0; 255][..], &[1]].concat())),
        bad("RS256: a zero byte in front", with(&rsa, [&[0][..], &rsa.signature()].concat())),
        bad("RS256: a byte too few", with(&rsa, rsa.signature()[..255].to_vec())),
        bad("RS256: nothing", with(&rsa, Vec::new())),
        bad("PS256: zero", with(&good().header("alg", "PS256").header("kid", "rsa"), vec![0; 256])),
        case("signed: with another secret", signed, Token::signed().by(By::Hs256(vec![b'x'; 50])).text(), "SignatureWrong"),
        case("signed: with an empty secret", signed, Token::signed().by(By::Hs256(Vec::new())).text(), "SignatureWrong"),
        case(
            "signed: half a signature",
            signed,
            Token::signed().by(By::Bytes(Token::signed().signature()[..16].to_vec())).text(),
            "SignatureWrong",
        ),
        case("signed: no signature", signed, Token::signed().by(By::Bytes(Vec::new())).text(), "SignatureWrong"),
    ]
}
