//! What a person is called.

use entities::enums::StaffRole;

/// The name they gave, else their address's local part, else their role. `visible_email` is `None` for who may not see it.
pub fn display_name(given: Option<&str>, visible_email: Option<&str>, role: Option<StaffRole>) -> String {
    let local = visible_email.and_then(|email| email.rsplit_once('@')).map(|(local, _)| local);
    let role = match role {
        Some(StaffRole::Owner) => "Owner",
        Some(StaffRole::Admin) => "Admin",
        Some(StaffRole::Editor) => "Editor",
        Some(StaffRole::Reviewer) => "Reviewer",
        Some(StaffRole::Auditor) => "Auditor",
        Some(StaffRole::Viewer) => "Viewer",
        None => "Member",
    };
    given.or(local).unwrap_or(role).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_says_no_more_than_may_be_seen() {
        let email = Some("ada.l@acme.example");
        assert_eq!(display_name(Some("Ada"), email, None), "Ada");
        assert_eq!(display_name(None, email, Some(StaffRole::Owner)), "ada.l");
        assert_eq!(display_name(None, None, Some(StaffRole::Reviewer)), "Reviewer");
        assert_eq!(display_name(None, None, None), "Member");
    }
}
