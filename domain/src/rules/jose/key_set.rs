//! The public keys of one signer (a JWKS, RFC 7517 §5): given by a person, who is told what is wrong with them, or fetched
//! from outside, where what cannot be used is passed over.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use serde_json::{Value, json};

use super::{jwk, public_key::PublicKey};
use crate::{Problem, ProblemCode};

/// Keys of a set that a person registers.
const MAX_REGISTERED: usize = 16;
/// Keys of a published set that are read; more are passed over.
const MAX_PUBLISHED: usize = 64;
/// Bytes of a published set.
pub const MAX_PUBLISHED_BYTES: usize = 256 << 10;

/// Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeySet(Arc<[PublicKey]>);

/// A published set as a whole cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKeySet {
    #[error("the key set has {0} bytes; at most {MAX_PUBLISHED_BYTES} are read")]
    TooLarge(usize),
    #[error("the key set is not JSON")]
    NotJson,
    #[error("the key set is not a JWKS: it must be an object with keys, a list")]
    NotASet,
}

/// A published key as the standard would have it: members that are null are left out, a number is a name too, and what is in
/// base64 has the alphabet of URLs, no padding and, in a number, no zero bytes in front. `None`: no key at all.
pub fn plain_jwk(published: &Value) -> Option<Value> {
    let members = published.as_object()?.iter().filter(|(_, value)| !value.is_null());
    let plain = members.map(|(name, value)| {
        let value = match (name.as_str(), value) {
            ("n" | "e", Value::String(text)) => Value::String(without_zeros(&url_alphabet(text))),
            ("x" | "y", Value::String(text)) => Value::String(url_alphabet(text)),
            ("kid", Value::Number(number)) => Value::String(number.to_string()),
            ("key_ops", Value::String(_)) => Value::Array(vec![value.clone()]),
            _ => value.clone(),
        };
        (name.clone(), value)
    });
    Some(Value::Object(plain.collect()))
}

fn url_alphabet(text: &str) -> String {
    let plain = |c: char| match c {
        '+' => '-',
        '/' => '_',
        other => other,
    };
    text.trim().trim_end_matches('=').chars().map(plain).collect()
}

fn without_zeros(number: &str) -> String {
    match BASE64.decode(number) {
        Ok(bytes) if bytes.first() == Some(&0) => {
            let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
            BASE64.encode(&bytes[first..])
        }
        _ => number.to_owned(),
    }
}

impl KeySet {
    /// A partner's own keys: all of them must be usable. One key that is not in a set is taken for a set of one. `path` is
    /// where the value stands in the input.
    pub fn registered(jwks: &Value, path: &str) -> Result<Self, Vec<Problem>> {
        let invalid = |path: &str, message: String| vec![Problem::new(ProblemCode::Invalid, path, message)];
        let list_path = format!("{path}.keys");
        let (keys, alone) = match (jwks.get("keys"), jwks.get("kty")) {
            (Some(Value::Array(keys)), _) => (keys.as_slice(), false),
            (Some(_), _) => return Err(invalid(&list_path, "must be a list of public keys as JWKs".to_owned())),
            (None, Some(_)) => (std::slice::from_ref(jwks), true),
            (None, None) => {
                let say = "must be a JWKS: an object with keys, a list of public keys as JWKs (RFC 7517)";
                return Err(invalid(path, say.to_owned()));
            }
        };
        if keys.is_empty() {
            return Err(vec![Problem::new(ProblemCode::Required, &list_path, "must have one key at least")]);
        }
        if keys.len() > MAX_REGISTERED {
            let say = format!("has {} keys; at most {MAX_REGISTERED} can be registered: leave out those out of use", keys.len());
            return Err(vec![Problem::new(ProblemCode::LimitReached, &list_path, say)]);
        }
        let mut good: Vec<PublicKey> = Vec::new();
        let mut problems = Vec::new();
        for (place, jwk) in keys.iter().enumerate() {
            let path = if alone { path.to_owned() } else { format!("{list_path}.{place}") };
            match jwk::read(jwk) {
                Err(fault) => problems.push(fault.at(&path)),
                Ok(key) if good.iter().any(|other| other.name() == key.name()) => problems.extend(if key.has_kid() {
                    invalid(&format!("{path}.kid"), "names an earlier key of the set as well: give each key its own".to_owned())
                } else {
                    invalid(&path, "stands in the set already: leave it out".to_owned())
                }),
                Ok(key) => good.push(key),
            }
        }
        if problems.is_empty() { Ok(good.into_iter().collect()) } else { Err(problems) }
    }

    /// What an address outside has answered. Keys that cannot be used are passed over, so the set may be empty: then nothing
    /// verifies by it, as its owner says, and that is no reason to go on with an older one.
    pub fn published(text: &str) -> Result<Self, BadKeySet> {
        if text.len() > MAX_PUBLISHED_BYTES {
            return Err(BadKeySet::TooLarge(text.len()));
        }
        let set: Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|_| BadKeySet::NotJson)?;
        let keys = set.get("keys").and_then(Value::as_array).ok_or(BadKeySet::NotASet)?;
        let usable = keys.iter().filter_map(|jwk| jwk::read(&plain_jwk(jwk)?).ok());
        Ok(usable.take(MAX_PUBLISHED).collect())
    }

    /// The keys that a token may have been signed with. One that names a key was signed with a key of that name: a key without
    /// `kid` goes by its thumbprint, and where no key has the name, by any, for some signers name their keys in tokens alone.
    /// For a token that names none, all are tried.
    pub fn candidates<'k>(&'k self, kid: Option<&'k str>) -> impl Iterator<Item = &'k PublicKey> {
        let named = kid.is_some_and(|kid| self.0.iter().any(|key| key.name() == kid));
        self.0.iter().filter(move |key| match kid {
            None => true,
            Some(kid) if named => key.name() == kid,
            Some(_) => !key.has_kid(),
        })
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn keys(&self) -> &[PublicKey] {
        &self.0
    }

    /// The set as a JWKS that anyone may see.
    pub fn to_json(&self) -> Value {
        json!({ "keys": self.0.iter().map(PublicKey::to_json).collect::<Vec<_>>() })
    }
}

impl FromIterator<PublicKey> for KeySet {
    fn from_iter<I: IntoIterator<Item = PublicKey>>(keys: I) -> Self {
        Self(keys.into_iter().collect())
    }
}
