//! Makes tokens: good ones, to be bent in one place each.

use ring::{
    hmac,
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA512, RsaEncoding},
};
use serde_json::{Value, json};

use super::*;

/// Who signs, and how.
#[derive(Clone)]
pub enum By {
    Es256,
    /// The key of our own.
    Own,
    Rs256,
    Ps256,
    Rs512,
    Ps512,
    EdDsa,
    Hs256(Vec<u8>),
    /// These bytes stand where the signature should.
    Bytes(Vec<u8>),
}

/// Members as JSON text, so that they can be doubled and be anything.
#[derive(Clone)]
pub struct Token {
    by: By,
    header: Vec<(String, String)>,
    payload: Vec<(String, String)>,
}

impl Token {
    pub fn assertion() -> Self {
        let claims = json!({
            "iss": CLIENT, "sub": CLIENT, "aud": ISSUER, "jti": "one",
            "iat": seconds(0), "exp": seconds(60),
        });
        Self::new(By::Es256, json!({ "alg": "ES256", "kid": "ec" }), claims)
    }

    pub fn access() -> Self {
        let claims = json!({
            "iss": ISSUER, "aud": GATEWAY, "sub": CLIENT, "client_id": CLIENT, "jti": "one", "scope": "orders:read",
            "iat": seconds(-60), "exp": seconds(240), "environment": "PRODUCTION", "proof": "secret_1",
        });
        Self::new(By::Own, json!({ "alg": "ES256", "typ": "at+jwt", "kid": own_key().kid() }), claims)
    }

    pub fn signed() -> Self {
        let claims = json!({ "iss": CLIENT, "iat": seconds(0), "exp": seconds(60) });
        Self::new(By::Hs256(SECRET.to_vec()), json!({ "alg": "HS256", "typ": "JWT" }), claims)
    }

    pub fn outside() -> Self {
        let claims = json!({
            "iss": IDP, "aud": ["account", GATEWAY], "sub": "user 1", "azp": "app", "scope": "openid orders:read",
            "iat": seconds(-5), "exp": seconds(3600),
        });
        Self::new(By::Rs256, json!({ "alg": "RS256", "typ": "JWT", "kid": "rsa" }), claims)
    }

    fn new(by: By, header: Value, payload: Value) -> Self {
        let members = |object: Value| {
            let object = object.as_object().unwrap().clone();
            object.into_iter().map(|(name, value)| (name, value.to_string())).collect()
        };
        Self { by, header: members(header), payload: members(payload) }
    }

    pub fn by(self, by: By) -> Self {
        Self { by, ..self }
    }

    /// Signed by this key, and so named.
    pub fn with_key(self, by: By, alg: &str, kid: &str) -> Self {
        self.by(by).header("alg", alg).header("kid", kid)
    }

    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        put(&mut self.header, name, Some(value.into().to_string()));
        self
    }

    pub fn no_header(mut self, name: &str) -> Self {
        put(&mut self.header, name, None);
        self
    }

    /// One more of this name.
    pub fn more_header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.push((name.to_owned(), value.into().to_string()));
        self
    }

    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        put(&mut self.payload, name, Some(value.into().to_string()));
        self
    }

    /// The value as it is to stand in the JSON.
    pub fn raw_claim(mut self, name: &str, json: &str) -> Self {
        put(&mut self.payload, name, Some(json.to_owned()));
        self
    }

    pub fn no_claim(mut self, name: &str) -> Self {
        put(&mut self.payload, name, None);
        self
    }

    /// One more of this name.
    pub fn more_claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.payload.push((name.to_owned(), value.into().to_string()));
        self
    }

    pub fn header_json(&self) -> String {
        json_text(&self.header)
    }

    pub fn payload_json(&self) -> String {
        json_text(&self.payload)
    }

    pub fn text(&self) -> String {
        join(&self.by, &encode(self.header_json()), &encode(self.payload_json()))
    }

    /// With other bytes for a header, or for a payload; signed as they are.
    pub fn text_with_header(&self, header: &[u8]) -> String {
        join(&self.by, &encode(header), &encode(self.payload_json()))
    }

    pub fn text_with_payload(&self, payload: &[u8]) -> String {
        join(&self.by, &encode(self.header_json()), &encode(payload))
    }

    /// The token's signature.
    pub fn signature(&self) -> Vec<u8> {
        sign(&self.by, &format!("{}.{}", encode(self.header_json()), encode(self.payload_json())))
    }
}

/// NumericDate, so many seconds from now.
pub fn seconds(from_now: i64) -> i64 {
    now().timestamp() + from_now
}

/// A token of these parts as they are.
pub fn join(by: &By, header: &str, payload: &str) -> String {
    let signed = format!("{header}.{payload}");
    let signature = encode(sign(by, &signed));
    format!("{signed}.{signature}")
}

fn put(members: &mut Vec<(String, String)>, name: &str, value: Option<String>) {
    match (members.iter().position(|(known, _)| known == name), value) {
        (Some(at), Some(value)) => members[at].1 = value,
        (Some(at), None) => drop(members.remove(at)),
        (None, Some(value)) => members.push((name.to_owned(), value)),
        (None, None) => panic!("there is no {name} to leave out"),
    }
}

fn json_text(members: &[(String, String)]) -> String {
    let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

fn sign(by: &By, signed: &str) -> Vec<u8> {
    let (random, signed) = (SystemRandom::new(), signed.as_bytes());
    let rsa = |encoding: &'static dyn RsaEncoding| {
        let pair = keys::rsa();
        let mut signature = vec![0; pair.public().modulus_len()];
        pair.sign(encoding, &random, signed, &mut signature).unwrap();
        signature
    };
    match by {
        By::Es256 => keys::ec().sign(&random, signed).unwrap().as_ref().to_vec(),
        By::Own => keys::own().sign(&random, signed).unwrap().as_ref().to_vec(),
        By::Rs256 => rsa(&RSA_PKCS1_SHA256),
        By::Ps256 => rsa(&RSA_PSS_SHA256),
        By::Rs512 => rsa(&RSA_PKCS1_SHA512),
        By::Ps512 => rsa(&RSA_PSS_SHA512),
        By::EdDsa => keys::ed25519().sign(signed).as_ref().to_vec(),
        By::Hs256(secret) => hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed).as_ref().to_vec(),
        By::Bytes(bytes) => bytes.clone(),
    }
}
