//! A signed token in the compact serialisation (RFC 7515 §7.1), read strictly: each token has one text only, and what could be
//! read in two ways is refused. Its claims come out only by way of a signature that holds.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use chrono::{DateTime, Utc};
use ring::hmac;

use super::{Algorithm, BadToken, Claims, KeySet, MAX_TOKEN, Shown, Typ, header::Header, json::Members};

/// Bytes that an HMAC key has at least (RFC 7518 §3.2): with a shorter one nothing verifies.
const MIN_SECRET: usize = 32;

#[derive(Debug)]
pub struct Jws<'a> {
    header: Header,
    signed: &'a str,
    signature: Vec<u8>,
    claims: Claims,
}

impl<'a> Jws<'a> {
    /// Never panics. A good token has one text: base64url without padding, whitespace or stray bits.
    pub fn parse(text: &'a str) -> Result<Self, BadToken> {
        let compact = Compact::split(text)?;
        let claims = object(compact.payload, "payload", Claims::read)?;
        Ok(Self { header: compact.header, signed: compact.signed, signature: compact.signature, claims })
    }

    pub fn algorithm(&self) -> Algorithm {
        self.header.algorithm
    }

    /// `None` also for one that is not known here.
    pub fn typ(&self) -> Option<Typ> {
        self.header.typ.as_ref().and_then(|typ| typ.as_ref().ok().copied())
    }

    pub fn kid(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }

    /// What the token says of itself, unproven: good for finding the keys that it is then checked with, and for nothing else.
    pub fn claimed_issuer(&self) -> Option<&str> {
        self.claims.iss.as_deref()
    }

    /// See [`Self::claimed_issuer`].
    pub fn claimed_subject(&self) -> Option<&str> {
        self.claims.sub.as_deref()
    }

    /// See [`Self::claimed_issuer`].
    pub fn claimed_end(&self) -> Option<DateTime<Utc>> {
        self.claims.exp
    }

    /// The claims, where one of the keys has signed them. The algorithm is the key's: a header that names another is refused.
    pub(super) fn verified_by(&self, keys: &KeySet, accepted: &[Algorithm]) -> Result<&Claims, BadToken> {
        let algorithm = self.header.algorithm;
        if !accepted.contains(&algorithm) {
            return Err(self.algorithm_not_allowed(accepted.iter().copied()));
        }
        let mut tried = false;
        for key in keys.candidates(self.kid()).filter(|key| key.algorithms().contains(&algorithm)) {
            if key.verify(algorithm, self.signed.as_bytes(), &self.signature) {
                return Ok(&self.claims);
            }
            tried = true;
        }
        if tried {
            return Err(BadToken::SignatureWrong);
        }
        let others = keys.candidates(self.kid()).flat_map(|key| key.algorithms().iter().copied());
        let mut others = others.filter(|other| accepted.contains(other)).peekable();
        Err(match others.peek() {
            Some(_) => self.algorithm_not_allowed(others),
            None => BadToken::NoKeyFits(self.kid().map_or_else(|| Shown::of("none"), Shown::of)),
        })
    }

    /// The claims, and the place of the secret that has signed them.
    pub(super) fn verified_by_secret<'s>(
        &self,
        secrets: impl IntoIterator<Item = &'s [u8]>,
    ) -> Result<(&Claims, usize), BadToken> {
        if self.header.algorithm != Algorithm::Hs256 {
            return Err(self.algorithm_not_allowed([Algorithm::Hs256]));
        }
        let holds = |secret: &[u8]| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
            secret.len() >= MIN_SECRET && hmac::verify(&key, self.signed.as_bytes(), &self.signature).is_ok()
        };
        let place = secrets.into_iter().position(holds).ok_or(BadToken::SignatureWrong)?;
        Ok((&self.claims, place))
    }

    /// Refuses a `typ` that is not among these.
    pub(super) fn has_typ(&self, expected: &[Typ], say: &'static str) -> Result<(), BadToken> {
        let found = match &self.header.typ {
            Some(Ok(typ)) if expected.contains(typ) => return Ok(()),
            Some(Ok(typ)) => Shown::of(typ.name()),
            Some(Err(other)) => other.clone(),
            None => Shown::or_missing(None),
        };
        Err(BadToken::WrongTyp { found, expected: say })
    }

    /// As [`Self::has_typ`], but lets a token without one pass.
    pub(super) fn may_have_typ(&self, expected: &[Typ], say: &'static str) -> Result<(), BadToken> {
        if self.header.typ.is_none() { Ok(()) } else { self.has_typ(expected, say) }
    }

    fn algorithm_not_allowed(&self, rather: impl IntoIterator<Item = Algorithm>) -> BadToken {
        let mut accepted = Vec::new();
        for algorithm in rather {
            if !accepted.contains(&algorithm) {
                accepted.push(algorithm);
            }
        }
        BadToken::AlgorithmNotAllowed { found: Shown::of(self.header.algorithm.name()), accepted }
    }
}

/// The three parts; of the payload it is only known that it is base64url.
#[derive(Debug)]
struct Compact<'a> {
    header: Header,
    /// Header and payload as they came: what the signature is over.
    signed: &'a str,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> Compact<'a> {
    fn split(text: &'a str) -> Result<Self, BadToken> {
        if text.len() > MAX_TOKEN {
            return Err(BadToken::TooLarge(text.len()));
        }
        let (signed, header, payload, signature) = parts(text)?;
        let header = object(decode(header)?, "header", Header::read)?;
        Ok(Self { header, signed, payload: decode(payload)?, signature: decode(signature)? })
    }
}

/// All that is signed, header, payload, signature.
fn parts(text: &str) -> Result<(&str, &str, &str, &str), BadToken> {
    let three = text.rsplit_once('.').and_then(|(signed, signature)| {
        let (header, payload) = signed.split_once('.')?;
        (!payload.contains('.')).then_some((signed, header, payload, signature))
    });
    three.ok_or_else(|| {
        BadToken::Malformed(if text.starts_with('{') {
            "is in the JSON serialisation: send the compact one, three parts with dots between them"
        } else if text.bytes().filter(|b| *b == b'.').count() == 4 {
            "is encrypted (JWE): send a signed one (JWS), three parts with dots between them"
        } else {
            "is not a signed one (JWS): it must have three parts with dots between them"
        })
    })
}

fn decode(part: &str) -> Result<Vec<u8>, BadToken> {
    BASE64.decode(part).map_err(|_| {
        BadToken::Malformed("has a part that is not base64url without padding and spaces: send it just as it was made")
    })
}

fn object<T>(bytes: Vec<u8>, part: &'static str, read: impl FnOnce(&Members<'_>) -> Result<T, BadToken>) -> Result<T, BadToken> {
    let text = std::str::from_utf8(&bytes).ok();
    let members = text.and_then(Members::parse).ok_or(BadToken::Malformed(match part {
        "header" => "has a header that is not a JSON object in UTF-8: make it with a JWT library",
        _ => "has a payload that is not a JSON object in UTF-8: make it with a JWT library",
    }))?;
    match members.doubled() {
        Some(name) => Err(BadToken::DuplicateMember { part, name: Shown::of(name) }),
        None => read(&members),
    }
}
