//! What a member holds in a team.

use entities::{authorized_email, enums::AccessLevel, invitation, membership, team_domain};

/// A member's access, by area.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Access {
    pub team: AccessLevel,
    pub credentials: AccessLevel,
    pub billing: AccessLevel,
}

/// The role that an access amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TeamRole {
    Admin,
    ReadOnly,
    Restricted,
}

impl Access {
    pub const FULL: Self = Self { team: AccessLevel::Full, credentials: AccessLevel::Full, billing: AccessLevel::Full };
    pub const NONE: Self = Self { team: AccessLevel::None, credentials: AccessLevel::None, billing: AccessLevel::None };
    /// What a developer is given who was authorised without saying more.
    pub const DEVELOPER: Self = Self { team: AccessLevel::Read, credentials: AccessLevel::Full, billing: AccessLevel::None };

    pub fn role(self) -> TeamRole {
        match [self.team, self.credentials, self.billing] {
            [AccessLevel::Full, AccessLevel::Full, AccessLevel::Full] => TeamRole::Admin,
            [AccessLevel::Read, AccessLevel::Read, AccessLevel::Read] => TeamRole::ReadOnly,
            _ => TeamRole::Restricted,
        }
    }

    /// What is in both: the lower in each area.
    pub fn and(self, other: Self) -> Self {
        Self {
            team: self.team.min(other.team),
            credentials: self.credentials.min(other.credentials),
            billing: self.billing.min(other.billing),
        }
    }

    /// Whether nothing in `self` goes beyond `other`.
    pub fn within(self, other: Self) -> bool {
        self.team <= other.team && self.credentials <= other.credentials && self.billing <= other.billing
    }
}

macro_rules! access_of {
    ($($name:ident $model:path)*) => {$(
        impl From<&$model> for Access {
            fn from(row: &$model) -> Self {
                Self { team: row.access_team, credentials: row.access_credentials, billing: row.access_billing }
            }
        }
    )*};
}

access_of! {
    member membership::Model
    invitation invitation::Model
    authorized authorized_email::Model
    domain team_domain::Model
}

impl Access {
    pub fn of<'a, T>(row: &'a T) -> Self
    where
        Self: From<&'a T>,
    {
        row.into()
    }
}
