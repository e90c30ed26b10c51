//! A call that is tried from the portal: where it goes, what it carries, and how it is shown.

use std::fmt::Write;

use entities::enums::AuthMethod;
use url::form_urlencoded;

use crate::{Problem, ProblemCode, error::Problems};

/// Bytes of a body that is sent.
const MAX_BODY: usize = 1 << 20;
const MAX_PAIRS: usize = 50;
/// What stands in place of a secret wherever the call is shown.
pub const MASK: &str = "••••••••";

/// A name and its value.
pub type Pair = (String, String);

/// A call as it was put together by a person.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    pub method: String,
    /// Below the product's base path, with parameters in braces.
    pub template: String,
    pub base_path: String,
    pub path_parameters: Vec<Pair>,
    pub query: Vec<Pair>,
    pub headers: Vec<Pair>,
    pub body: Option<String>,
}

/// A call that can be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub headers: Vec<Pair>,
    pub body: Option<String>,
}

/// Puts the parts together; says of each what is wrong with it.
pub fn ready(draft: Draft) -> Result<Ready, Vec<Problem>> {
    let mut problems = Problems::default();
    for (field, pairs) in [("pathParameters", &draft.path_parameters), ("query", &draft.query), ("headers", &draft.headers)] {
        if pairs.len() > MAX_PAIRS {
            problems.add(ProblemCode::LimitReached, field, format!("at most {MAX_PAIRS}"));
        }
    }
    if draft.body.as_ref().is_some_and(|body| body.len() > MAX_BODY) {
        problems.add(ProblemCode::LimitReached, "body", "at most 1 MiB");
    }
    for (i, (name, value)) in draft.headers.iter().enumerate() {
        if let Err(say) = header(name, value) {
            problems.add(ProblemCode::Invalid, &format!("headers.{i}"), say);
        }
    }
    let path = path(&draft, &mut problems);
    let list = problems.into_list();
    if !list.is_empty() {
        return Err(list);
    }
    let mut target = format!("/{}{path}", draft.base_path);
    if !draft.query.is_empty() {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&draft.query).finish();
        let _ = write!(target, "?{query}");
    }
    Ok(Ready { method: draft.method, target, headers: draft.headers, body: draft.body })
}

/// The template with each parameter filled in, as one segment or a part of one.
fn path(draft: &Draft, problems: &mut Problems) -> String {
    let given = |name: &str| draft.path_parameters.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str());
    let mut path = String::new();
    let mut names = Vec::new();
    let mut rest = draft.template.as_str();
    while let Some((before, after)) = rest.split_once('{') {
        path.push_str(before);
        let Some((name, after)) = after.split_once('}') else { break };
        match given(name).filter(|value| !value.is_empty()) {
            Some("." | "..") => problems.add(ProblemCode::Invalid, "pathParameters", format!("{name} cannot be dots alone")),
            Some(value) => path.push_str(&segment(value)),
            None => problems.add(ProblemCode::Required, "pathParameters", format!("give {name}")),
        }
        names.push(name.to_owned());
        rest = after;
    }
    path.push_str(rest);
    for (i, (name, _)) in draft.path_parameters.iter().enumerate().filter(|(_, (name, _))| !names.contains(name)) {
        let say = format!("the path has no parameter {name}");
        problems.add(ProblemCode::Invalid, &format!("pathParameters.{i}"), say);
    }
    path
}

/// Percent-encoded but for what RFC 3986 leaves unreserved.
fn segment(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Headers that say who calls, or concern one connection, are not a person's to set here.
fn header(name: &str, value: &str) -> Result<(), String> {
    const OURS: [&str; 15] = [
        "authorization",
        "connection",
        "content-length",
        "cookie",
        "expect",
        "forwarded",
        "host",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-api-key",
        "x-client-id",
        "x-profile-id",
        "x-real-ip",
    ];
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || !name.bytes().all(token) {
        return Err("is not the name of a header".to_owned());
    }
    let lower = name.to_ascii_lowercase();
    let proxies = ["x-portico-", "proxy-", "x-forwarded-", "x-ssl-", "client-cert", "x-client-cert"];
    if OURS.contains(&lower.as_str()) || proxies.iter().any(|prefix| lower.starts_with(prefix)) {
        return Err(format!("{name} is set by the portal: give a credential instead"));
    }
    if !value.bytes().all(|b| b == b'\t' || (b' '..=b'~').contains(&b)) {
        return Err("a header's value has visible ASCII characters and spaces".to_owned());
    }
    Ok(())
}

/// The headers by which a caller of this method names itself and proves it. `proof`: its secret, or a token made with it.
pub fn identity(method: AuthMethod, client: &str, profile: &str, proof: Option<&str>) -> Vec<Pair> {
    let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let named = || vec![own("X-Client-ID", client), own("X-Profile-ID", profile)];
    let bearer = |proof: &str| own("Authorization", &format!("Bearer {proof}"));
    match method {
        AuthMethod::ApiKey => proof.map(|key| own("X-API-Key", key)).into_iter().collect(),
        AuthMethod::Oauth2ClientSecret | AuthMethod::Oauth2PrivateKeyJwt => proof.map(bearer).into_iter().collect(),
        AuthMethod::Token | AuthMethod::SignedJwt | AuthMethod::Oidc => named().into_iter().chain(proof.map(bearer)).collect(),
        AuthMethod::Mtls | AuthMethod::None => named(),
    }
}

/// The call as a curl line, for a POSIX shell.
pub fn curl(gateway_url: &str, ready: &Ready, identity: &[Pair]) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    let mut line = String::from("curl -i");
    if ready.method != "GET" {
        let _ = write!(line, " -X {}", ready.method);
    }
    let _ = write!(line, " {}", quoted(&format!("{gateway_url}{}", ready.target)));
    for (name, value) in identity.iter().chain(&ready.headers) {
        let _ = write!(line, " \\\n  -H {}", quoted(&format!("{name}: {value}")));
    }
    if let Some(body) = &ready.body {
        let _ = write!(line, " \\\n  --data-raw {}", quoted(body));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(list: &[(&str, &str)]) -> Vec<Pair> {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn draft() -> Draft {
        Draft {
            method: "POST".to_owned(),
            template: "/orders/{id}/lines/{line}.json".to_owned(),
            base_path: "shop".to_owned(),
            path_parameters: pairs(&[("id", "a/b é"), ("line", "7")]),
            query: pairs(&[("q", "x y"), ("q", "&")]),
            headers: pairs(&[("Accept", "application/json")]),
            body: Some("it's".to_owned()),
        }
    }

    #[test]
    fn a_call_is_put_together_and_shown() {
        let ready = ready(draft()).expect("a call");
        assert_eq!(ready.target, "/shop/orders/a%2Fb%20%C3%A9/lines/7.json?q=x+y&q=%26");
        let identity = identity(AuthMethod::Token, "client_1", "sandbox", Some(MASK));
        insta::assert_snapshot!(curl("https://gateway.example.com", &ready, &identity), @r"
        curl -i -X POST 'https://gateway.example.com/shop/orders/a%2Fb%20%C3%A9/lines/7.json?q=x+y&q=%26' \
          -H 'X-Client-ID: client_1' \
          -H 'X-Profile-ID: sandbox' \
          -H 'Authorization: Bearer ••••••••' \
          -H 'Accept: application/json' \
          --data-raw 'it'\''s'
        ");
    }

    #[test]
    fn what_cannot_be_sent_is_named() {
        let wrong = |change: fn(&mut Draft)| {
            let mut draft = draft();
            change(&mut draft);
            let problems = ready(draft).expect_err("refused");
            problems.into_iter().map(|p| format!("{} {:?}", p.path.join("."), p.code)).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(wrong(|d| d.path_parameters.truncate(1)), "pathParameters Required");
        assert_eq!(wrong(|d| d.path_parameters[1].1 = "..".to_owned()), "pathParameters Invalid");
        assert_eq!(wrong(|d| d.path_parameters.push(("x".to_owned(), "1".to_owned()))), "pathParameters.2 Invalid");
        assert_eq!(wrong(|d| d.headers = pairs(&[("A", "1"), ("X-Client-ID", "client_2")])), "headers.1 Invalid");
        assert_eq!(wrong(|d| d.headers = pairs(&[("X-Portico-Explorer", "1")])), "headers.0 Invalid");
        assert_eq!(wrong(|d| d.headers = pairs(&[("X-Forwarded-For", "1")])), "headers.0 Invalid");
        assert_eq!(wrong(|d| d.headers = pairs(&[("Forwarded", "1")])), "headers.0 Invalid");
        assert_eq!(wrong(|d| d.headers = pairs(&[("Client-Cert", "1")])), "headers.0 Invalid");
        assert_eq!(wrong(|d| d.headers = pairs(&[("X-SSL-Client-Cert", "1")])), "headers.0 Invalid");
        assert_eq!(wrong(|d| d.headers = pairs(&[("A", "1\r\nB: 2")])), "headers.0 Invalid");
        assert_eq!(wrong(|d| d.headers = pairs(&[("A B", "1")])), "headers.0 Invalid");
        assert_eq!(wrong(|d| d.body = Some("x".repeat(MAX_BODY + 1))), "body LimitReached");
    }
}
