//! Client assertions that are signed as they should be, and say the wrong thing.

use super::{
    super::forge::{Token, seconds},
    *,
};

pub fn cases() -> Vec<Case> {
    [parties(), audiences(), times(), ids(), types()].into_iter().flatten().collect()
}

fn good() -> Token {
    Token::assertion()
}

fn bad(name: &'static str, token: &Token, reason: &'static str) -> Case {
    case(name, assertion, token.text(), reason)
}

fn parties() -> Vec<Case> {
    let other = "client_01k0000000000000000000000b";
    vec![
        bad("iss missing", &good().no_claim("iss"), "WrongIssuer"),
        bad("iss of another client", &good().claim("iss", other), "WrongIssuer"),
        bad("iss is our issuer", &good().claim("iss", ISSUER), "WrongIssuer"),
        bad("iss empty", &good().claim("iss", ""), "WrongIssuer"),
        bad("iss in other case", &good().claim("iss", CLIENT.to_uppercase()), "WrongIssuer"),
        bad("iss with a NUL", &good().claim("iss", format!("{CLIENT}\0")), "WrongIssuer"),
        bad("iss of 4 kB", &good().claim("iss", "x".repeat(4_096)), "WrongIssuer"),
        bad("iss with quotes and line ends", &good().claim("iss", "\"a\"\r\nSet-Cookie: \\ ü"), "WrongIssuer"),
        bad("iss null", &good().claim("iss", Value::Null), "ClaimMalformed"),
        bad("iss a list", &good().claim("iss", json!([CLIENT])), "ClaimMalformed"),
        bad("sub missing", &good().no_claim("sub"), "WrongSubject"),
        bad("sub of another client", &good().claim("sub", other), "WrongSubject"),
        bad("sub a number", &good().claim("sub", 1), "ClaimMalformed"),
        bad("iss and sub of another client", &good().claim("iss", other).claim("sub", other), "WrongIssuer"),
    ]
}

fn audiences() -> Vec<Case> {
    let aud = |name, value: Value| bad(name, &good().claim("aud", value), "WrongAudience");
    let malformed = |name, value: Value| bad(name, &good().claim("aud", value), "ClaimMalformed");
    vec![
        bad("aud missing", &good().no_claim("aud"), "WrongAudience"),
        aud("aud: the token endpoint", format!("{ISSUER}/oauth2/token").into()),
        aud("aud: with a slash behind", format!("{ISSUER}/").into()),
        aud("aud: host in capitals", "https://PORTAL.example.com".into()),
        aud("aud: http", "http://portal.example.com".into()),
        aud("aud: with its port", "https://portal.example.com:443".into()),
        aud("aud: a longer host", format!("{ISSUER}.evil.example.org").into()),
        aud("aud: a shorter one", ISSUER[..ISSUER.len() - 1].into()),
        aud("aud: another issuer", IDP.into()),
        aud("aud: the gateway", GATEWAY.into()),
        aud("aud: with a space", format!("{ISSUER} ").into()),
        aud("aud: empty", "".into()),
        aud("aud: an empty list", json!([])),
        aud("aud: the issuer and another", json!([ISSUER, GATEWAY])),
        aud("aud: the issuer twice", json!([ISSUER, ISSUER])),
        aud("aud: a list of another", json!([GATEWAY])),
        aud("aud: 300 of them", json!(vec![ISSUER; 300])),
        malformed("aud: null", Value::Null),
        malformed("aud: a number", 1.into()),
        malformed("aud: an object", json!({ "0": ISSUER })),
        malformed("aud: a list in a list", json!([[ISSUER]])),
        malformed("aud: a list with a number", json!([ISSUER, 1])),
    ]
}

fn times() -> Vec<Case> {
    let raw = |name, claim: &str, json: &str| bad(name, &good().raw_claim(claim, json), "ClaimMalformed");
    let at = |name, claim: &str, from_now, reason| bad(name, &good().claim(claim, seconds(from_now)), reason);
    vec![
        bad("exp missing", &good().no_claim("exp"), "ClaimMissing"),
        at("exp over", "exp", -3_600, "Expired"),
        at("exp over by the skew", "exp", -30, "Expired"),
        raw("exp: as a text", "exp", &format!("\"{}\"", seconds(60))),
        raw("exp: as a date", "exp", "\"2026-03-01T12:01:00Z\""),
        raw("exp: null", "exp", "null"),
        raw("exp: true", "exp", "true"),
        raw("exp: a list", "exp", &format!("[{}]", seconds(60))),
        raw("exp: -1", "exp", "-1"),
        raw("exp: -0.5", "exp", "-0.5"),
        raw("exp: 1e18", "exp", "1e18"),
        raw("exp: 1e308", "exp", "1e308"),
        raw("exp: the year 10000", "exp", "253402300800"),
        raw("exp: the year 10000, with a fraction", "exp", "253402300800.0"),
        raw("exp: 2^63", "exp", "9223372036854775808"),
        raw("exp: 2^64", "exp", "18446744073709551616"),
        raw("exp: milliseconds", "exp", &format!("{}", seconds(60) * 1_000)),
        bad("exp: 0", &good().claim("exp", 0), "Expired"),
        bad("exp: -0", &good().raw_claim("exp", "-0"), "Expired"),
        bad("exp: the last second of 9999", &good().claim("exp", 253_402_300_799_i64), "LivesTooLong"),
        at("exp: a second too far", "exp", 331, "LivesTooLong"),
        at("exp: an hour away", "exp", 3_600, "LivesTooLong"),
        at("nbf in the future", "nbf", 31, "NotYetValid"),
        raw("nbf: as a text", "nbf", "\"0\""),
        raw("nbf: negative", "nbf", "-5"),
        at("iat in the future", "iat", 31, "NotYetValid"),
        at("iat too old", "iat", -601, "TooOld"),
        bad("iat: 0", &good().claim("iat", 0), "TooOld"),
        raw("iat: as a text", "iat", &format!("\"{}\"", seconds(0))),
        raw("iat: an object", "iat", "{}"),
    ]
}

fn ids() -> Vec<Case> {
    vec![
        bad("jti missing", &good().no_claim("jti"), "IdMissing"),
        bad("jti empty", &good().claim("jti", ""), "IdMissing"),
        bad("jti null", &good().claim("jti", Value::Null), "ClaimMalformed"),
        bad("jti a number", &good().claim("jti", 1), "ClaimMalformed"),
        bad("jti of 257 bytes", &good().claim("jti", "x".repeat(257)), "ClaimMalformed"),
        bad("jti of 4 kB", &good().claim("jti", "x".repeat(4_096)), "ClaimMalformed"),
        bad("jti of 129 letters in 258 bytes", &good().claim("jti", "ä".repeat(129)), "ClaimMalformed"),
        bad("jti with a NUL", &good().claim("jti", "a\0b"), "ClaimMalformed"),
    ]
}

fn types() -> Vec<Case> {
    let typ = |name, typ: &str| bad(name, &good().header("typ", typ), "WrongTyp");
    vec![
        typ("typ of an access token", "at+jwt"),
        typ("typ of an access token in full", "application/at+jwt"),
        typ("typ of a logout token", "logout+jwt"),
        typ("typ of a DPoP proof", "dpop+jwt"),
        typ("typ JWS", "JWS"),
        typ("typ empty", ""),
        typ("typ: application/ twice", "application/application/jwt"),
        typ("typ: a parameter", "jwt; charset=utf-8"),
        typ("typ: a space", "JWT "),
        typ("typ of 10 kB", &"jwt".repeat(3_400)),
        bad("typ a number", &good().header("typ", 1), "Malformed"),
        bad("typ null", &good().header("typ", Value::Null), "Malformed"),
        bad("client_id a number", &good().claim("client_id", 1), "ClaimMalformed"),
        bad("azp a list", &good().claim("azp", json!([])), "ClaimMalformed"),
        bad("scope a list", &good().claim("scope", json!(["a", "b"])), "ClaimMalformed"),
        bad("cnf a text", &good().claim("cnf", "x"), "ClaimMalformed"),
    ]
}
