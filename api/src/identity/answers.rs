//! Answers of identity providers as the library takes them. Providers differ from the letter in what nobody needs: an empty URL, a
//! number as text, a list that is missing, another media type. What is needed is kept, and named where it cannot be read.

use bytes::Bytes;
use domain::{outgoing::NotFetched, rules::jose::plain_jwk};
use http::{HeaderValue, Response, header::CONTENT_TYPE};
use openidconnect::HttpResponse;
use serde_json::{Map, Value, json};
use url::Url;

use crate::outgoing::text;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// The discovery document, or the key set that it names: told by the path.
    Discovery,
    Token,
    Userinfo,
}

type Members = Map<String, Value>;
/// Reads what is needed, or says what is missing.
type Read = fn(&Members) -> Result<Value, String>;

/// The answer without what is not needed. One that is not a success is left to say what it says.
pub fn plain(asked: Asked, path: &str, answer: Response<Bytes>) -> Result<HttpResponse, NotFetched> {
    let (mut parts, body) = answer.into_parts();
    let is_signed = parts.headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/jwt"));
    if is_signed && asked == Asked::Userinfo {
        return Ok(HttpResponse::from_parts(parts, body.into()));
    }
    let (what, read): (_, Read) = match asked {
        Asked::Discovery if path.ends_with(WELL_KNOWN) => ("the discovery document", discovery),
        Asked::Discovery => ("the key set", key_set),
        Asked::Token if parts.status.is_success() => ("the token endpoint's answer", token),
        Asked::Token => ("the token endpoint's error", token_error),
        Asked::Userinfo => ("the userinfo endpoint's answer", userinfo),
    };
    if !parts.status.is_success() && asked != Asked::Token {
        return Ok(HttpResponse::from_parts(parts, body.into()));
    }
    let unreadable = |say: &str| NotFetched::Unreadable(format!("{what} {say}"));
    let value: Value = serde_json::from_str(&text(&parts.headers, &body)).map_err(|error| {
        let place = (error.line(), error.column());
        unreadable(&format!("is not JSON (line {}, column {})", place.0, place.1))
    })?;
    let members = value.as_object().ok_or_else(|| unreadable("is not a JSON object"))?;
    let plain = read(members).map_err(|say| unreadable(&format!("has no readable {say}")))?;
    parts.headers.insert(CONTENT_TYPE, JSON);
    Ok(HttpResponse::from_parts(parts, plain.to_string().into_bytes()))
}

fn discovery(said: &Members) -> Result<Value, String> {
    let mut plain = Map::new();
    for name in ["issuer", "authorization_endpoint", "token_endpoint", "jwks_uri"] {
        let value = url(said, name).ok_or_else(|| format!("{name}, which has to be a URL"))?;
        plain.insert(name.to_owned(), value.into());
    }
    plain.extend(url(said, "userinfo_endpoint").map(|url| ("userinfo_endpoint".to_owned(), url.into())));
    for name in ["token_endpoint_auth_methods_supported", "code_challenge_methods_supported"] {
        plain.extend(texts(said.get(name)).map(|list| (name.to_owned(), list.into())));
    }
    let names_itself = truth(said.get("authorization_response_iss_parameter_supported"));
    plain.insert("authorization_response_iss_parameter_supported".to_owned(), names_itself.into());
    // Asked for by the library, and not looked at: what is asked of every provider is the code flow.
    plain.insert("response_types_supported".to_owned(), json!(["code"]));
    plain.insert("subject_types_supported".to_owned(), json!(["public"]));
    plain.insert("id_token_signing_alg_values_supported".to_owned(), json!(["RS256"]));
    Ok(plain.into())
}

/// Keys of kinds that are not known are passed over by the library.
fn key_set(said: &Members) -> Result<Value, String> {
    const NEEDED: [&str; 9] = ["kty", "use", "kid", "alg", "n", "e", "crv", "x", "y"];
    let keys = said.get("keys").and_then(Value::as_array).ok_or("keys, which has to be a list")?;
    let plain = keys.iter().filter_map(plain_jwk).map(|key| {
        let members =
            key.as_object().into_iter().flatten().filter(|(name, value)| NEEDED.contains(&name.as_str()) && value.is_string());
        Value::Object(members.map(|(name, value)| (name.clone(), value.clone())).collect())
    });
    Ok(json!({ "keys": plain.collect::<Vec<_>>() }))
}

fn token(said: &Members) -> Result<Value, String> {
    let mut plain = Map::new();
    plain.insert("access_token".to_owned(), filled(said, "access_token").ok_or("access_token, which has to be a text")?.into());
    plain.insert("token_type".to_owned(), filled(said, "token_type").unwrap_or("Bearer").into());
    plain.extend(filled(said, "id_token").map(|token| ("id_token".to_owned(), token.into())));
    Ok(plain.into())
}

fn token_error(said: &Members) -> Result<Value, String> {
    Ok(json!({ "error": filled(said, "error").ok_or("error, which has to be a text")? }))
}

fn userinfo(said: &Members) -> Result<Value, String> {
    let mut plain = Map::new();
    let subject = match said.get("sub") {
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => filled(said, "sub").map(ToOwned::to_owned),
    };
    plain.insert("sub".to_owned(), subject.ok_or("sub, which has to be a text")?.into());
    plain.extend(filled(said, "email").map(|email| ("email".to_owned(), email.into())));
    plain.extend(truth(said.get("email_verified")).map(|verified| ("email_verified".to_owned(), verified.into())));
    Ok(plain.into())
}

fn filled<'a>(said: &'a Members, name: &str) -> Option<&'a str> {
    said.get(name)?.as_str().filter(|text| !text.trim().is_empty())
}

fn url(said: &Members, name: &str) -> Option<String> {
    filled(said, name).filter(|text| Url::parse(text).is_ok()).map(ToOwned::to_owned)
}

/// A list of texts; one text is taken for its words.
fn texts(said: Option<&Value>) -> Option<Vec<Value>> {
    match said? {
        Value::Array(list) => Some(list.iter().filter(|one| one.is_string()).cloned().collect()),
        Value::String(words) if !words.trim().is_empty() => Some(words.split_whitespace().map(Value::from).collect()),
        _ => None,
    }
}

/// It comes as a truth value, a number or a text.
pub fn truth(said: Option<&Value>) -> Option<bool> {
    match said? {
        Value::Bool(said) => Some(*said),
        Value::Number(said) => Some(said.as_u64() == Some(1)),
        Value::String(said) => Some(said == "1" || said.eq_ignore_ascii_case("true")),
        Value::Null => None,
        Value::Array(_) | Value::Object(_) => Some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(asked: Asked, path: &str, kind: &'static str, body: impl Into<Vec<u8>>) -> Result<Value, String> {
        let mut answer = Response::new(Bytes::from(body.into()));
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        let plain = plain(asked, path, answer).map_err(|error| error.to_string())?;
        assert_eq!(plain.headers()[CONTENT_TYPE], "application/json");
        Ok(serde_json::from_slice(plain.body()).unwrap())
    }

    #[test]
    fn of_a_discovery_document_what_is_needed_is_read() {
        let document = json!({
            "issuer": "https://a.example", "authorization_endpoint": "https://a.example/authorize",
            "token_endpoint": "https://a.example/token", "jwks_uri": "https://a.example/keys", "userinfo_endpoint": "",
            "op_policy_uri": "", "op_tos_uri": null, "service_documentation": 7, "claims_supported": "all",
            "response_types_supported": null, "id_token_signing_alg_values_supported": ["RS256", "XY999"],
            "token_endpoint_auth_methods_supported": "client_secret_post", "code_challenge_methods_supported": ["S256", null],
            "authorization_response_iss_parameter_supported": "true", "mtls_endpoint_aliases": [],
        });
        let bom = format!("\u{feff}{document}");
        for kind in ["application/json; charset=UTF-8", "text/plain", "text/html", "application/octet-stream"] {
            let plain = read(Asked::Discovery, "/x/.well-known/openid-configuration", kind, bom.clone()).unwrap();
            assert!(plain.get("userinfo_endpoint").is_none() && plain.get("op_policy_uri").is_none());
            assert_eq!(plain["token_endpoint_auth_methods_supported"], json!(["client_secret_post"]));
            assert_eq!(plain["code_challenge_methods_supported"], json!(["S256"]));
            assert_eq!(plain["authorization_response_iss_parameter_supported"], true);
            assert!(serde_json::from_value::<super::super::shape::Metadata>(plain).is_ok());
        }
        let mut lacking = document;
        lacking["jwks_uri"] = json!("keys");
        let said = read(Asked::Discovery, WELL_KNOWN, "application/json", lacking.to_string()).unwrap_err();
        assert_eq!(said, "the answer cannot be read: the discovery document has no readable jwks_uri, which has to be a URL");
        let said = read(Asked::Discovery, WELL_KNOWN, "text/html", "<html>").unwrap_err();
        assert_eq!(said, "the answer cannot be read: the discovery document is not JSON (line 1, column 1)");
    }

    #[test]
    fn a_key_set_may_have_keys_that_are_not_known() {
        let keys = json!({ "keys": [
            { "kty": "RSA", "kid": 7, "n": "AQAB+/==", "e": "AQAB", "use": null, "alg": "RS256", "x5c": ["MII"], "x5t": null },
            { "kty": "AKP", "alg": "ML-DSA-65", "pub": "AA" }, "nonsense",
        ] });
        let plain = read(Asked::Discovery, "/keys", "text/plain", keys.to_string()).unwrap();
        assert_eq!(plain["keys"][0], json!({ "kty": "RSA", "kid": "7", "n": "AQAB-_", "e": "AQAB", "alg": "RS256" }));
        assert!(read(Asked::Discovery, "/keys", "text/plain", "[]").unwrap_err().ends_with("the key set is not a JSON object"));
    }

    #[test]
    fn of_a_token_and_of_who_it_is_what_is_needed_is_read() {
        let answer = json!({ "access_token": "a", "token_type": "bearer", "expires_in": "3600", "scope": ["openid"],
            "refresh_token": null, "id_token": "e.y.J" });
        let plain = read(Asked::Token, "/token", "text/plain", answer.to_string()).unwrap();
        assert_eq!(plain, json!({ "access_token": "a", "token_type": "bearer", "id_token": "e.y.J" }));
        let said = read(Asked::Token, "/token", "application/json", r#"{"id_token":"secret"}"#).unwrap_err();
        assert!(said.ends_with("has no readable access_token, which has to be a text") && !said.contains("secret"), "{said}");
        let who = json!({ "sub": 12, "email": "a@b.example", "email_verified": "True", "picture": "", "updated_at": "now" });
        let plain = read(Asked::Userinfo, "/me", "text/json", who.to_string()).unwrap();
        assert_eq!(plain, json!({ "sub": "12", "email": "a@b.example", "email_verified": true }));
        let latin = "{\"sub\":\"1\",\"name\":\"J\u{fc}rgen\"}".chars().map(|c| c as u8).collect::<Vec<u8>>();
        assert!(read(Asked::Userinfo, "/me", "application/json; charset=iso-8859-1", latin.clone()).is_ok());
        assert!(read(Asked::Userinfo, "/me", "application/json", latin).is_ok());
    }
}
