//! Typed ids. Stored as a UUIDv7; shown as a TypeID: `prefix_` and 26 characters of base32 (Crockford's alphabet, lower case).

use std::{fmt, str::FromStr};

use sea_orm::{DeriveValueType, TryFromU64};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The text is not an id of the kind that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAnId {
    /// The prefix that was expected, without the underscore.
    pub expected: &'static str,
}

impl fmt::Display for NotAnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a {} id: expected {0}_ and 26 characters", self.expected)
    }
}

impl std::error::Error for NotAnId {}

/// A kind of id. Implemented by [`typed_id!`] only.
pub trait TypedId: Copy + Eq + std::hash::Hash + fmt::Display + FromStr<Err = NotAnId> + 'static {
    /// What the shown form starts with, without the underscore.
    const PREFIX: &'static str;
    fn from_uuid(uuid: Uuid) -> Self;
    fn uuid(self) -> Uuid;
}

/// The prefix of a shown id: what stands before its last underscore.
pub fn prefix_of(text: &str) -> Option<&str> {
    text.rsplit_once('_').map(|(prefix, _)| prefix)
}

/// The UUID behind an id of any kind.
pub fn uuid_of(text: &str) -> Option<Uuid> {
    text.rsplit_once('_').and_then(|(_, rest)| read_base32(rest)).map(Uuid::from_u128)
}

fn write_base32(value: u128, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut text = [0u8; 26];
    for (i, slot) in text.iter_mut().enumerate() {
        *slot = ALPHABET[(value >> (5 * (25 - i)) & 31) as usize];
    }
    out.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
}

fn read_base32(text: &str) -> Option<u128> {
    // 26 characters hold 130 bits: the first may only use its low three.
    if text.len() != 26 || text.as_bytes()[0] > b'7' {
        return None;
    }
    text.bytes().try_fold(0u128, |value, c| {
        let digit = ALPHABET.iter().position(|&a| a == c)?;
        Some(value << 5 | digit as u128)
    })
}

#[doc(hidden)]
pub fn format(prefix: &str, uuid: Uuid, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(prefix)?;
    f.write_str("_")?;
    write_base32(uuid.as_u128(), f)
}

#[doc(hidden)]
pub fn parse(prefix: &'static str, text: &str) -> Result<Uuid, NotAnId> {
    text.strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('_'))
        .and_then(read_base32)
        .map(Uuid::from_u128)
        .ok_or(NotAnId { expected: prefix })
}

#[doc(hidden)]
pub fn serialize<T: TypedId, S: Serializer>(id: &T, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(id)
}

#[doc(hidden)]
pub fn deserialize<'de, T: TypedId, D: Deserializer<'de>>(d: D) -> Result<T, D::Error> {
    String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
}

macro_rules! typed_id {
    ($($name:ident $prefix:literal)*) => {$(
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, DeriveValueType)]
        pub struct $name(pub Uuid);

        impl TypedId for $name {
            const PREFIX: &'static str = $prefix;
            fn from_uuid(uuid: Uuid) -> Self { Self(uuid) }
            fn uuid(self) -> Uuid { self.0 }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { format($prefix, self.0, f) }
        }
        impl FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> { parse($prefix, text).map(Self) }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> { serialize(self, s) }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> { deserialize(d) }
        }
        impl TryFromU64 for $name {
            fn try_from_u64(_: u64) -> Result<Self, sea_orm::DbErr> {
                Err(sea_orm::DbErr::ConvertFromU64(stringify!($name)))
            }
        }
    )*};
}

typed_id! {
    AccessTokenId "token"
    ApprovalGroupId "group"
    ApprovalGroupMemberId "reviewer"
    AssignmentId "assign"
    AuditEventId "event"
    AuthorizedEmailId "authmail"
    CategoryId "cat"
    ClientId "client"
    CredentialId "cred"
    CredentialSecretId "secret"
    EndpointId "endp"
    GatewayNodeId "gateway"
    IdempotencyKeyId "idem"
    InvitationId "inv"
    JobId "job"
    LeakId "leak"
    MagicLinkId "link"
    MembershipId "member"
    NotificationId "notice"
    PlanEnvironmentId "planenv"
    PlanId "plan"
    PolicyId "policy"
    PortalId "portal"
    ProductEnvironmentId "prodenv"
    ProcessId "process"
    ProductId "prod"
    ProfileId "prof"
    QueueItemId "queue"
    RecoveryCodeId "recovery"
    RequestId "req"
    RequestLogId "log"
    RotationRequestId "rotation"
    ScopeGrantId "grant"
    ScopeRequestId "scopereq"
    SessionId "sess"
    SigningKeyId "signkey"
    SpecVersionId "spec"
    SsoIdentityId "ssoid"
    SsoProviderId "sso"
    SubmissionId "submit"
    SubscriptionId "sub"
    SupportRequestId "support"
    TeamDomainId "domain"
    TeamId "team"
    TierId "tier"
    TokenId "jti"
    UserId "user"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_the_round_trip_and_nothing_else_parses() {
        let id = TeamId(Uuid::from_u128(0x0188_bac7_4afa_78aa_bc3b_bd1e_ef28_d881));
        let text = id.to_string();
        assert_eq!(text, "team_01h2xcejqtf2nbrexx3vqjhp41");
        assert_eq!(text.parse(), Ok(id));
        for wrong in [
            "user_01h2xcejqtf2nbrexx3vqjhp41",
            "team_81h2xcejqtf2nbrexx3vqjhp41",
            "team_01h2xcejqtf2nbrexx3vqjhp4",
            "team_01H2XCEJQTF2NBREXX3VQJHP41",
            "01h2xcejqtf2nbrexx3vqjhp41",
            "team_01h2xcejqtf2nbrexx3vqjhpué",
            "",
        ] {
            assert_eq!(wrong.parse::<TeamId>(), Err(NotAnId { expected: "team" }), "{wrong}");
        }
    }
}
