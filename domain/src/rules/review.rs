//! Who decides on what teams ask for.

use entities::enums::StaffRole;

use super::policy::{StaffRight, staff_may};

/// What a reviewer is to the plan that a decision is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Group {
    /// The plan has no approval group: any reviewer decides.
    Unbound,
    Member,
    Outsider,
}

/// Why somebody may not decide, for the sentence "this needs …".
pub fn may_decide(role: Option<StaffRole>, group: Group, own_team: bool) -> Result<(), &'static str> {
    let Some(role) = role.filter(|role| staff_may(*role, StaffRight::Review)) else { return Err(StaffRight::Review.needs()) };
    let covers_all = staff_may(role, StaffRight::ManageStaff);
    match (group, own_team) {
        (Group::Outsider, _) if !covers_all => Err("membership of the plan's approval group"),
        (_, true) => Err("a reviewer who is not a member of the team that asks"),
        (Group::Unbound | Group::Member | Group::Outsider, false) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell() {
        use StaffRole::{Admin, Auditor, Editor, Owner, Reviewer, Viewer};
        let table: String = [Some(Owner), Some(Admin), Some(Editor), Some(Reviewer), Some(Auditor), Some(Viewer), None]
            .map(|role| {
                let cell = |group, own| if may_decide(role, group, own).is_ok() { "yes" } else { "-" };
                let cells = [Group::Unbound, Group::Member, Group::Outsider].map(|group| cell(group, false));
                let own = [Group::Unbound, Group::Member, Group::Outsider].map(|group| cell(group, true));
                format!("{role:?}: {} | {}\n", cells.join(" "), own.join(" "))
            })
            .concat();
        // no group, member, outsider | the same on a request of their own team
        insta::assert_snapshot!(table, @"
        Some(Owner): yes yes yes | - - -
        Some(Admin): yes yes yes | - - -
        Some(Editor): - - - | - - -
        Some(Reviewer): yes yes - | - - -
        Some(Auditor): - - - | - - -
        Some(Viewer): - - - | - - -
        None: - - - | - - -
        ");
    }
}
