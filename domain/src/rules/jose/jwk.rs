//! Public keys read from JWKs (RFC 7517, 7518 §6, 8037): only what can be used here, and each fault with its member.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use serde_json::{Map, Value};

use super::{
    Algorithm,
    header::MAX_KID,
    public_key::{Material, POINT, PublicKey},
    weak,
};
use crate::{Problem, ProblemCode};

/// Members that only the private half of a key has (RFC 7518 §6.2.2, §6.3.2), and `k`, which is all of a secret key.
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;
/// Below 2^33 ring verifies; larger ones are nobody's, and cost time.
const RSA_EXPONENTS: std::ops::Range<u64> = 3..1 << 33;

/// Why a key cannot be used.
#[derive(Debug)]
pub struct KeyFault {
    code: ProblemCode,
    /// Empty: the key as a whole.
    member: &'static str,
    /// A predicate of the member.
    message: Cow<'static, str>,
}

impl KeyFault {
    fn new(member: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code: ProblemCode::Invalid, member, message: message.into() }
    }

    /// `path` is the key's.
    pub fn at(self, path: &str) -> Problem {
        Problem::new(self.code, &format!("{path}.{}", self.member), self.message)
    }
}

pub fn read(jwk: &Value) -> Result<PublicKey, KeyFault> {
    let Value::Object(members) = jwk else {
        return Err(KeyFault::new("", "must be a public key as a JWK: an object with kty and the members of its kind"));
    };
    let jwk = Jwk(members);
    jwk.is_public()?;
    jwk.is_for_signatures()?;
    let kid = jwk.kid()?;
    let (material, algorithms) = match jwk.text("kty")? {
        "RSA" => (jwk.rsa()?, jwk.algorithm(&[Algorithm::Rs256, Algorithm::Ps256])?),
        "EC" => (jwk.p256()?, jwk.algorithm(&[Algorithm::Es256])?),
        "OKP" => (jwk.ed25519()?, jwk.algorithm(&[Algorithm::EdDsa])?),
        _ => return Err(KeyFault::new("kty", "must be RSA, EC (curve P-256) or OKP (curve Ed25519): make a pair of that kind")),
    };
    Ok(PublicKey::new(kid, algorithms, material))
}

struct Jwk<'a>(&'a Map<String, Value>);

impl<'a> Jwk<'a> {
    fn is_public(&self) -> Result<(), KeyFault> {
        let Some(member) = PRIVATE.into_iter().find(|member| self.0.contains_key(*member)) else { return Ok(()) };
        let say = "is secret, and must stay where the key is used: treat this key as leaked, make a new pair, and register its \
                   public half only, without d, p, q, dp, dq, qi, oth and k";
        Err(KeyFault::new(member, say))
    }

    fn is_for_signatures(&self) -> Result<(), KeyFault> {
        if self.0.get("use").is_some_and(|purpose| purpose != "sig") {
            return Err(KeyFault::new("use", "must be sig, or be left out: this key is not for signatures"));
        }
        let verifies = |operations: &Value| operations.as_array().is_some_and(|list| list.iter().any(|one| one == "verify"));
        if self.0.get("key_ops").is_some_and(|operations| !verifies(operations)) {
            return Err(KeyFault::new("key_ops", "must have verify in its list, or be left out: this key is not for verifying"));
        }
        Ok(())
    }

    fn kid(&self) -> Result<Option<Box<str>>, KeyFault> {
        match self.0.get("kid") {
            None => Ok(None),
            Some(Value::String(kid)) if (1..=MAX_KID).contains(&kid.len()) && !kid.chars().any(char::is_control) => {
                Ok(Some(kid.as_str().into()))
            }
            Some(_) => Err(KeyFault::new("kid", "must be a text of 1 to 200 bytes without control characters")),
        }
    }

    /// Those of its kind's algorithms that the key may be used for.
    fn algorithm(&self, all: &'static [Algorithm]) -> Result<&'static [Algorithm], KeyFault> {
        let Some(alg) = self.0.get("alg") else { return Ok(all) };
        let named = alg.as_str().and_then(Algorithm::parse);
        let chosen = all.chunks(1).find(|one| one.first().copied() == named);
        chosen.ok_or_else(|| {
            let names: Vec<_> = all.iter().map(|algorithm| algorithm.name()).collect();
            KeyFault::new("alg", format!("must be {}, or be left out, for a key of this kind", names.join(" or ")))
        })
    }

    fn rsa(&self) -> Result<Material, KeyFault> {
        let n = self.bytes("n")?;
        let e = self.bytes("e")?;
        for (member, number) in [("n", &n), ("e", &e)] {
            if number.first() == Some(&0) {
                return Err(KeyFault::new(member, "starts with a zero byte: write the number without it (RFC 7518 §6.3.1)"));
            }
        }
        let bits = n.first().map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
        if !RSA_BITS.contains(&bits) {
            let (least, most) = (RSA_BITS.start(), RSA_BITS.end());
            return Err(KeyFault::new("n", format!("has {bits} bits; {least} to {most} are accepted: make a new key")));
        }
        // The product of two large primes is odd.
        if n.last().is_some_and(|last| last % 2 == 0) {
            return Err(KeyFault::new("n", "is even, so it is no modulus of an RSA key: copy the key again"));
        }
        if weak::roca(&n) {
            return Err(KeyFault::new("n", "can be factored (ROCA, CVE-2017-15361): make a new key with other software"));
        }
        let exponent = (e.len() <= 8).then(|| e.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)));
        if !exponent.is_some_and(|exponent| exponent % 2 == 1 && RSA_EXPONENTS.contains(&exponent)) {
            return Err(KeyFault::new("e", "must be an odd number from 3 to 2^33, such as AQAB (65537)"));
        }
        Ok(Material::Rsa { n: n.into(), e: e.into() })
    }

    fn p256(&self) -> Result<Material, KeyFault> {
        self.curve("P-256")?;
        let mut point = Box::new([0; POINT]);
        let (form, rest) = point.split_at_mut(1);
        let (x, y) = rest.split_at_mut(32);
        form.fill(4);
        x.copy_from_slice(&self.bytes_32("x")?);
        y.copy_from_slice(&self.bytes_32("y")?);
        if !weak::on_p256(&point) {
            return Err(KeyFault::new("", "is not a point of the curve P-256: copy x and y again"));
        }
        Ok(Material::P256(point))
    }

    fn ed25519(&self) -> Result<Material, KeyFault> {
        self.curve("Ed25519")?;
        let x = self.bytes_32("x")?;
        if weak::small_order(&x) {
            return Err(KeyFault::new("x", "is a point of small order, under which anybody can sign: copy the key again"));
        }
        Ok(Material::Ed25519(x))
    }

    fn curve(&self, only: &'static str) -> Result<(), KeyFault> {
        if self.text("crv")? == only {
            return Ok(());
        }
        Err(KeyFault::new("crv", format!("must be {only} for a key of this kind: make a pair on that curve")))
    }

    fn text(&self, member: &'static str) -> Result<&'a str, KeyFault> {
        match self.0.get(member) {
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(KeyFault::new(member, "must be a text")),
            None => Err(KeyFault { code: ProblemCode::Required, member, message: "is missing: copy the whole key again".into() }),
        }
    }

    fn bytes(&self, member: &'static str) -> Result<Vec<u8>, KeyFault> {
        let bytes = BASE64.decode(self.text(member)?);
        bytes.map_err(|_| KeyFault::new(member, "must be in base64url, without padding and spaces"))
    }

    fn bytes_32(&self, member: &'static str) -> Result<[u8; 32], KeyFault> {
        let bytes = self.bytes(member)?;
        let say = || KeyFault::new(member, format!("has {} bytes; it must have 32, zero bytes in front included", bytes.len()));
        bytes.as_slice().try_into().map_err(|_| say())
    }
}
