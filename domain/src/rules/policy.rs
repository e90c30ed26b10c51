//! Who may do what: one table with a row for each thing that can be done, and one match that reads it.

use entities::{
    enums::{AccessLevel, StaffRole},
    membership,
};

pub use super::member_access::{Access, TeamRole};
use super::second_factor::{PROVE, SET_UP};

/// Who asks, as far as permission goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Asker {
    Nobody,
    /// Somebody who is signed in, but for a second factor that they have not given yet.
    Unproven,
    /// Somebody who is signed in, with their role on the provider's side.
    Person(Option<StaffRole>),
    /// Somebody who is signed in, with a role that does not count for want of a second factor.
    Withheld,
    /// The program itself: it may everything.
    System,
}

/// What somebody asks to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// What is about themselves: their sessions and tokens, a team that they found.
    Own,
    /// For the provider.
    Staff(StaffRight),
    /// For a team.
    Team(MemberRight),
    /// Decide on what a team asks for.
    Decide,
}

/// What an answer depends on beside who asks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Facts {
    /// The asker's access in the team that it is about; `None`: they are no member of it.
    pub member: Option<Access>,
    /// Of a decision: what the asker is to the plan that it is about.
    pub group: Group,
}

/// What a reviewer is to a plan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Group {
    /// The plan has no approval group: any reviewer decides.
    #[default]
    Unbound,
    Member,
    Outsider,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Allowed,
    Unauthenticated,
    /// What to do about the second factor that is wanting.
    SecondFactor(&'static str),
    /// For the sentence "this needs …".
    Forbidden(&'static str),
    /// For an outsider there is no such team, and nothing of it.
    Unknown,
}

/// What suffices for an action: one of these roles, or this access as a member of the team.
struct Row {
    roles: &'static [StaffRole],
    member: Member,
    needs: &'static str,
}

enum Member {
    No,
    Any,
    Team(AccessLevel),
    Credentials(AccessLevel),
}

mod roles {
    use entities::enums::StaffRole::{self, Admin, Auditor, Editor, Owner, Reviewer, Viewer};

    pub const NONE: &[StaffRole] = &[];
    pub const ALL: &[StaffRole] = &[Viewer, Auditor, Editor, Reviewer, Admin, Owner];
    pub const READERS: &[StaffRole] = &[Viewer, Editor, Reviewer, Admin, Owner];
    pub const AUDITORS: &[StaffRole] = &[Auditor, Admin, Owner];
    pub const EDITORS: &[StaffRole] = &[Editor, Admin, Owner];
    pub const REVIEWERS: &[StaffRole] = &[Reviewer, Admin, Owner];
    pub const ADMINS: &[StaffRole] = &[Admin, Owner];
    pub const OWNERS: &[StaffRole] = &[Owner];
}

/// The table. Secrets are the team's own: no role makes one.
fn row(action: Action) -> Row {
    use AccessLevel::{Full, Read};
    use Action::{Decide, Own, Staff, Team};
    use Member::{Any, Credentials, No};
    let (roles, member, needs) = match action {
        Own => (roles::ALL, No, "a person who is signed in"),
        Decide => (roles::REVIEWERS, No, StaffRight::Review.needs()),
        Staff(right) => {
            let roles = match right {
                StaffRight::BeStaff | StaffRight::ReadLogs => roles::ALL,
                StaffRight::Read => roles::READERS,
                StaffRight::ReadAudit => roles::AUDITORS,
                StaffRight::Edit => roles::EDITORS,
                StaffRight::Review => roles::REVIEWERS,
                StaffRight::ManagePortal | StaffRight::ManageStaff => roles::ADMINS,
                StaffRight::ManageOwners => roles::OWNERS,
            };
            (roles, No, right.needs())
        }
        Team(right) => {
            let (roles, member) = match right {
                MemberRight::Belong => (roles::NONE, Any),
                MemberRight::SeeTeam => (roles::READERS, Any),
                MemberRight::SeeProgress => (roles::ALL, Any),
                MemberRight::ReadTeam => (roles::READERS, Member::Team(Read)),
                MemberRight::ReadAudit => (roles::AUDITORS, Member::Team(Read)),
                MemberRight::ManageTeam => (roles::EDITORS, Member::Team(Full)),
                MemberRight::ReadCredentials => (roles::READERS, Credentials(Read)),
                MemberRight::ReadLogs => (roles::ALL, Credentials(Read)),
                MemberRight::ManageSso => (roles::NONE, Member::Team(Full)),
                MemberRight::ManageCredentials => (roles::NONE, Credentials(Full)),
                MemberRight::EndCredentials | MemberRight::AdjustSubscription => (roles::EDITORS, Credentials(Full)),
            };
            (roles, member, right.needs())
        }
    };
    Row { roles, member, needs }
}

/// Whether this asker may do it. The one place that decides so.
pub fn may(asker: Asker, action: Action, facts: Facts) -> Verdict {
    let role = match asker {
        Asker::System => return Verdict::Allowed,
        Asker::Nobody => return Verdict::Unauthenticated,
        Asker::Unproven => return Verdict::SecondFactor(PROVE),
        Asker::Withheld => {
            return match may(Asker::Person(None), action, facts) {
                Verdict::Allowed => Verdict::Allowed,
                _ => Verdict::SecondFactor(SET_UP),
            };
        }
        Asker::Person(role) => role,
    };
    let row = row(action);
    let by_role = role.is_some_and(|role| row.roles.contains(&role));
    let by_access = facts.member.is_some_and(|access| row.member.has(access));
    match (action, role, facts.member) {
        (Action::Own, ..) => Verdict::Allowed,
        (Action::Decide, ..) if by_role => decides(role, facts),
        _ if by_role || by_access => Verdict::Allowed,
        (Action::Team(_), None, None) => Verdict::Unknown,
        (Action::Staff(_) | Action::Team(_) | Action::Decide, ..) => Verdict::Forbidden(row.needs),
    }
}

/// Who may decide at all decides on this: within their groups, and never for a team of their own.
fn decides(role: Option<StaffRole>, facts: Facts) -> Verdict {
    let covers_all = role.is_some_and(|role| roles::ADMINS.contains(&role));
    match (facts.group, facts.member) {
        (Group::Outsider, _) if !covers_all => Verdict::Forbidden("membership of the plan's approval group"),
        (_, Some(_)) => Verdict::Forbidden("a reviewer who is not a member of the team that asks"),
        (Group::Unbound | Group::Member | Group::Outsider, None) => Verdict::Allowed,
    }
}

impl Verdict {
    pub fn allowed(self) -> bool {
        self == Self::Allowed
    }
}

impl Facts {
    pub fn of(member: Option<&membership::Model>) -> Self {
        Self { member: member.map(Access::of), group: Group::default() }
    }
}

impl Member {
    fn has(&self, access: Access) -> bool {
        match self {
            Self::No => false,
            Self::Any => true,
            Self::Team(level) => access.team >= *level,
            Self::Credentials(level) => access.credentials >= *level,
        }
    }
}

/// Whether somebody with this role could do this: for those who are told of it, and for who is put into a group.
pub fn staff_may(role: StaffRole, right: StaffRight) -> bool {
    may(Asker::Person(Some(role)), Action::Staff(right), Facts::default()).allowed()
}

/// Whether somebody with this role looks after teams that they are not members of, and so gives any access there.
pub fn manages_teams(role: Option<StaffRole>) -> bool {
    may(Asker::Person(role), Action::Team(MemberRight::ManageTeam), Facts::default()).allowed()
}

/// As `staff_may`, of a member by their access.
pub fn member_may(access: Access, right: MemberRight) -> bool {
    let facts = Facts { member: Some(access), ..Facts::default() };
    may(Asker::Person(None), Action::Team(right), facts).allowed()
}

/// What is done for the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StaffRight {
    /// Come in, and see their own role.
    BeStaff,
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
    /// Make owners, and change those that there are.
    ManageOwners,
}

impl StaffRight {
    pub const ALL: [Self; 9] = [
        Self::BeStaff,
        Self::Read,
        Self::ReadLogs,
        Self::ReadAudit,
        Self::Edit,
        Self::Review,
        Self::ManagePortal,
        Self::ManageStaff,
        Self::ManageOwners,
    ];

    /// For the sentence "this needs …".
    pub fn needs(self) -> &'static str {
        match self {
            Self::BeStaff => "a staff role",
            Self::Read => "a staff role that may read",
            Self::ReadLogs => "a staff role that may read logs",
            Self::ReadAudit => "the staff role AUDITOR, ADMIN or OWNER",
            Self::Edit => "the staff role EDITOR, ADMIN or OWNER",
            Self::Review => "the staff role REVIEWER, ADMIN or OWNER",
            Self::ManagePortal | Self::ManageStaff => "the staff role ADMIN or OWNER",
            Self::ManageOwners => "the staff role OWNER",
        }
    }
}

/// What is done for a team, by its members and by the staff who look after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MemberRight {
    /// What is a member's alone: leave, ask support.
    Belong,
    /// Be in the team: see its name and its members.
    SeeTeam,
    /// See how far the team got.
    SeeProgress,
    /// See invitations.
    ReadTeam,
    /// See the team's audit log.
    ReadAudit,
    /// Invite, change access, remove.
    ManageTeam,
    /// Set up who vouches for its people. The team's own: who can, can sign in as each of them.
    ManageSso,
    /// See subscriptions, clients, credentials (masked).
    ReadCredentials,
    /// See the team's calls.
    ReadLogs,
    /// Subscribe, make and rotate credentials, change network rules.
    ManageCredentials,
    /// Revoke credentials, end overlaps.
    EndCredentials,
    /// Move a subscription to another plan, set what the plan asks for.
    AdjustSubscription,
}

impl MemberRight {
    pub const ALL: [Self; 12] = [
        Self::Belong,
        Self::SeeTeam,
        Self::SeeProgress,
        Self::ReadTeam,
        Self::ReadAudit,
        Self::ManageTeam,
        Self::ManageSso,
        Self::ReadCredentials,
        Self::ReadLogs,
        Self::ManageCredentials,
        Self::EndCredentials,
        Self::AdjustSubscription,
    ];

    /// For the sentence "this needs …".
    pub fn needs(self) -> &'static str {
        match self {
            Self::Belong | Self::SeeTeam | Self::SeeProgress => "membership of the team",
            Self::ReadTeam | Self::ReadAudit => "READ access to the team area",
            Self::ManageTeam => "FULL access to the team area",
            Self::ManageSso => "FULL access to the team area, as a member of the team",
            Self::ReadCredentials | Self::ReadLogs => "READ access to the credentials area",
            Self::ManageCredentials | Self::EndCredentials | Self::AdjustSubscription => "FULL access to the credentials area",
        }
    }
}

#[cfg(test)]
mod tests {
    use AccessLevel::{Full, None as Nothing, Read};
    use StaffRole::{Admin, Auditor, Editor, Owner, Reviewer, Viewer};

    use super::*;

    fn access(team: AccessLevel, credentials: AccessLevel) -> Access {
        Access { team, credentials, billing: Full }
    }

    /// A line an action, a cell an asker.
    fn table(actions: impl IntoIterator<Item = (String, Action)>, askers: &[(Asker, Facts)]) -> String {
        let line = |(name, action): (String, Action)| {
            let cells = askers.iter().map(|(asker, facts)| match may(*asker, action, *facts) {
                Verdict::Allowed => "yes",
                Verdict::Unauthenticated => "!",
                Verdict::SecondFactor(_) => "2",
                Verdict::Forbidden(_) => "-",
                Verdict::Unknown => "?",
            });
            let line = cells.fold(format!("{name:24}"), |line, cell| format!("{line} {cell:3}"));
            format!("{}\n", line.trim_end())
        };
        actions.into_iter().map(line).collect()
    }

    #[test]
    fn the_matrix() {
        let staff = StaffRight::ALL.map(|right| (format!("{right:?}"), Action::Staff(right)));
        let team = MemberRight::ALL.map(|right| (format!("team: {right:?}"), Action::Team(right)));
        let actions = [("Own".to_owned(), Action::Own)].into_iter().chain(staff).chain(team);
        let is = |asker, team, credentials| {
            let member = Some(access(team, credentials));
            (asker, Facts { member, ..Facts::default() })
        };
        let member = |team, credentials| is(Asker::Person(None), team, credentials);
        let role = |role| (Asker::Person(Some(role)), Facts::default());
        let askers = [
            (Asker::Nobody, Facts::default()),
            is(Asker::Unproven, Full, Full),
            (Asker::Withheld, Facts::default()),
            is(Asker::Withheld, Nothing, Full),
            (Asker::Person(None), Facts::default()),
            member(Nothing, Nothing),
            member(Read, Nothing),
            member(Full, Nothing),
            member(Nothing, Read),
            member(Nothing, Full),
            role(Viewer),
            role(Auditor),
            role(Editor),
            role(Reviewer),
            role(Admin),
            role(Owner),
            (Asker::System, Facts::default()),
        ];
        // nobody, a member who has not proven the second factor, staff whose role is withheld for want of one (an outsider, and a
        // member with credentials FULL), an outsider, members (none, team READ and FULL, credentials READ and FULL),
        // VIEWER, AUDITOR, EDITOR, REVIEWER, ADMIN, OWNER, the program
        insta::assert_snapshot!(table(actions, &askers), @"
        Own                      !   2   yes yes yes yes yes yes yes yes yes yes yes yes yes yes yes
        BeStaff                  !   2   2   2   -   -   -   -   -   -   yes yes yes yes yes yes yes
        Read                     !   2   2   2   -   -   -   -   -   -   yes -   yes yes yes yes yes
        ReadLogs                 !   2   2   2   -   -   -   -   -   -   yes yes yes yes yes yes yes
        ReadAudit                !   2   2   2   -   -   -   -   -   -   -   yes -   -   yes yes yes
        Edit                     !   2   2   2   -   -   -   -   -   -   -   -   yes -   yes yes yes
        Review                   !   2   2   2   -   -   -   -   -   -   -   -   -   yes yes yes yes
        ManagePortal             !   2   2   2   -   -   -   -   -   -   -   -   -   -   yes yes yes
        ManageStaff              !   2   2   2   -   -   -   -   -   -   -   -   -   -   yes yes yes
        ManageOwners             !   2   2   2   -   -   -   -   -   -   -   -   -   -   -   yes yes
        team: Belong             !   2   2   yes ?   yes yes yes yes yes -   -   -   -   -   -   yes
        team: SeeTeam            !   2   2   yes ?   yes yes yes yes yes yes -   yes yes yes yes yes
        team: SeeProgress        !   2   2   yes ?   yes yes yes yes yes yes yes yes yes yes yes yes
        team: ReadTeam           !   2   2   2   ?   -   yes yes -   -   yes -   yes yes yes yes yes
        team: ReadAudit          !   2   2   2   ?   -   yes yes -   -   -   yes -   -   yes yes yes
        team: ManageTeam         !   2   2   2   ?   -   -   yes -   -   -   -   yes -   yes yes yes
        team: ManageSso          !   2   2   2   ?   -   -   yes -   -   -   -   -   -   -   -   yes
        team: ReadCredentials    !   2   2   yes ?   -   -   -   yes yes yes -   yes yes yes yes yes
        team: ReadLogs           !   2   2   yes ?   -   -   -   yes yes yes yes yes yes yes yes yes
        team: ManageCredentials  !   2   2   yes ?   -   -   -   -   yes -   -   -   -   -   -   yes
        team: EndCredentials     !   2   2   yes ?   -   -   -   -   yes -   -   yes -   yes yes yes
        team: AdjustSubscription !   2   2   yes ?   -   -   -   -   yes -   -   yes -   yes yes yes
        ");
    }

    #[test]
    fn who_decides() {
        let groups = [Group::Unbound, Group::Member, Group::Outsider];
        let lines: String = [Some(Owner), Some(Admin), Some(Editor), Some(Reviewer), Some(Auditor), Some(Viewer), None]
            .map(|role| {
                let of = |member| groups.map(|group| (Asker::Person(role), Facts { member, group }));
                let askers = [of(None), of(Some(Access::FULL))].concat();
                table([(format!("{role:?}"), Action::Decide)], &askers)
            })
            .concat();
        // no group, member, outsider; the same on a request of their own team
        insta::assert_snapshot!(lines, @"
        Some(Owner)              yes yes yes -   -   -
        Some(Admin)              yes yes yes -   -   -
        Some(Editor)             -   -   -   -   -   -
        Some(Reviewer)           yes yes -   -   -   -
        Some(Auditor)            -   -   -   -   -   -
        Some(Viewer)             -   -   -   -   -   -
        None                     -   -   -   -   -   -
        ");
    }

    #[test]
    fn a_member_who_is_staff_may_what_either_may() {
        let both = Facts { member: Some(access(Nothing, Full)), ..Facts::default() };
        let asked = |action| may(Asker::Person(Some(Viewer)), action, both);
        assert_eq!(asked(Action::Team(MemberRight::ManageCredentials)), Verdict::Allowed);
        assert_eq!(asked(Action::Team(MemberRight::ReadTeam)), Verdict::Allowed);
        assert_eq!(asked(Action::Team(MemberRight::ManageTeam)), Verdict::Forbidden("FULL access to the team area"));
    }
}
