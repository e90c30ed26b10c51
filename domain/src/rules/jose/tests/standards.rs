//! The examples that the standards print.

use super::*;

const RFC_7515_A3: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290\
    Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
const RFC_7638_3_1_N: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCi\
    FV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajr\
    n1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";

fn one(jwk: &Value) -> PublicKey {
    KeySet::registered(jwk, "").unwrap().keys()[0].clone()
}

#[test]
fn thumbprints_are_those_of_rfc_7638_and_8037() {
    let rsa = json!({ "kty": "RSA", "n": RFC_7638_3_1_N, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29" });
    assert_eq!(one(&rsa).thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    let ed25519 = json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    assert_eq!(one(&ed25519).thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[test]
fn the_es256_example_of_rfc_7515_verifies() {
    let key = json!({
        "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    });
    let keys = KeySet::registered(&key, "").unwrap();
    let jws = Jws::parse(RFC_7515_A3).unwrap();
    let claims = jws.verified_by(&keys, &[Algorithm::Es256]).unwrap();
    assert_eq!((claims.iss.as_deref(), claims.exp), (Some("joe"), DateTime::from_timestamp(1_300_819_380, 0)));
    assert_eq!(jws.verified_by(&partner_keys(), &[Algorithm::Es256]), Err(BadToken::SignatureWrong));
}

#[test]
fn the_ed25519_example_of_rfc_8037_verifies() {
    let key = one(&json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }));
    let signed = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let signature =
        URL_SAFE_NO_PAD.decode("hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg").unwrap();
    assert!(key.verify(Algorithm::EdDsa, signed, &signature));
    assert!(!key.verify(Algorithm::EdDsa, &signed[1..], &signature));
    assert!(!key.verify(Algorithm::Es256, signed, &signature));
}
