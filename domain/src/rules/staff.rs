//! What a change of somebody's role on the provider's side, or of how they sign in, needs.

use entities::enums::StaffRole;

use super::policy::StaffRight;
use crate::{Problem, ProblemCode};

/// The right to change something of who has this role: owners are the owners' own affair.
pub fn right_over(role: Option<StaffRole>) -> StaffRight {
    right(role, role)
}

/// The right to change the role itself.
pub fn right(before: Option<StaffRole>, after: Option<StaffRole>) -> StaffRight {
    match [before, after].contains(&Some(StaffRole::Owner)) {
        true => StaffRight::ManageOwners,
        false => StaffRight::ManageStaff,
    }
}

/// The last owner stays. `owners`: how many there are before the change.
pub fn keeps_an_owner(owners: u64, before: Option<StaffRole>, after: Option<StaffRole>) -> Result<(), Problem> {
    if before == Some(StaffRole::Owner) && after != before && owners <= 1 {
        let message = "this is the last owner: make somebody else OWNER first";
        return Err(Problem::new(ProblemCode::WrongState, "role", message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use StaffRole::{Admin, Owner};

    use super::*;

    #[test]
    fn owners_are_the_owners_own_affair_and_one_stays() {
        use StaffRight::{ManageOwners, ManageStaff};
        for (owners, before, after, needs, stays) in [
            (1, None, Some(Admin), ManageStaff, true),
            (1, Some(Admin), None, ManageStaff, true),
            (1, Some(Admin), Some(Owner), ManageOwners, true),
            (1, Some(Owner), Some(Owner), ManageOwners, true),
            (1, Some(Owner), Some(Admin), ManageOwners, false),
            (1, Some(Owner), None, ManageOwners, false),
            (2, Some(Owner), None, ManageOwners, true),
            (2, Some(Owner), Some(Admin), ManageOwners, true),
        ] {
            assert_eq!(right(before, after), needs, "{before:?} {after:?}");
            assert_eq!(keeps_an_owner(owners, before, after).is_ok(), stays, "{owners} {before:?} {after:?}");
        }
    }
}
