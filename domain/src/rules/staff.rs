//! Who may change whose role on the provider's side.

use entities::enums::StaffRole;

use crate::{DomainError, Problem, ProblemCode};

#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// Whether an owner, or the command line, asks.
    pub by_owner: bool,
    /// How many owners there are.
    pub owners: u64,
    pub before: Option<StaffRole>,
    pub after: Option<StaffRole>,
}

/// Owners are made and changed by owners alone, and the last one stays.
pub fn may_set(facts: Facts) -> Result<(), DomainError> {
    let (was, becomes) = (facts.before == Some(StaffRole::Owner), facts.after == Some(StaffRole::Owner));
    if (was || becomes) && !facts.by_owner {
        return Err(DomainError::Forbidden("the staff role OWNER"));
    }
    if was && !becomes && facts.owners <= 1 {
        let message = "this is the last owner: make somebody else OWNER first";
        return Err(Problem::new(ProblemCode::WrongState, "role", message).into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use StaffRole::{Admin, Owner};

    use super::*;

    #[test]
    fn owners_are_the_owners_own_affair_and_one_stays() {
        for (by_owner, owners, before, after, outcome) in [
            (false, 1, None, Some(Admin), "fine"),
            (false, 1, Some(Admin), None, "fine"),
            (false, 1, Some(Admin), Some(Owner), "forbidden"),
            (false, 2, Some(Owner), None, "forbidden"),
            (false, 2, Some(Owner), Some(Owner), "forbidden"),
            (true, 1, Some(Admin), Some(Owner), "fine"),
            (true, 1, Some(Owner), Some(Owner), "fine"),
            (true, 1, Some(Owner), Some(Admin), "refused"),
            (true, 1, Some(Owner), None, "refused"),
            (true, 2, Some(Owner), None, "fine"),
        ] {
            let seen = match may_set(Facts { by_owner, owners, before, after }) {
                Ok(()) => "fine",
                Err(DomainError::Forbidden(_)) => "forbidden",
                Err(_) => "refused",
            };
            assert_eq!(seen, outcome, "{by_owner} {owners} {before:?} {after:?}");
        }
    }
}
