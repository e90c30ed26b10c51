//! Who may see a product. One rule for the portal and the gateway: what a team cannot see, it cannot call either.

use entities::enums::{ProductStatus, Visibility};

/// Who looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Onlooker {
    /// A staff role that may read the catalog in full.
    Staff,
    SignedIn,
    Stranger,
}

/// By which ways a product is assigned to a team of the onlooker's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reach {
    /// To the team's tier.
    pub tier: bool,
    /// To the team itself.
    pub team: bool,
    /// To a client of the team's, by hand.
    pub client: bool,
    /// By a subscription that has not ended.
    pub subscription: bool,
}

impl Reach {
    pub fn any(self) -> bool {
        self.tier || self.team || self.client || self.subscription
    }
}

/// What the onlooker's teams have to do with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Seen,
    Hidden,
    /// Seen by who is reached in any way.
    IfReached,
}

pub fn verdict(status: ProductStatus, visibility: Visibility, who: Onlooker) -> Verdict {
    match (who, status) {
        (Onlooker::Staff, _) => return Verdict::Seen,
        (_, ProductStatus::Draft | ProductStatus::Retired) => return Verdict::Hidden,
        (_, ProductStatus::Published | ProductStatus::Deprecated) => {}
    }
    match (visibility, who) {
        (Visibility::Public, _) | (Visibility::Members, Onlooker::SignedIn | Onlooker::Staff) => Verdict::Seen,
        (Visibility::Assigned, Onlooker::SignedIn | Onlooker::Staff) => Verdict::IfReached,
        (Visibility::Members | Visibility::Assigned, Onlooker::Stranger) => Verdict::Hidden,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell() {
        use Onlooker::{SignedIn, Staff, Stranger};
        use ProductStatus::{Deprecated, Draft, Published, Retired};
        let mut table = String::new();
        for status in [Draft, Published, Deprecated, Retired] {
            for visibility in [Visibility::Public, Visibility::Members, Visibility::Assigned] {
                let cells = [Stranger, SignedIn, Staff].map(|who| format!("{:?}", verdict(status, visibility, who)));
                table += &format!("{status:?} {visibility:?}: {}\n", cells.join(" "));
            }
        }
        // A stranger, somebody signed in, staff.
        insta::assert_snapshot!(table, @r"
        Draft Public: Hidden Hidden Seen
        Draft Members: Hidden Hidden Seen
        Draft Assigned: Hidden Hidden Seen
        Published Public: Seen Seen Seen
        Published Members: Hidden Seen Seen
        Published Assigned: Hidden IfReached Seen
        Deprecated Public: Seen Seen Seen
        Deprecated Members: Hidden Seen Seen
        Deprecated Assigned: Hidden IfReached Seen
        Retired Public: Hidden Hidden Seen
        Retired Members: Hidden Hidden Seen
        Retired Assigned: Hidden Hidden Seen
        ");
    }
}
