//! An OpenID Connect provider that says what a test wants it to.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Form, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
    routing::{get, post},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use domain::{
    env::Env,
    rules::jose::{SigningKey, Typ},
};
use ring::{digest, hmac};
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

pub const CLIENT_ID: &str = "portico";
/// With what has to be encoded in a basic authorization.
pub const SECRET: &str = "a secret: 100% ours+";

/// What it gets wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    None,
    Issuer,
    Audience,
    ForOthersToo,
    AuthorizedParty,
    Nonce,
    NoNonce,
    Expired,
    FromTheFuture,
    /// Signed by a key that it does not publish.
    Key,
    Unsigned,
    /// By the client's secret, which somebody else may know.
    SharedSecret,
    AccessTokenHash,
    NoIdToken,
    /// What it tells at the userinfo endpoint is of somebody else.
    OtherSubject,
    Refuses,
    Down,
}

/// Whom it vouches for.
#[derive(Debug, Clone)]
pub struct Somebody {
    pub sub: &'static str,
    pub email: Option<&'static str>,
    /// As it comes: a boolean, or text.
    pub verified: Value,
    /// What the ID token tells of the address; the userinfo endpoint tells all.
    pub in_token: InToken,
    /// `xms_edov`, which is Entra ID's.
    pub owner: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InToken {
    All,
    /// Not whether it is verified.
    Address,
    Nothing,
}

pub fn somebody(sub: &'static str, email: &'static str) -> Somebody {
    Somebody { sub, email: Some(email), verified: json!(true), in_token: InToken::All, owner: Value::Null }
}

struct Shared {
    env: Option<Env>,
    key: SigningKey,
    published: Vec<Value>,
    lie: Lie,
    /// Whether answers name who gives them (RFC 9207).
    names_itself: bool,
    /// Whether its answers differ from the letter in what nobody needs.
    odd: bool,
    /// What was asked for and for whom, by code.
    codes: HashMap<String, (HashMap<String, String>, Somebody)>,
    /// How often it was asked for a token.
    asked: usize,
}

#[derive(Clone)]
pub struct IdentityProvider {
    pub issuer: String,
    shared: Arc<Mutex<Shared>>,
}

impl IdentityProvider {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let issuer = format!("http://{}", listener.local_addr().expect("an address"));
        let (key, _) = SigningKey::generate().expect("a key");
        let published = vec![key.public_jwk()];
        let shared =
            Shared { env: None, key, published, lie: Lie::None, names_itself: true, odd: false, codes: HashMap::new(), asked: 0 };
        let own = Self { issuer, shared: Arc::new(Mutex::new(shared)) };
        let routes = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .route("/me", get(userinfo))
            .with_state(own.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        own
    }

    /// By an instance's clock.
    pub fn by(self, env: &Env) -> Self {
        self.shared().env = Some(env.clone());
        self
    }

    pub fn lies(&self, lie: Lie) {
        self.shared().lie = lie;
    }

    pub fn names_itself(&self, names_itself: bool) {
        self.shared().names_itself = names_itself;
    }

    pub fn is_odd(&self) {
        self.shared().odd = true;
    }

    /// Signs by a new key, and publishes what becomes of the old one's JWK and the new one's.
    pub fn changes(&self, published: impl Fn(Value, Value) -> Vec<Value>) {
        let (key, _) = SigningKey::generate().expect("a key");
        let mut shared = self.shared();
        shared.published = published(shared.key.public_jwk(), key.public_jwk());
        shared.key = key;
    }

    pub fn publishes(&self, published: Vec<Value>) -> Vec<Value> {
        std::mem::replace(&mut self.shared().published, published)
    }

    pub fn asked(&self) -> usize {
        self.shared().asked
    }

    /// Signs by a new key, and publishes no other.
    pub fn rotate(&self) {
        let (key, _) = SigningKey::generate().expect("a key");
        let mut shared = self.shared();
        shared.published = vec![key.public_jwk()];
        shared.key = key;
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().expect("state")
    }

    /// What a browser brings back that was sent to this URL, where somebody gave who they are.
    pub fn signs_in(&self, url: &str, who: Somebody) -> Vec<(String, String)> {
        let url = Url::parse(url).expect("a URL");
        let asked: HashMap<String, String> = url.query_pairs().into_owned().collect();
        let mut shared = self.shared();
        let code = format!("code-{}", shared.codes.len());
        let mut back = vec![("code".to_owned(), code.clone()), ("state".to_owned(), asked["state"].clone())];
        if shared.names_itself {
            back.push(("iss".to_owned(), self.issuer.clone()));
        }
        shared.codes.insert(code, (asked, who));
        back
    }
}

/// JSON; of an odd one as text, with a mark in front.
fn told(said: &Value, odd: bool) -> ([(&'static str, &'static str); 1], String) {
    match odd {
        true => ([("content-type", "text/plain; charset=UTF-8")], format!("\u{feff}{said}")),
        false => ([("content-type", "application/json")], said.to_string()),
    }
}

async fn discovery(State(own): State<IdentityProvider>) -> impl IntoResponse {
    let shared = own.shared();
    let at = |path: &str| format!("{}{path}", own.issuer);
    let mut said = json!({
        "issuer": own.issuer,
        "authorization_endpoint": at("/authorize"),
        "token_endpoint": at("/token"),
        "userinfo_endpoint": at("/me"),
        "jwks_uri": at("/keys"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": shared.names_itself,
    });
    if shared.odd {
        said["op_policy_uri"] = json!("");
        said["subject_types_supported"] = Value::Null;
        said["id_token_signing_alg_values_supported"] = json!("ES256");
        said["authorization_response_iss_parameter_supported"] = json!("true");
        said["scopes_supported"] = json!(["openid", null, 7]);
    }
    (if shared.lie == Lie::Down { StatusCode::BAD_GATEWAY } else { StatusCode::OK }, told(&said, shared.odd))
}

async fn keys(State(own): State<IdentityProvider>) -> impl IntoResponse {
    let shared = own.shared();
    let mut keys = shared.published.clone();
    if shared.odd {
        keys.extend([json!({ "kty": "AKP", "alg": "ML-DSA-65" }), json!({ "kty": "RSA", "n": 7 }), Value::Null]);
    }
    told(&json!({ "keys": keys }), shared.odd)
}

async fn token(
    State(own): State<IdentityProvider>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> impl IntoResponse {
    let mut shared = own.shared();
    shared.asked += 1;
    match shared.lie {
        Lie::Down => return (StatusCode::BAD_GATEWAY, told(&json!({}), false)),
        Lie::Refuses => return (StatusCode::UNAUTHORIZED, told(&json!({ "error": "invalid_client" }), shared.odd)),
        _ => {}
    }
    let granted = shared.codes.remove(&form["code"]);
    let Some((asked, who)) = granted.filter(|(asked, _)| is_by_us(&headers, &form, asked)) else {
        return (StatusCode::BAD_REQUEST, told(&json!({ "error": "invalid_grant" }), shared.odd));
    };
    let mut answer = json!({ "access_token": access_token(&who), "token_type": "Bearer", "expires_in": 60 });
    if shared.lie != Lie::NoIdToken {
        answer["id_token"] = json!(shared.id_token(&own.issuer, &asked, &who));
    }
    if shared.odd {
        answer["expires_in"] = json!("3600");
        answer["scope"] = json!(["openid", "email"]);
        answer["refresh_token"] = Value::Null;
    }
    (StatusCode::OK, told(&answer, shared.odd))
}

/// Whether a code is redeemed by whom it was given to.
fn is_by_us(headers: &HeaderMap, form: &HashMap<String, String>, asked: &HashMap<String, String>) -> bool {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let basic = STANDARD.encode(format!("{}:{}", encoded(CLIENT_ID), encoded(SECRET)));
    let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, form["code_verifier"].as_bytes()));
    headers.get("authorization").is_some_and(|value| value.as_bytes() == format!("Basic {basic}").as_bytes())
        && form["grant_type"] == "authorization_code"
        && form["redirect_uri"] == asked["redirect_uri"]
        && challenge == asked["code_challenge"]
}

/// It says whom it is for: the userinfo endpoint asks no more.
fn access_token(who: &Somebody) -> String {
    let said = json!({ "sub": who.sub, "email": who.email, "email_verified": who.verified });
    URL_SAFE_NO_PAD.encode(said.to_string())
}

async fn userinfo(State(own): State<IdentityProvider>, headers: HeaderMap) -> impl IntoResponse {
    let bearer = headers["authorization"].to_str().ok().and_then(|value| value.strip_prefix("Bearer "));
    let said = URL_SAFE_NO_PAD.decode(bearer.expect("a token")).expect("base64");
    let mut said: Value = serde_json::from_slice(&said).expect("JSON");
    if own.shared().lie == Lie::OtherSubject {
        said["sub"] = json!("somebody else");
    }
    if own.shared().odd {
        said["picture"] = json!("");
        said["updated_at"] = json!("2026-01-05T09:00:00Z");
        said["email_verified"] = json!(said["email_verified"].to_string());
    }
    told(&said, own.shared().odd)
}

impl Shared {
    fn id_token(&self, issuer: &str, asked: &HashMap<String, String>, who: &Somebody) -> String {
        let now = self.env.as_ref().expect("a clock").now().timestamp();
        let hash = digest::digest(&digest::SHA256, access_token(who).as_bytes());
        let mut claims = json!({
            "iss": issuer, "aud": CLIENT_ID, "sub": who.sub, "iat": now, "exp": now + 60, "nonce": asked["nonce"],
            "at_hash": URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16]),
        });
        if who.in_token != InToken::Nothing {
            claims["email"] = json!(who.email);
            claims["xms_edov"] = who.owner.clone();
        }
        if who.in_token == InToken::All {
            claims["email_verified"] = who.verified.clone();
        }
        if self.odd {
            claims["aud"] = json!([CLIENT_ID]);
            claims["updated_at"] = json!("2026-01-05T09:00:00.000Z");
            claims["groups"] = json!({ "a": [1, null] });
            claims["picture"] = json!("");
        }
        match self.lie {
            Lie::Issuer => claims["iss"] = json!("https://login.example"),
            Lie::Audience => claims["aud"] = json!("another-client"),
            Lie::ForOthersToo => claims["aud"] = json!([CLIENT_ID, "another-client"]),
            Lie::AuthorizedParty => claims["azp"] = json!("another-client"),
            Lie::Nonce => claims["nonce"] = json!("of-another-sign-in"),
            Lie::NoNonce => drop(claims.as_object_mut().expect("an object").remove("nonce")),
            Lie::Expired => claims["exp"] = json!(now - 1),
            Lie::FromTheFuture => claims["iat"] = json!(now + 3600),
            Lie::AccessTokenHash => claims["at_hash"] = json!(URL_SAFE_NO_PAD.encode([0; 16])),
            _ => {}
        }
        let unsigned = |alg: &str| {
            let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
            format!("{}.{}", part(json!({ "alg": alg, "typ": "JWT" })), part(claims.clone()))
        };
        match self.lie {
            Lie::Unsigned => format!("{}.", unsigned("none")),
            Lie::SharedSecret => {
                let text = unsigned("HS256");
                let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), text.as_bytes());
                format!("{text}.{}", URL_SAFE_NO_PAD.encode(mac))
            }
            Lie::Key => SigningKey::generate().expect("a key").0.sign(Typ::Jwt, &claims).expect("a token"),
            _ => self.key.sign(Typ::Jwt, &claims).expect("a token"),
        }
    }
}
