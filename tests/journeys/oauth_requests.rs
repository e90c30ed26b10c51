//! Requests at the token endpoint that are bent in one place each; every answer keeps to the form of the standard.

use std::time::{Duration, Instant};

use domain::rules::oauth::JWT_BEARER;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::{
    app::TestApp,
    oauth::{Partner, partner},
};

const FORM: &str = "application/x-www-form-urlencoded";
const GRANT: &str = "grant_type=client_credentials";

/// A running instance with a client.
struct Desk {
    app: TestApp,
    partner: Partner,
}

impl Desk {
    async fn open() -> Self {
        let app = TestApp::start().await;
        let partner = partner(&app).await;
        app.token(partner.client(), &partner.secret, &[]).await;
        Self { app, partner }
    }

    fn to(&self, path: &str, body: impl Into<Vec<u8>>) -> RequestBuilder {
        self.app.http.post(self.app.url(path)).header(CONTENT_TYPE, FORM).body(body.into())
    }

    /// A body for the token endpoint, from a client that proves itself by Basic.
    fn own(&self, body: impl Into<Vec<u8>>) -> RequestBuilder {
        self.to("/oauth2/token", body).basic_auth(self.partner.client(), Some(&self.partner.secret))
    }

    /// A body that has the secret in it.
    fn posted(&self, client: &str, secret: &str) -> RequestBuilder {
        let body = url::form_urlencoded::Serializer::new(GRANT.to_owned())
            .append_pair("client_id", client)
            .append_pair("client_secret", secret)
            .finish();
        self.to("/oauth2/token", body)
    }

    async fn answers(&self, name: &str, request: RequestBuilder, expected: &str) {
        assert_eq!(told(name, request).await, expected, "{name}");
    }
}

/// Status, `error` or the scope, and whether it is challenged. What every answer must have is checked.
async fn told(name: &str, request: RequestBuilder) -> String {
    let begun = Instant::now();
    // On a connection of its own: one whose body was too large is closed, and a client may learn of that too late.
    let alone = reqwest::Client::builder().pool_max_idle_per_host(0).build().expect("a client");
    let answer = alone.execute(request.build().expect("a request")).await.expect("an answer");
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let header = |name: &str| headers.get(name).map(|value| value.to_str().expect("a text"));
    assert_eq!((header("cache-control"), header("pragma")), (Some("no-store"), Some("no-cache")), "{name}");
    assert_eq!(header("content-type"), Some("application/json"), "{name}");
    assert_eq!(header("allow"), (status == 405).then_some("POST"), "{name}");
    let body: Value = answer.json().await.expect("JSON");
    assert!(begun.elapsed() < Duration::from_secs(2), "{name} took {:?}", begun.elapsed());
    let said = match (&body["error"], &body["error_description"]) {
        (Value::String(error), Value::String(description)) => {
            let allowed = |b: u8| matches!(b, b' '..=b'!' | b'#'..=b'[' | b']'..=b'~');
            assert!((10..300).contains(&description.len()) && description.bytes().all(allowed), "{name}: {description}");
            assert_eq!(body.as_object().map(serde_json::Map::len), Some(2), "{name}: {body}");
            error.clone()
        }
        _ if status == 200 => body["scope"].as_str().map(ToOwned::to_owned).unwrap_or_else(|| body.to_string()),
        _ => panic!("{name}: {body}"),
    };
    let challenge = if headers.contains_key("www-authenticate") { " challenged" } else { "" };
    format!("{status} {said}{challenge}")
}

const ALL: &str = "200 ship:read ship:write";
const READ: &str = "200 ship:read";
const INVALID: &str = "400 invalid_request";
const SCOPE: &str = "400 invalid_scope";
const UNPROVEN: &str = "401 invalid_client";
const CHALLENGED: &str = "401 invalid_client challenged";

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_read_in_one_way() {
    let desk = Desk::open().await;
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH] {
        let url = desk.app.url(&format!("/oauth2/token?{GRANT}"));
        let request = desk.app.http.request(method, url).basic_auth(desk.partner.client(), Some(&desk.partner.secret));
        desk.answers("not a POST", request, "405 invalid_request").await;
    }
    for (kind, expected) in [
        ("application/json", INVALID),
        ("text/plain", INVALID),
        ("multipart/form-data; boundary=x", INVALID),
        ("application/x-www-form-urlencoded, text/plain", INVALID),
        ("", INVALID),
        ("application/x-www-form-urlencoded; charset=utf-8", ALL),
        ("application/x-www-form-urlencoded;charset=\"ISO-8859-1\"", ALL),
        ("Application/X-WWW-Form-Urlencoded ; x", ALL),
    ] {
        let request = desk.app.http.post(desk.app.url("/oauth2/token")).header(CONTENT_TYPE, kind).body(GRANT);
        desk.answers(kind, request.basic_auth(desk.partner.client(), Some(&desk.partner.secret)), expected).await;
    }
    let json = json!({ "grant_type": "client_credentials" }).to_string();
    let long = "x".repeat(1 << 20);
    let many = (0..12_000).map(|i| format!("&{i:x}")).collect::<String>();
    for (name, body, expected) in [
        ("JSON, said to be a form", json, INVALID),
        ("nothing", String::new(), INVALID),
        ("grant_type empty", "grant_type=".to_owned(), INVALID),
        ("grant_type without a value", "grant_type".to_owned(), INVALID),
        ("grant_type in upper case", "GRANT_TYPE=client_credentials".to_owned(), INVALID),
        ("grant_type twice", format!("{GRANT}&{GRANT}"), INVALID),
        ("grant_type twice, once escaped", format!("{GRANT}&%67rant_type=client_credentials"), INVALID),
        ("scope twice, once empty", format!("{GRANT}&scope=&scope=ship:read"), INVALID),
        ("an unknown parameter twice", format!("{GRANT}&x=1&x=1"), INVALID),
        ("a parameter with a long name twice", format!("{GRANT}&{name}=1&{name}", name = "\"%0a".repeat(5_000)), INVALID),
        ("1 MB", format!("{GRANT}&x={long}"), "413 invalid_request"),
        ("an unknown parameter", format!("{GRANT}&audience=x&resource=y"), ALL),
        ("a query beside it", format!("{GRANT}&"), ALL),
        ("12,000 unknown parameters", format!("{GRANT}{many}"), ALL),
    ] {
        desk.answers(name, desk.own(body), expected).await;
    }
    for grant in
        ["password", "authorization_code", "refresh_token", "CLIENT_CREDENTIALS", "+client_credentials", "%00", "%22%0d%0a"]
    {
        desk.answers(grant, desk.own(format!("grant_type={grant}")), "400 unsupported_grant_type").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scopes_are_names_of_those_granted() {
    let desk = Desk::open().await;
    for (name, scope, expected) in [
        ("one of them", "ship:read".to_owned(), READ),
        ("empty", String::new(), ALL),
        ("doubled", "ship:read+ship:read".to_owned(), READ),
        ("beyond the grant", "ship:read+ship:delete".to_owned(), SCOPE),
        ("in upper case", "SHIP:READ".to_owned(), SCOPE),
        ("the beginning of one", "ship:rea".to_owned(), SCOPE),
        ("two spaces", "ship:read++ship:write".to_owned(), SCOPE),
        ("a space before", "+ship:read".to_owned(), SCOPE),
        ("spaces only", "+++".to_owned(), SCOPE),
        ("a comma", "ship:read,ship:write".to_owned(), SCOPE),
        ("a tab", "ship:read%09ship:write".to_owned(), SCOPE),
        ("quotes and line ends", "%22ship:read%22%0d%0aSet-Cookie:%20a=b".to_owned(), SCOPE),
        ("NUL", "ship:read%00".to_owned(), SCOPE),
        ("a backslash", "ship%5cread".to_owned(), SCOPE),
        ("not UTF-8", "ship%ff%c0%80".to_owned(), SCOPE),
        ("letters of elsewhere", "%D1%95hip:read".to_owned(), SCOPE),
        ("10 kB", "s".repeat(10_000), SCOPE),
        ("4 kB of one name", "s".repeat(4_000), SCOPE),
        ("10 kB of what is granted", vec!["ship:read"; 1_000].join("+"), SCOPE),
    ] {
        desk.answers(name, desk.own(format!("{GRANT}&scope={scope}")), expected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_prove_themselves_in_one_way() {
    let desk = Desk::open().await;
    let (client, secret) = (desk.partner.client(), desk.partner.secret.as_str());
    let input = json!({ "profileId": desk.partner.held.sandbox });
    let select = "credential { id } issued { secret }";
    let made = desk.app.mutate(Some(&desk.partner.dev), "createCredential", input, select).await;
    let (other, others) =
        (made["credential"]["id"].as_str().expect("an id"), made["issued"]["secret"].as_str().expect("a secret"));
    desk.app.token(other, others, &[]).await;
    desk.answers("in the body", desk.posted(client, secret), ALL).await;
    let (upper, cut, long) = (client.to_uppercase(), &secret[..secret.len() - 1], "x".repeat(10_000));
    let (spaced, ended) = (format!("{secret} "), format!("{secret}\0"));
    for (name, client, wrong) in [
        ("the secret of another client", client, others),
        ("another client with this secret", other, secret),
        ("a client that nobody knows", "cred_00000000000000000000000000", secret),
        ("no id at all", "nobody", secret),
        ("an id of another kind", "client_00000000000000000000000000", secret),
        ("an id in upper case", upper.as_str(), secret),
        ("an id with odd characters", "cred_\"\\\r\n\0\u{1f511}", secret),
        ("an id of 10 kB", long.as_str(), secret),
        ("a secret of 10 kB", client, long.as_str()),
        ("a secret that is cut off", client, cut),
        ("a secret with a space", client, spaced.as_str()),
        ("a secret with NUL", client, ended.as_str()),
        ("the id as the secret", client, client),
    ] {
        desk.answers(name, desk.posted(client, wrong), UNPROVEN).await;
        if !client.contains(['\0', '%']) {
            desk.answers(name, desk.to("/oauth2/token", GRANT).basic_auth(client, Some(wrong)), CHALLENGED).await;
        }
    }
    let basic = |pair: &str| desk.to("/oauth2/token", GRANT).basic_auth(pair, None::<&str>);
    desk.answers("a secret that is empty, by Basic", basic(client), CHALLENGED).await;
    desk.answers("an id that is empty, by Basic", basic(""), CHALLENGED).await;
    desk.answers("a secret that is empty", desk.posted(client, ""), CHALLENGED).await;
    desk.answers("an id that is empty", desk.posted("", secret), INVALID).await;
    desk.answers("nobody", desk.to("/oauth2/token", GRANT), CHALLENGED).await;
    desk.answers("both", desk.posted(client, secret).basic_auth(client, Some(secret)), INVALID).await;
    let named = |named: &str| desk.own(format!("{GRANT}&client_id={named}"));
    desk.answers("its own name in the body", named(client), ALL).await;
    desk.answers("another's name in the body", named(other), INVALID).await;
    desk.answers("two headers", desk.own(GRANT).header(AUTHORIZATION, "Basic eDp5"), INVALID).await;
    for header in ["Basic", "Basic ", "Basic :", "Basic ???", "Basic eA==", "Basic /w==", "Bearer x", "Digest a=b", "é", ""] {
        let value = http::HeaderValue::from_bytes(header.as_bytes()).expect("a value");
        desk.answers(header, desk.to("/oauth2/token", GRANT).header(AUTHORIZATION, value), CHALLENGED).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn assertions_come_alone_and_are_named() {
    let desk = Desk::open().await;
    let (client, secret) = (desk.partner.client(), desk.partner.secret.as_str());
    let kind = url::form_urlencoded::byte_serialize(JWT_BEARER.as_bytes()).collect::<String>();
    let assertion = |more: &str| desk.to("/oauth2/token", format!("{GRANT}&client_assertion=a.b.c{more}"));
    for (name, more, expected) in [
        ("no type", String::new(), INVALID),
        ("a wrong type", "&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:saml2-bearer".to_owned(), INVALID),
        ("a type in upper case", format!("&client_assertion_type={}", kind.to_uppercase()), INVALID),
        ("the type twice", format!("&client_assertion_type={kind}&client_assertion_type={kind}"), INVALID),
        ("a secret beside it", format!("&client_assertion_type={kind}&client_id={client}&client_secret={secret}"), INVALID),
        ("nonsense", format!("&client_assertion_type={kind}"), UNPROVEN),
        ("nonsense, and a client", format!("&client_assertion_type={kind}&client_id={client}"), UNPROVEN),
    ] {
        desk.answers(name, assertion(&more), expected).await;
    }
    let beside = assertion(&format!("&client_assertion_type={kind}")).basic_auth(client, Some(secret));
    desk.answers("an assertion beside Basic", beside, INVALID).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_told_about_and_revoked_by_the_same_rules() {
    let desk = Desk::open().await;
    let (client, secret) = (desk.partner.client(), desk.partner.secret.as_str());
    for (path, inactive) in [("/oauth2/introspect", r#"200 {"active":false}"#), ("/oauth2/revoke", "200 {}")] {
        let own = |body: String| desk.to(path, body).basic_auth(client, Some(secret));
        desk.answers("not a POST", desk.app.http.get(desk.app.url(path)), "405 invalid_request").await;
        desk.answers("nobody", desk.to(path, "token=x"), CHALLENGED).await;
        desk.answers("a wrong secret", desk.to(path, "token=x").basic_auth(client, Some("wrong")), CHALLENGED).await;
        desk.answers("no token", own(String::new()), INVALID).await;
        desk.answers("an empty token", own("token=&token_type_hint=access_token".to_owned()), INVALID).await;
        desk.answers("two tokens", own("token=a&token=b".to_owned()), INVALID).await;
        desk.answers("1 MB", own(format!("token={}", "x".repeat(1 << 20))), "413 invalid_request").await;
        for token in ["x", "a.b.c", "%00", "..", "%22%0a", secret, client, "x".repeat(60_000).as_str()] {
            desk.answers("no token of ours", own(format!("token={token}&token_type_hint=refresh_token")), inactive).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_unknown_and_who_is_wrong_hear_the_same_bytes() {
    let desk = Desk::open().await;
    let client = desk.partner.client();
    let bytes = async |request: RequestBuilder| {
        let answer = request.send().await.expect("an answer");
        let mut headers: Vec<_> = answer.headers().iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
        headers.retain(|header| !header.starts_with("x-request-id") && !header.starts_with("date"));
        (answer.status(), headers, answer.bytes().await.expect("a body"))
    };
    let unknown = "cred_00000000000000000000000000";
    let (wrong, secret) = ("pts_test_wrong", desk.partner.secret.as_str());
    let posted = bytes(desk.posted(client, wrong)).await;
    for (client, secret) in [(unknown, secret), (unknown, wrong), ("nobody", wrong)] {
        assert_eq!(bytes(desk.posted(client, secret)).await, posted);
    }
    let basic = |client: &str, secret: &str| desk.to("/oauth2/token", GRANT).basic_auth(client, Some(secret));
    let challenged = bytes(basic(client, wrong)).await;
    for (client, secret) in [(unknown, secret), (unknown, wrong), ("nobody", wrong), (client, "")] {
        assert_eq!(bytes(basic(client, secret)).await, challenged);
    }
}
