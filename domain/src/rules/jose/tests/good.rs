//! What is accepted, up to the edges, and what comes out of it.

use entities::enums::Environment;

use super::{
    forge::{By, Token, seconds},
    *,
};

#[test]
fn assertions_of_each_algorithm_and_library_are_accepted() {
    let good = Token::assertion;
    for (name, token) in [
        ("ES256", good()),
        ("RS256", good().with_key(By::Rs256, "RS256", "rsa")),
        ("PS256", good().with_key(By::Ps256, "PS256", "rsa")),
        ("RS256, by a key for it", good().with_key(By::Rs256, "RS256", "rsa-rs256")),
        ("PS256, by a key for it", good().with_key(By::Ps256, "PS256", "rsa-ps256")),
        ("EdDSA", good().with_key(By::EdDsa, "EdDSA", "ed")),
        ("Ed25519 (RFC 9864)", good().with_key(By::EdDsa, "Ed25519", "ed")),
        ("no kid", good().no_header("kid")),
        ("no kid, RSA", good().by(By::Rs256).header("alg", "RS256").no_header("kid")),
        ("RFC 10070's typ", good().header("typ", "client-authentication+jwt")),
        ("typ as a whole media type", good().header("typ", "Application/Client-Authentication+JWT")),
        ("typ JWT", good().header("typ", "JWT")),
        ("typ jwt", good().header("typ", "jwt")),
        ("list of one audience", good().claim("aud", json!([ISSUER]))),
        ("unknown members", good().claim("nonce", json!({ "a": [1, { "b": null }] })).header("cty", "x")),
        ("a key in the header is not looked at", good().header("jwk", keys::ec_jwk("ec", &keys::own())).header("jku", "x")),
        ("without iat", good().no_claim("iat")),
        ("exp with a fraction", good().raw_claim("exp", &format!("{}.75", seconds(60)))),
        ("exp with an exponent", good().raw_claim("exp", "1.77236646e9")),
        ("exp just not over", good().claim("exp", seconds(-29))),
        ("exp just not too far", good().claim("exp", seconds(330))),
        ("iat just not in the future", good().claim("iat", seconds(30))),
        ("iat just not too old", good().claim("iat", seconds(-600))),
        ("nbf just not in the future", good().claim("nbf", seconds(30))),
        ("jti of 256 bytes", good().claim("jti", "x".repeat(256))),
        ("escapes in a text", good().raw_claim("iss", &format!("\"\\u0063{}\"", &CLIENT[1..]))),
        ("almost 16 KiB", good().claim("x", "x".repeat(11_900))),
        ("spaces in the JSON", good().raw_claim("jti", " \n\t\"one\" ")),
    ] {
        assert_eq!(assertion(&token.text()), Ok(()), "{name}");
    }
    let text = Token::assertion().text();
    let jws = Jws::parse(&text).unwrap();
    let expected = assertion::Expected { client_id: CLIENT, issuer: ISSUER };
    let found = assertion::check(&jws, &partner_keys(), expected, now()).unwrap();
    let exp = now() + TimeDelta::seconds(60);
    assert_eq!(found, assertion::Assertion { jti: "one", exp, replayable_until: exp + SKEW });
    assert_eq!((jws.claimed_issuer(), jws.claimed_subject(), jws.kid()), (Some(CLIENT), Some(CLIENT), Some("ec")));
    assert_eq!((jws.algorithm(), jws.typ()), (Algorithm::Es256, None));
}

#[test]
fn the_twin_of_an_ecdsa_signature_is_accepted() {
    // n, the order of P-256: (r, n - s) is as good as (r, s).
    let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    let token = Token::assertion();
    let signature = token.signature();
    let mut borrow = 0;
    let mut twin = signature.clone();
    for at in (0..32).rev() {
        let order = i32::from_str_radix(&order[2 * at..2 * at + 2], 16).unwrap();
        let digit = order - i32::from(signature[32 + at]) - borrow;
        borrow = i32::from(digit < 0);
        twin[32 + at] = digit.rem_euclid(256) as u8;
    }
    assert_ne!(twin, signature);
    assert_eq!(assertion(&token.by(By::Bytes(twin)).text()), Ok(()));
}

fn issued() -> access_token::AccessToken<'static> {
    access_token::AccessToken {
        issuer: ISSUER,
        audience: GATEWAY,
        client_id: CLIENT,
        issued_at: now(),
        expires_at: now() + TimeDelta::minutes(5),
        jti: "one",
        scope: "orders:read orders:write",
        certificate: Some([7; 32]),
        environment: Environment::Sandbox,
        proof: "secret_1",
    }
}

#[test]
fn an_access_token_comes_out_as_it_was_signed() {
    let key = own_key();
    let check = |token: &access_token::AccessToken<'_>, now, skew| {
        let text = key.sign(Typ::AccessToken, token).unwrap();
        let expected = access_token::Expected { issuer: ISSUER, audience: GATEWAY };
        let jws = Jws::parse(&text).unwrap();
        access_token::check(&jws, &own_keys(), expected, now, skew).map(|found| assert_eq!(found, *token))
    };
    let (full, zero) = (issued(), TimeDelta::zero());
    let bare = access_token::AccessToken { scope: "", certificate: None, environment: Environment::Production, ..full };
    for token in [full, bare] {
        assert_eq!(check(&token, token.issued_at, zero), Ok(()));
        assert_eq!(check(&token, token.expires_at - TimeDelta::microseconds(1), zero), Ok(()));
        assert_eq!(check(&token, token.expires_at, zero), Err(BadToken::Expired(token.expires_at)));
        assert_eq!(check(&token, token.expires_at + TimeDelta::seconds(4), TimeDelta::seconds(5)), Ok(()));
    }
    let early = now() - TimeDelta::seconds(1);
    assert_eq!(check(&full, early, zero), Err(BadToken::NotYetValid { claim: "iat", at: now() }));
    for (name, token) in [
        ("as made by hand", Token::access()),
        ("typ as a whole media type", Token::access().header("typ", "application/at+jwt")),
        ("one audience of several", Token::access().claim("aud", json!(["https://other.example.com", GATEWAY]))),
    ] {
        assert_eq!(access(&token.text()), Ok(()), "{name}");
    }
}

#[test]
fn the_look_of_an_access_token() {
    let text = own_key().sign(Typ::AccessToken, &issued()).unwrap();
    let parts = text.split('.').take(2).map(|part| String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap());
    insta::assert_snapshot!(parts.collect::<Vec<_>>().join("\n"), @r#"
    {"alg":"ES256","typ":"at+jwt","kid":"IkC73Vc8vybH-p7Sg8npvP0WINfLcYhW4Cpnd_48A10"}
    {"iss":"https://portal.example.com","aud":"https://api.example.com","sub":"client_01k0000000000000000000000a","client_id":"client_01k0000000000000000000000a","iat":1772366400,"exp":1772366700,"jti":"one","scope":"orders:read orders:write","cnf":{"x5t#S256":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc"},"environment":"SANDBOX","proof":"secret_1"}
    "#);
    assert_eq!(text.split('.').next_back().map(str::len), Some(86));
}

#[test]
fn signing_keys_are_kept_and_read_again() {
    use secrecy::ExposeSecret;
    let (key, pkcs8) = SigningKey::generate().unwrap();
    let again = SigningKey::from_pkcs8(key.kid(), pkcs8.expose_secret()).unwrap();
    assert_eq!(again.public_key(), key.public_key());
    assert_eq!((key.kid(), key.public_jwk()["kid"].as_str()), (key.public_key().thumbprint(), Some(key.kid())));
    assert_eq!(SigningKey::from_pkcs8("another", pkcs8.expose_secret()).err(), Some(BadSigningKey::OtherKid));
    assert_eq!(SigningKey::from_pkcs8(key.kid(), &pkcs8.expose_secret()[1..]).err(), Some(BadSigningKey::Unreadable));
    assert_ne!(SigningKey::generate().unwrap().0.kid(), key.kid());
    assert_eq!(format!("{key:?}"), format!("SigningKey {{ kid: {:?}, .. }}", key.kid()));
    // What others fetch from us they can read.
    let published: KeySet = [key.public_key().clone()].into_iter().collect();
    assert_eq!(KeySet::registered(&published.to_json(), "").as_ref(), Ok(&published));
    for typ in Typ::ALL {
        let text = key.sign(typ, &json!({ "iss": ISSUER, "exp": 0 })).unwrap();
        let jws = Jws::parse(&text).unwrap();
        assert_eq!((jws.typ(), jws.kid()), (Some(typ), Some(key.kid())));
        assert!(jws.verified_by(&published, &[Algorithm::Es256]).is_ok());
        assert_eq!(jws.verified_by(&own_keys(), &[Algorithm::Es256]), Err(BadToken::NoKeyFits(Shown::of(key.kid()))));
    }
}

#[test]
fn signed_tokens_are_accepted_and_say_with_which_secret() {
    let good = Token::signed;
    for (name, token) in [
        ("iss", good()),
        ("sub", good().no_claim("iss").claim("sub", CLIENT)),
        ("iss and sub", good().claim("sub", CLIENT)),
        ("no typ", good().no_header("typ")),
        ("for the gateway", good().claim("aud", GATEWAY)),
        ("for the issuer", good().claim("aud", json!([ISSUER]))),
        ("five minutes", good().claim("exp", seconds(300))),
        ("five minutes and the skew", good().claim("exp", seconds(330))),
        ("five minutes, half of them over", good().claim("iat", seconds(-150)).claim("exp", seconds(150))),
        ("no iat", good().no_claim("iat").claim("exp", seconds(330))),
        ("a clock that is behind", good().claim("iat", seconds(-300)).claim("exp", seconds(-29))),
        ("a clock that is ahead", good().claim("iat", seconds(30)).claim("nbf", seconds(30)).claim("exp", seconds(330))),
        ("a kid that says nothing", good().header("kid", "secret 1")),
    ] {
        assert_eq!(signed(&token.text()), Ok(()), "{name}");
    }
    let text = good().text();
    let jws = Jws::parse(&text).unwrap();
    let expected = signed_jwt::Expected { client_id: CLIENT, audiences: &[GATEWAY] };
    let place =
        |secrets: &[&'static [u8]]| signed_jwt::check(&jws, secrets.iter().copied(), expected, now()).map(|found| found.secret);
    let other: &[u8] = b"another test secret that everybody knows";
    assert_eq!(place(&[SECRET, other]), Ok(0));
    assert_eq!(place(&[other, SECRET]), Ok(1));
    assert_eq!(place(&[other, b""]), Err(BadToken::SignatureWrong));
    assert_eq!(place(&[]), Err(BadToken::SignatureWrong));
    // A secret that is too short proves nothing, even where it is the right one.
    let short: &[u8] = b"31 bytes are one too few to use";
    let text = good().by(By::Hs256(short.to_vec())).text();
    let found = signed_jwt::check(&Jws::parse(&text).unwrap(), [short], expected, now()).err();
    assert_eq!(found, Some(BadToken::SignatureWrong));
}

#[test]
fn tokens_of_an_outside_issuer_are_accepted() {
    let good = Token::outside;
    for (name, token) in [
        ("RS256", good()),
        ("PS256", good().with_key(By::Ps256, "PS256", "rsa")),
        ("ES256", good().with_key(By::Es256, "ES256", "ec")),
        ("EdDSA", good().with_key(By::EdDsa, "EdDSA", "ed")),
        ("no kid", good().no_header("kid")),
        ("no typ", good().no_header("typ")),
        ("an access token", good().header("typ", "at+jwt")),
        ("an access token in full", good().header("typ", "application/at+jwt")),
        ("one audience", good().claim("aud", GATEWAY)),
        ("a claim of its own that is named like one of ours", good().claim("environment", json!({ "stage": 1 }))),
        ("a year long", good().claim("exp", seconds(31_536_000))),
    ] {
        assert_eq!(outside(&token.text()), Ok(()), "{name}");
    }
    let digest = encode([9; 32]);
    let token = good().claim("client_id", "app").claim("cnf", json!({ "jkt": digest, "x5t#S256": digest, "other": 1 }));
    let text = token.claim("aud", "someone").text();
    let jws = Jws::parse(&text).unwrap();
    let expected = outside_token::Expected { issuer: IDP, audience: None };
    let found = outside_token::check(&jws, &partner_keys(), expected, now()).unwrap();
    let cnf = Confirmation { certificate: Some([9; 32]), dpop_key: Some([9; 32]) };
    let (scope, exp) = (Some("openid orders:read"), now() + TimeDelta::hours(1));
    let whole = outside_token::OutsideToken { sub: Some("user 1"), azp: Some("app"), client_id: Some("app"), scope, exp, cnf };
    assert_eq!(found, whole);
}
