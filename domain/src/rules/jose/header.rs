//! The header of a token: how it says it is signed, and what it says it is. The key decides on both in the end (RFC 8725
//! §3.1), and keys that a header carries or points at (`jwk`, `jku`, `x5u`, `x5c`) are never looked at.

use super::{BadToken, Shown, json::Members};

/// Bytes.
pub const MAX_KID: usize = 200;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    Hs256,
    Rs256,
    Ps256,
    Es256,
    EdDsa,
}

impl Algorithm {
    /// Those that sign with a private key, and verify with a public one.
    pub const ASYMMETRIC: &[Self] = &[Self::Rs256, Self::Ps256, Self::Es256, Self::EdDsa];

    /// Names are case-sensitive. EdDSA is also read by its newer name (RFC 9864).
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name {
            "HS256" => Some(Self::Hs256),
            "RS256" => Some(Self::Rs256),
            "PS256" => Some(Self::Ps256),
            "ES256" => Some(Self::Es256),
            "EdDSA" | "Ed25519" => Some(Self::EdDsa),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

/// What kind of token a header says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Typ {
    Jwt,
    /// RFC 9068.
    AccessToken,
    /// RFC 10070.
    ClientAuthentication,
}

impl Typ {
    pub const ALL: [Self; 3] = [Self::Jwt, Self::AccessToken, Self::ClientAuthentication];

    pub fn name(self) -> &'static str {
        match self {
            Self::Jwt => "JWT",
            Self::AccessToken => "at+jwt",
            Self::ClientAuthentication => "client-authentication+jwt",
        }
    }

    /// A media type: case does not count, and `application/` may stand in front (RFC 7515 §4.1.9).
    fn parse(text: &str) -> Option<Self> {
        const APPLICATION: &str = "application/";
        let bare = match text.split_at_checked(APPLICATION.len()) {
            Some((prefix, bare)) if prefix.eq_ignore_ascii_case(APPLICATION) => bare,
            Some(_) | None => text,
        };
        Self::ALL.into_iter().find(|typ| typ.name().eq_ignore_ascii_case(bare))
    }
}

#[derive(Debug)]
pub struct Header {
    pub algorithm: Algorithm,
    /// `Err` for one that is not known.
    pub typ: Option<Result<Typ, Shown>>,
    pub kid: Option<Box<str>>,
}

impl Header {
    pub fn read(members: &Members<'_>) -> Result<Self, BadToken> {
        if members.get("crit").is_some() {
            return Err(BadToken::Critical);
        }
        // Unencoded payloads (RFC 7797), compression, and encrypted tokens.
        if let Some(name) = ["b64", "zip", "enc"].into_iter().find(|name| members.get(name).is_some()) {
            return Err(BadToken::HeaderNotAccepted(name));
        }
        let text = |name: &str, complaint: &'static str| match members.get(name) {
            Some(value) => value.text().map(Some).ok_or(BadToken::Malformed(complaint)),
            None => Ok(None),
        };
        let alg = text("alg", "has an alg that is not a text: write for instance ES256")?;
        let alg = alg.ok_or(BadToken::Malformed("has no alg in its header: name the algorithm it is signed with"))?;
        let unknown = || BadToken::AlgorithmNotAllowed { found: Shown::of(alg), accepted: Vec::new() };
        let typ = text("typ", "has a typ that is not a text: write for instance JWT")?;
        let kid = text("kid", "has a kid that is not a text: put it in quotes")?;
        if kid.is_some_and(|kid| kid.len() > MAX_KID) {
            return Err(BadToken::Malformed("has a kid of more than 200 bytes: give the key a shorter one"));
        }
        Ok(Self {
            algorithm: Algorithm::parse(alg).ok_or_else(unknown)?,
            typ: typ.map(|typ| Typ::parse(typ).ok_or_else(|| Shown::of(typ))),
            kid: kid.map(Box::from),
        })
    }
}
