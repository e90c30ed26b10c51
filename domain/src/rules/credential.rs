//! What credentials look like, when they work, and how a presented secret is compared with the stored hash.
//!
//! An API key is `ptk_live_<lookup>_<secret><checksum>`, `ptk_test_` in the sandbox; the others have no lookup part, as their
//! client is named beside them: a token `ptt_live_<secret><checksum>`, an OAuth client's secret `pts_…`, the secret that a partner
//! signs tokens with `ptj_…`. The secret is 256 random bits in base62, the checksum the CRC32 of all before it, so that a typo or
//! a scanner's find is settled offline. Against 256 random bits a plain SHA-256 suffices. Letters, digits and `_` mean the same
//! with and without form encoding, which HTTP clients do not agree on for Basic credentials.

use std::fmt;

use chrono::{DateTime, Utc};
use entities::enums::{AuthMethod, CredentialStatus, Environment};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::{
    base62::{CHECKSUM, LENGTH_OF_256 as SECRET, checksum, digits, of_256},
    view::{Moment, Secret},
};
use crate::{Problem, ProblemCode, keyring::sha256};

const LOOKUP: usize = 12;
const API_KEY: &str = "ptk";
const TOKEN: &str = "ptt";
const CLIENT_SECRET: &str = "pts";
const SIGNING_SECRET: &str = "ptj";
/// Shortest and longest token of a provider's own.
const OWN_TOKEN: std::ops::RangeInclusive<usize> = 32..=512;
const DOTS: &str = "••••••••";

/// What every secret that is issued here looks like: for scanners of code and logs. The checksum rules out what only looks so.
pub const PATTERN: &str = r"\bpt(?:k_(?:live|test)_[0-9A-Za-z]{12}|[tsj]_(?:live|test))_[0-9A-Za-z]{49}\b";

/// Random bytes that a secret is made from: 32 for the secret, 16 for the lookup part.
pub const RANDOM_BYTES: usize = 48;

/// Kinds of secret that are issued here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretKind {
    ApiKey,
    Token,
    /// Of OAuth 2.0.
    ClientSecret,
    /// A partner signs its tokens with it (HS256).
    SigningSecret,
}

impl SecretKind {
    /// `None` for the methods whose credentials are not issued.
    pub fn of(method: AuthMethod) -> Option<Self> {
        match method {
            AuthMethod::ApiKey => Some(Self::ApiKey),
            AuthMethod::Token => Some(Self::Token),
            AuthMethod::SignedJwt => Some(Self::SigningSecret),
            AuthMethod::Oauth2ClientSecret => Some(Self::ClientSecret),
            AuthMethod::Oauth2PrivateKeyJwt | AuthMethod::Mtls | AuthMethod::Oidc | AuthMethod::None => None,
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::ApiKey => API_KEY,
            Self::Token => TOKEN,
            Self::ClientSecret => CLIENT_SECRET,
            Self::SigningSecret => SIGNING_SECRET,
        }
    }

    /// Whether the secret itself is kept, sealed: for verifying, and in the sandbox for the explorer. Of others only the hash is.
    pub fn is_kept(self, environment: Environment) -> bool {
        match self {
            Self::SigningSecret => true,
            Self::ApiKey | Self::Token | Self::ClientSecret => environment == Environment::Sandbox,
        }
    }
}

/// Whether calls by this method need a credential that the team has to make.
pub fn has_credentials(method: AuthMethod) -> bool {
    match method {
        AuthMethod::ApiKey
        | AuthMethod::Token
        | AuthMethod::SignedJwt
        | AuthMethod::Oauth2ClientSecret
        | AuthMethod::Oauth2PrivateKeyJwt
        | AuthMethod::Mtls
        | AuthMethod::Oidc => true,
        AuthMethod::None => false,
    }
}

/// A secret that was just made; shown once.
#[derive(Debug)]
pub struct Issued {
    pub secret: SecretString,
    /// What an API key is found by.
    pub lookup: Option<String>,
    pub hash: [u8; 32],
    /// The recognisable part; the rest as dots.
    pub masked: String,
    /// Whether the secret itself is to be kept, sealed.
    pub kept: bool,
}

/// The part of an API key that says which one it is; not secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lookup([u8; LOOKUP]);

impl Lookup {
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; LOOKUP] = text.as_bytes().try_into().ok()?;
        bytes.iter().all(u8::is_ascii_alphanumeric).then_some(Self(bytes))
    }

    pub fn bytes(&self) -> &[u8; LOOKUP] {
        &self.0
    }
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

/// An API key whose form and checksum are right. Nothing is proven until its hash is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParsedKey {
    pub environment: Environment,
    pub lookup: Lookup,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("an API key starts with ptk_live_ or ptk_test_")]
    NotAKey,
    #[error("an API key has a lookup part of 12 and a secret part of 49 letters and digits")]
    Malformed,
    /// A typo, or cut off.
    #[error("the key's checksum does not fit: a character was lost or changed")]
    Checksum,
}

fn lane(environment: Environment) -> &'static str {
    match environment {
        Environment::Production => "live",
        Environment::Sandbox => "test",
    }
}

/// Makes a secret from random bytes.
pub fn issue(kind: SecretKind, environment: Environment, random: &[u8; RANDOM_BYTES]) -> Issued {
    let secret: [u8; 32] = std::array::from_fn(|i| random[i]);
    let lookup = u128::from_be_bytes(std::array::from_fn(|i| random[32 + i]));
    let secret = of_256(secret);
    let head = format!("{}_{}_", kind.prefix(), lane(environment));
    // Where there is no lookup part to be recognised by, four of the secret's 43 characters are shown.
    let (head, lookup, shown) = match kind {
        SecretKind::ApiKey => {
            let lookup = digits(lookup, LOOKUP);
            (format!("{head}{lookup}_"), Some(lookup), "")
        }
        SecretKind::Token | SecretKind::ClientSecret | SecretKind::SigningSecret => (head, None, &secret[..4]),
    };
    let masked = format!("{head}{shown}{DOTS}");
    let body = format!("{head}{secret}");
    let whole = format!("{body}{}", checksum(&body));
    Issued { hash: sha256(&whole), masked, lookup, kept: kind.is_kept(environment), secret: whole.into() }
}

/// What an API key is recognised by, from its lookup part alone.
pub fn masked_key(environment: Environment, lookup: &str) -> String {
    format!("{API_KEY}_{}_{lookup}_{DOTS}", lane(environment))
}

/// Takes over a token that the provider has given out already: 32 to 512 visible ASCII characters.
pub fn adopt(path: &str, token: SecretString, environment: Environment) -> Result<Issued, Problem> {
    let text = token.expose_secret();
    if !OWN_TOKEN.contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_graphic()) {
        let rule = "must have 32 to 512 visible ASCII characters without spaces";
        return Err(Problem::new(ProblemCode::Invalid, path, rule));
    }
    if text.starts_with("ptk_") || text.starts_with("ptp_") {
        let rule = "must not start with ptk_ or ptp_: such tokens are taken for API keys or access tokens";
        return Err(Problem::new(ProblemCode::Invalid, path, rule));
    }
    let masked = format!("{}{DOTS}", &text[..4]);
    let kept = SecretKind::Token.is_kept(environment);
    Ok(Issued { hash: sha256(text), masked, lookup: None, kept, secret: token })
}

/// Reads an API key; all that can be said without looking anything up.
pub fn parse_api_key(text: &str) -> Result<ParsedKey, KeyError> {
    let rest = text.strip_prefix(API_KEY).and_then(|rest| rest.strip_prefix('_')).ok_or(KeyError::NotAKey)?;
    let (environment, rest) = [Environment::Production, Environment::Sandbox]
        .into_iter()
        .find_map(|e| Some((e, rest.strip_prefix(lane(e))?.strip_prefix('_')?)))
        .ok_or(KeyError::NotAKey)?;
    let (lookup, secret) = rest.split_once('_').ok_or(KeyError::Malformed)?;
    let lookup = Lookup::parse(lookup).ok_or(KeyError::Malformed)?;
    if secret.len() != SECRET + CHECKSUM || !secret.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(KeyError::Malformed);
    }
    let (body, sum) = text.split_at(text.len() - CHECKSUM);
    if checksum(body) != sum {
        return Err(KeyError::Checksum);
    }
    Ok(ParsedKey { environment, lookup })
}

/// The environment that a token's prefix names; `None` for a provider's own.
pub fn token_environment(text: &str) -> Option<Environment> {
    let rest = text.strip_prefix(TOKEN)?.strip_prefix('_')?;
    Environment::ALL.into_iter().find(|e| rest.strip_prefix(lane(*e)).is_some_and(|rest| rest.starts_with('_')))
}

/// Whether a presented secret has this hash; constant time.
pub fn matches(hash: &[u8; 32], presented: &[u8; 32]) -> bool {
    hash.ct_eq(presented).into()
}

/// Whether a secret works at that moment: from `valid_from`, until just before `valid_until`.
pub fn is_live(secret: &Secret, now: Moment) -> bool {
    secret.valid_from <= now && now < secret.valid_until
}

/// Those that work at that moment.
pub fn live(secrets: &[Secret], now: Moment) -> impl Iterator<Item = &Secret> {
    secrets.iter().filter(move |secret| is_live(secret, now))
}

/// What a credential is at a moment: its end comes by the clock, so it is not read from the stored status. Revoked is final.
pub fn state(stored: CredentialStatus, expires_at: Moment, now: Moment) -> CredentialStatus {
    match stored {
        CredentialStatus::Revoked => CredentialStatus::Revoked,
        CredentialStatus::Expired => CredentialStatus::Expired,
        CredentialStatus::Unclaimed | CredentialStatus::Active if expires_at <= now => CredentialStatus::Expired,
        CredentialStatus::Unclaimed => CredentialStatus::Unclaimed,
        CredentialStatus::Active => CredentialStatus::Active,
    }
}

/// [`state`] for what a row says.
pub fn state_at(stored: CredentialStatus, expires_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> CredentialStatus {
    state(stored, Moment::end(expires_at), now.into())
}

/// When a new credential expires: as asked, but not after the end of the plan's lifetime.
pub fn expiry(
    asked: Option<DateTime<Utc>>,
    latest: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, Problem> {
    match (asked, latest) {
        (Some(at), _) if at <= now => Err(Problem::new(ProblemCode::Invalid, "expiresAt", "must be in the future")),
        (Some(at), Some(latest)) if at > latest => {
            let say =
                format!("must not be after {}: the plan lets no credential live longer", latest.format("%Y-%m-%dT%H:%M:%SZ"));
            Err(Problem::new(ProblemCode::Invalid, "expiresAt", say))
        }
        (asked, latest) => Ok(asked.or(latest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(seed: u8) -> [u8; RANDOM_BYTES] {
        std::array::from_fn(|i| seed.wrapping_mul(31).wrapping_add((i as u8).wrapping_mul(97)))
    }

    #[test]
    fn the_look_of_secrets() {
        let key = issue(SecretKind::ApiKey, Environment::Production, &bytes(1));
        let test = issue(SecretKind::ApiKey, Environment::Sandbox, &[0; RANDOM_BYTES]);
        let token = issue(SecretKind::Token, Environment::Production, &[255; RANDOM_BYTES]);
        let client = issue(SecretKind::ClientSecret, Environment::Sandbox, &bytes(2));
        let signing = issue(SecretKind::SigningSecret, Environment::Production, &bytes(3));
        let shown =
            [&key, &test, &token, &client, &signing].map(|i| format!("{}\n{}\n", i.secret.expose_secret(), i.masked)).concat();
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn what_was_issued_parses_and_no_changed_character_does() {
        for seed in 0..=255 {
            for environment in Environment::ALL {
                let issued = issue(SecretKind::ApiKey, environment, &bytes(seed));
                let text = issued.secret.expose_secret();
                let parsed = parse_api_key(text).unwrap();
                assert_eq!(parsed.environment, environment);
                assert_eq!(format!("{:?}", parsed.lookup), issued.lookup.unwrap());
                assert!(matches(&issued.hash, &sha256(text)));
                assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
            }
        }
        let issued = issue(SecretKind::ApiKey, Environment::Production, &bytes(9));
        let text = issued.secret.expose_secret();
        for at in 0..text.len() {
            assert!(parse_api_key(&text[..at]).is_err(), "cut at {at}");
            let other = if &text[at..=at] == "x" { "y" } else { "x" };
            let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
            assert!(parse_api_key(&changed).is_err(), "{changed}");
        }
        assert_eq!(parse_api_key(&format!("{text}0")), Err(KeyError::Malformed));
        assert_eq!(parse_api_key("ptt_live_x"), Err(KeyError::NotAKey));
        assert_eq!(parse_api_key("ptk_prod_x"), Err(KeyError::NotAKey));
        assert_eq!(parse_api_key("ptk_live_ä"), Err(KeyError::Malformed));
    }

    #[test]
    fn scanners_find_what_is_issued_and_the_documentation_says_how() {
        let pattern = regex::Regex::new(PATTERN).unwrap();
        for kind in [SecretKind::ApiKey, SecretKind::Token, SecretKind::ClientSecret, SecretKind::SigningSecret] {
            for environment in Environment::ALL {
                let issued = issue(kind, environment, &bytes(4));
                let secret = issued.secret.expose_secret();
                let found = pattern.find_iter(&format!("key = \"{secret}\";")).map(|m| m.as_str() == secret).collect::<Vec<_>>();
                assert_eq!(found, [true], "{kind:?} {environment:?}");
                assert!(!pattern.is_match(&secret[..secret.len() - 1]) && !pattern.is_match(&issued.masked));
                let (body, sum) = secret.split_at(secret.len() - CHECKSUM);
                assert_eq!(checksum(body), sum);
            }
        }
        assert!(include_str!("../../../docs/credentials.md").contains(PATTERN));
    }

    #[test]
    fn all_256_bits_are_in_the_secret() {
        let mut seen = std::collections::HashSet::new();
        for bit in 0..256 {
            let mut number = [0u8; 32];
            number[bit / 8] = 1 << (bit % 8);
            assert!(seen.insert(of_256(number)));
        }
        assert_eq!(of_256([255; 32]).len(), SECRET);
        assert_eq!(of_256(std::array::from_fn(|i| u8::from(i == 31) * 61)), format!("{}z", "0".repeat(42)));
    }

    #[test]
    fn tokens_of_a_providers_own() {
        let adopted = |text: &str| adopt("token", text.to_owned().into(), Environment::Production);
        let own = "an-older-token/with+all=kinds~of.characters";
        let taken = adopted(own).unwrap();
        assert_eq!((taken.masked.as_str(), taken.lookup), ("an-o••••••••", None));
        assert!(matches(&taken.hash, &sha256(own)));
        for wrong in ["short", &"a b".repeat(20), &"ä".repeat(40), &"a".repeat(513), &format!("ptk_{}", "a".repeat(40))] {
            assert!(adopted(wrong).is_err(), "{wrong}");
        }
        assert_eq!(token_environment("ptt_live_x"), Some(Environment::Production));
        assert_eq!(token_environment("ptt_test_x"), Some(Environment::Sandbox));
        assert_eq!(token_environment(own), None);
    }

    #[test]
    fn states_by_the_clock() {
        use CredentialStatus::{Active, Expired, Revoked, Unclaimed};
        let now = Moment(1_000);
        for (stored, expires_at, expected) in [
            (Unclaimed, Moment::NEVER, Unclaimed),
            (Unclaimed, Moment(1_000), Expired),
            (Active, Moment::NEVER, Active),
            (Active, Moment(1_001), Active),
            (Active, Moment(1_000), Expired),
            (Revoked, Moment::NEVER, Revoked),
            (Revoked, Moment(1), Revoked),
            (Expired, Moment::NEVER, Expired),
        ] {
            assert_eq!(state(stored, expires_at, now), expected, "{stored:?} {expires_at:?}");
        }
    }

    #[test]
    fn secrets_live_from_their_first_moment_to_just_before_their_last() {
        let secret = |from, until| Secret {
            id: entities::id::CredentialSecretId(uuid::Uuid::nil()),
            lookup: None,
            hash: [0; 32],
            valid_from: Moment(from),
            valid_until: until,
            proof: None,
        };
        let overlapping = [secret(0, Moment(100)), secret(50, Moment::NEVER)];
        let live = |now| overlapping.each_ref().map(|s| is_live(s, Moment(now)));
        assert_eq!(live(-1), [false, false]);
        assert_eq!(live(0), [true, false]);
        assert_eq!(live(50), [true, true]);
        assert_eq!(live(99), [true, true]);
        assert_eq!(live(100), [false, true]);
    }

    #[test]
    fn a_plan_lets_no_credential_live_longer() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0);
        let expires = |asked, latest| expiry(asked, latest, at(10).expect("now")).map_err(|p| p.message);
        assert_eq!(expires(None, None), Ok(None));
        assert_eq!(expires(None, at(20)), Ok(at(20)));
        assert_eq!(expires(at(15), at(20)), Ok(at(15)));
        assert_eq!(expires(at(20), None), Ok(at(20)));
        assert_eq!(expires(at(10), None), Err("must be in the future".to_owned()));
        let late = "must not be after 1970-01-01T00:00:20Z: the plan lets no credential live longer";
        assert_eq!(expires(at(21), at(20)), Err(late.to_owned()));
    }
}
