//! Who may do what: one match for staff, one for members.

use entities::{
    authorized_email,
    enums::{AccessLevel, StaffRole},
    invitation, membership, team_domain,
};

/// What a staff role may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StaffRight {
    /// See the catalog in full, teams, clients, subscriptions.
    Read,
    ReadLogs,
    ReadAudit,
    /// Change catalog, plans, policies, tiers, clients, profiles, assignments, portal access; onboard partners.
    Edit,
    /// Decide on what teams ask for.
    Review,
    ManagePortal,
    ManageStaff,
}

impl StaffRight {
    pub const ALL: [Self; 7] =
        [Self::Read, Self::ReadLogs, Self::ReadAudit, Self::Edit, Self::Review, Self::ManagePortal, Self::ManageStaff];

    /// For the sentence "this needs …".
    pub fn needs(self) -> &'static str {
        match self {
            Self::Read => "a staff role that may read",
            Self::ReadLogs => "a staff role that may read logs",
            Self::ReadAudit => "the staff role AUDITOR, ADMIN or OWNER",
            Self::Edit => "the staff role EDITOR, ADMIN or OWNER",
            Self::Review => "the staff role REVIEWER, ADMIN or OWNER",
            Self::ManagePortal | Self::ManageStaff => "the staff role ADMIN or OWNER",
        }
    }
}

pub fn staff_may(role: StaffRole, right: StaffRight) -> bool {
    use StaffRight::{Edit, ManagePortal, ManageStaff, Read, ReadAudit, ReadLogs, Review};
    match role {
        StaffRole::Owner | StaffRole::Admin => true,
        StaffRole::Editor => matches!(right, Read | ReadLogs | Edit),
        StaffRole::Reviewer => matches!(right, Read | ReadLogs | Review),
        StaffRole::Viewer => matches!(right, Read | ReadLogs),
        StaffRole::Auditor => match right {
            ReadLogs | ReadAudit => true,
            Read | Edit | Review | ManagePortal | ManageStaff => false,
        },
    }
}

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
    /// What a developer is given who was authorised without saying more.
    pub const DEVELOPER: Self = Self { team: AccessLevel::Read, credentials: AccessLevel::Full, billing: AccessLevel::None };

    pub fn role(self) -> TeamRole {
        match [self.team, self.credentials, self.billing] {
            [AccessLevel::Full, AccessLevel::Full, AccessLevel::Full] => TeamRole::Admin,
            [AccessLevel::Read, AccessLevel::Read, AccessLevel::Read] => TeamRole::ReadOnly,
            _ => TeamRole::Restricted,
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

/// What a member may do for the team.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MemberRight {
    /// Be in the team: see its name and its members.
    SeeTeam,
    /// See invitations and the team's audit log.
    ReadTeam,
    /// Invite, change access, remove.
    ManageTeam,
    /// Set up who vouches for its people. The team's own: who can, can sign in as each of them.
    ManageSso,
    /// See subscriptions, clients, credentials (masked), logs.
    ReadCredentials,
    /// Subscribe, make and revoke credentials, change network rules.
    ManageCredentials,
}

impl MemberRight {
    pub const ALL: [Self; 6] =
        [Self::SeeTeam, Self::ReadTeam, Self::ManageTeam, Self::ManageSso, Self::ReadCredentials, Self::ManageCredentials];

    /// For the sentence "this needs …".
    pub fn needs(self) -> &'static str {
        match self {
            Self::SeeTeam => "membership of the team",
            Self::ReadTeam => "READ access to the team area",
            Self::ManageTeam => "FULL access to the team area",
            Self::ManageSso => "FULL access to the team area, as a member of the team",
            Self::ReadCredentials => "READ access to the credentials area",
            Self::ManageCredentials => "FULL access to the credentials area",
        }
    }
}

pub fn member_may(access: Access, right: MemberRight) -> bool {
    match right {
        MemberRight::SeeTeam => true,
        MemberRight::ReadTeam => access.team >= AccessLevel::Read,
        MemberRight::ManageTeam | MemberRight::ManageSso => access.team >= AccessLevel::Full,
        MemberRight::ReadCredentials => access.credentials >= AccessLevel::Read,
        MemberRight::ManageCredentials => access.credentials >= AccessLevel::Full,
    }
}

/// What staff may do for any team: see it with the right to read; change it with the right to edit. Secrets are the
/// team's own: making a credential is not among it.
pub fn staff_may_for_team(role: StaffRole, right: MemberRight) -> bool {
    match right {
        MemberRight::SeeTeam | MemberRight::ReadTeam | MemberRight::ReadCredentials => staff_may(role, StaffRight::Read),
        MemberRight::ManageTeam => staff_may(role, StaffRight::Edit),
        MemberRight::ManageSso | MemberRight::ManageCredentials => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_matrix_of_staff() {
        use StaffRole::{Admin, Auditor, Editor, Owner, Reviewer, Viewer};
        let table: String = [Owner, Admin, Editor, Reviewer, Auditor, Viewer]
            .map(|role| {
                let may = StaffRight::ALL.map(|right| if staff_may(role, right) { "yes" } else { "-" });
                format!("{role:?}: {}\n", may.join(" "))
            })
            .concat();
        // Read, ReadLogs, ReadAudit, Edit, Review, ManagePortal, ManageStaff
        insta::assert_snapshot!(table, @"
        Owner: yes yes yes yes yes yes yes
        Admin: yes yes yes yes yes yes yes
        Editor: yes yes - yes - - -
        Reviewer: yes yes - - yes - -
        Auditor: - yes yes - - - -
        Viewer: yes yes - - - - -
        ");
    }

    #[test]
    fn the_matrix_of_members() {
        use AccessLevel::{Full, None, Read};
        for (level, team, credentials) in [
            (None, [true, false, false, false], [false, false]),
            (Read, [true, true, false, false], [true, false]),
            (Full, [true; 4], [true; 2]),
        ] {
            let access = Access { team: level, credentials: level, billing: level };
            let may = MemberRight::ALL.map(|right| member_may(access, right));
            assert_eq!((&may[..4], &may[4..]), (&team[..], &credentials[..]), "{level:?}");
        }
    }
}
