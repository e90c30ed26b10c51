//! The other three kinds of token, and each kind taken for another.

use super::{
    super::forge::{By, Token, seconds},
    *,
};

pub fn cases() -> Vec<Case> {
    [access_tokens(), signed_tokens(), outside_tokens()].into_iter().flatten().collect()
}

fn access_tokens() -> Vec<Case> {
    let good = Token::access;
    let bad = |name, token: Token, reason| case(name, access, token.text(), reason);
    let cnf =
        |name, thumbprint: &str| bad(name, Token::access().claim("cnf", json!({ "x5t#S256": thumbprint })), "ClaimMalformed");
    let own = own_key().kid().to_owned();
    vec![
        bad("access: typ missing", good().no_header("typ"), "WrongTyp"),
        bad("access: typ JWT", good().header("typ", "JWT"), "WrongTyp"),
        bad("access: an assertion's typ", good().header("typ", "client-authentication+jwt"), "WrongTyp"),
        bad("access: a client assertion", Token::assertion(), "WrongTyp"),
        bad("access: a token from outside", Token::outside().header("typ", "at+jwt"), "AlgorithmNotAllowed"),
        bad("access: an ID token by our key", Token::outside().with_key(By::Own, "ES256", &own), "WrongTyp"),
        bad("access: kid missing", good().no_header("kid"), "KidMissing"),
        bad("access: kid unknown", good().header("kid", "ec"), "NoKeyFits"),
        bad("access: by the client's key", good().by(By::Es256), "SignatureWrong"),
        bad("access: RS256", good().by(By::Rs256).header("alg", "RS256"), "AlgorithmNotAllowed"),
        bad("access: HS256", good().by(By::Hs256(SECRET.to_vec())).header("alg", "HS256"), "AlgorithmNotAllowed"),
        bad("access: iss missing", good().no_claim("iss"), "WrongIssuer"),
        bad("access: iss with a slash", good().claim("iss", format!("{ISSUER}/")), "WrongIssuer"),
        bad("access: iss of another instance", good().claim("iss", IDP), "WrongIssuer"),
        bad("access: aud missing", good().no_claim("aud"), "WrongAudience"),
        bad("access: aud is the issuer", good().claim("aud", ISSUER), "WrongAudience"),
        bad("access: aud with a slash", good().claim("aud", json!([format!("{GATEWAY}/")])), "WrongAudience"),
        bad("access: exp missing", good().no_claim("exp"), "ClaimMissing"),
        bad("access: exp now", good().claim("exp", seconds(0)), "Expired"),
        bad("access: exp over by a fraction", good().raw_claim("exp", &format!("{}.5", seconds(-1))), "Expired"),
        bad("access: nbf in the future", good().claim("nbf", seconds(1)), "NotYetValid"),
        bad("access: iat missing", good().no_claim("iat"), "ClaimMissing"),
        bad("access: iat in the future", good().claim("iat", seconds(1)), "NotYetValid"),
        bad("access: sub missing", good().no_claim("sub"), "WrongSubject"),
        bad("access: sub of another", good().claim("sub", "user_1"), "WrongSubject"),
        bad("access: client_id missing", good().no_claim("client_id"), "ClaimMissing"),
        bad("access: client_id empty", good().claim("client_id", "").claim("sub", ""), "ClaimMissing"),
        bad("access: jti missing", good().no_claim("jti"), "IdMissing"),
        bad("access: environment missing", good().no_claim("environment"), "ClaimMissing"),
        bad("access: proof missing", good().no_claim("proof"), "ClaimMissing"),
        bad("access: environment unknown", good().claim("environment", "production"), "ClaimMissing"),
        cnf("access: a thumbprint cut short", &encode([7; 31])),
        cnf("access: a thumbprint too long", &encode([7; 33])),
        cnf("access: a thumbprint of 4 kB", &encode([7; 4_096])),
        cnf("access: a padded thumbprint", &format!("{}=", encode([7; 32]))),
        cnf("access: a thumbprint in hex", &"07".repeat(32)),
        cnf("access: an empty thumbprint", ""),
    ]
}

fn signed_tokens() -> Vec<Case> {
    let good = Token::signed;
    let bad = |name, token: Token, reason| case(name, signed, token.text(), reason);
    vec![
        bad("signed: an access token of ours", Token::access(), "WrongTyp"),
        bad("signed: an access token's typ", good().header("typ", "at+jwt"), "WrongTyp"),
        bad("signed: exp missing", good().no_claim("exp"), "ClaimMissing"),
        bad("signed: exp over", good().claim("exp", seconds(-30)), "Expired"),
        bad("signed: lives too long from iat", good().claim("exp", seconds(331)), "LivesTooLong"),
        bad("signed: lives too long, most of it over", good().claim("iat", seconds(-3_600)), "LivesTooLong"),
        bad("signed: lives too long from now", good().no_claim("iat").claim("exp", seconds(331)), "LivesTooLong"),
        bad(
            "signed: iat in the future, to live longer",
            good().claim("iat", seconds(600)).claim("exp", seconds(660)),
            "NotYetValid",
        ),
        bad("signed: nbf in the future", good().claim("nbf", seconds(31)), "NotYetValid"),
        bad("signed: neither iss nor sub", good().no_claim("iss"), "WrongIssuer"),
        bad("signed: iss of another client", good().claim("iss", "client_b"), "WrongIssuer"),
        bad("signed: sub of another client", good().no_claim("iss").claim("sub", "client_b"), "WrongSubject"),
        bad("signed: iss right, sub of another", good().claim("sub", "client_b"), "WrongSubject"),
        bad("signed: sub right, iss of another", good().claim("iss", "client_b").claim("sub", CLIENT), "WrongIssuer"),
        bad("signed: aud of another", good().claim("aud", IDP), "WrongAudience"),
        bad("signed: aud an empty list", good().claim("aud", json!([])), "WrongAudience"),
        bad("signed: aud null", good().claim("aud", Value::Null), "ClaimMalformed"),
        bad("signed: exp as a text", good().raw_claim("exp", "\"1772366460\""), "ClaimMalformed"),
        bad("signed: exp twice", good().more_claim("exp", seconds(90)), "DuplicateMember"),
    ]
}

fn outside_tokens() -> Vec<Case> {
    let good = Token::outside;
    let bad = |name, token: Token, reason| case(name, outside, token.text(), reason);
    vec![
        bad("outside: an access token of ours", Token::access(), "NoKeyFits"),
        bad("outside: a client assertion", Token::assertion(), "WrongIssuer"),
        bad("outside: a key that is not published", good().header("kid", "old"), "NoKeyFits"),
        bad("outside: iss missing", good().no_claim("iss"), "WrongIssuer"),
        bad("outside: iss with a slash", good().claim("iss", format!("{IDP}/")), "WrongIssuer"),
        bad("outside: iss of another realm", good().claim("iss", "https://idp.example.org/realms/two"), "WrongIssuer"),
        bad("outside: aud missing", good().no_claim("aud"), "WrongAudience"),
        bad("outside: aud of others", good().claim("aud", json!(["account", "b", "c", "d", "e"])), "WrongAudience"),
        bad("outside: exp missing", good().no_claim("exp"), "ClaimMissing"),
        bad("outside: exp over", good().claim("exp", seconds(-30)), "Expired"),
        bad("outside: nbf in the future", good().claim("nbf", seconds(31)), "NotYetValid"),
        bad("outside: typ of a logout token", good().header("typ", "logout+jwt"), "WrongTyp"),
        bad("outside: typ of an assertion", good().header("typ", "client-authentication+jwt"), "WrongTyp"),
        bad("outside: sub a number", good().claim("sub", 7), "ClaimMalformed"),
        bad("outside: scope a list", good().claim("scope", json!(["a"])), "ClaimMalformed"),
        bad("outside: cnf null", good().claim("cnf", Value::Null), "ClaimMalformed"),
    ]
}
