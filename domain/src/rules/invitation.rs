//! The state machine of an invitation, and when its link signs in.

use chrono::{DateTime, TimeDelta, Utc};
use entities::enums::InvitationStatus;

use super::policy::Access;
use crate::{Problem, ProblemCode};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Accept,
    Revoke,
    Resend,
}

impl Step {
    pub const ALL: [Self; 3] = [Self::Accept, Self::Revoke, Self::Resend];
}

/// What a pending invitation has become by now.
pub fn status_at(stored: InvitationStatus, expires_at: DateTime<Utc>, now: DateTime<Utc>) -> InvitationStatus {
    match stored {
        InvitationStatus::Pending if expires_at <= now => InvitationStatus::Expired,
        InvitationStatus::Pending | InvitationStatus::Accepted | InvitationStatus::Revoked | InvitationStatus::Expired => stored,
    }
}

pub fn next(from: InvitationStatus, step: Step) -> Result<InvitationStatus, Problem> {
    use InvitationStatus::{Accepted, Expired, Pending, Revoked};
    use ProblemCode::{AlreadyDone, Expired as TooLate, WrongState};
    use Step::{Accept, Resend, Revoke};
    let refused = |code, message| Err(Problem::new(code, "", message));
    match (from, step) {
        (Pending, Accept) => Ok(Accepted),
        (Pending, Revoke) => Ok(Revoked),
        (Pending, Resend) => Ok(Pending),
        (Accepted, Accept) => refused(AlreadyDone, "the invitation was accepted before"),
        (Accepted, Revoke) => refused(WrongState, "the invitation cannot be revoked while ACCEPTED: remove the member instead"),
        (Accepted, Resend) => refused(WrongState, "the invitation cannot be sent again while ACCEPTED"),
        (Revoked, Accept) => refused(WrongState, "the invitation cannot be accepted while REVOKED: ask for a new one"),
        (Revoked, Revoke) => refused(AlreadyDone, "the invitation was revoked before"),
        (Revoked, Resend) => refused(WrongState, "the invitation cannot be sent again while REVOKED: invite anew"),
        (Expired, Accept) => refused(TooLate, "the invitation has expired: ask for it to be sent again"),
        (Expired, Revoke) => refused(WrongState, "the invitation cannot be revoked while EXPIRED"),
        (Expired, Resend) => Ok(Pending),
    }
}

/// What an invitation still gives: no more of an area than its giver holds by now. `held`: `None` where they are neither in the team
/// nor have a role that looks after teams. `None`: nothing is left of it, and it cannot be accepted.
pub fn left_of(given: Access, held: Option<Access>) -> Option<Access> {
    let left = given.and(held?);
    (left == given || left != Access::NONE).then_some(left)
}

/// Invitations of one team that wait for an answer, at most.
pub const MOST_WAITING: u64 = 100;
/// Mails with invitations that one team has sent within a day, at most.
pub const MOST_OF_TEAM: u64 = 200;
/// The same to one address, whichever teams they are of: nobody's mailbox is flooded from here.
pub const MOST_TO_ADDRESS: u64 = 10;

/// What was sent before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sent {
    /// Of the team, not counting the one that is to be sent.
    pub waiting: u64,
    /// By the team within a day.
    pub of_team: u64,
    /// To the address within a day.
    pub to_address: u64,
}

/// Whether one more may be sent, for the first time or again.
pub fn may_send(sent: Sent) -> Result<(), Problem> {
    let refused = |message: String| Err(Problem::new(ProblemCode::LimitReached, "", message));
    match sent {
        Sent { waiting: MOST_WAITING.., .. } => {
            refused(format!("{MOST_WAITING} invitations of the team wait for an answer: revoke some of them first"))
        }
        Sent { of_team: MOST_OF_TEAM.., .. } => {
            refused(format!("the team has sent {MOST_OF_TEAM} invitations within a day: try again tomorrow"))
        }
        Sent { to_address: MOST_TO_ADDRESS.., .. } => {
            refused(format!("{MOST_TO_ADDRESS} invitations went to this address within a day: try again tomorrow"))
        }
        Sent { .. } => Ok(()),
    }
}

/// Whether the mailed link itself still signs in: once, and within a magic link's life after it was sent. Later it only says
/// which invitation is meant.
pub fn link_signs_in(
    sent_at: DateTime<Utc>,
    link_used_at: Option<DateTime<Utc>>,
    magic_link_minutes: i32,
    now: DateTime<Utc>,
) -> bool {
    link_used_at.is_none() && now < sent_at + TimeDelta::minutes(magic_link_minutes.into())
}

#[cfg(test)]
mod tests {
    use entities::enums::InvitationStatus::{Accepted, Expired, Pending, Revoked};

    use super::*;

    #[test]
    fn how_many_are_sent_has_its_bounds() {
        let bounds = [
            (Sent { waiting: MOST_WAITING, ..Sent::default() }, "100 invitations of the team wait"),
            (Sent { of_team: MOST_OF_TEAM, ..Sent::default() }, "the team has sent 200 invitations"),
            (Sent { to_address: MOST_TO_ADDRESS, ..Sent::default() }, "10 invitations went to this address"),
        ];
        for (sent, says) in bounds {
            let problem = may_send(sent).unwrap_err();
            assert!(problem.code == ProblemCode::LimitReached && problem.message.starts_with(says), "{problem:?}");
        }
        let most = Sent { waiting: MOST_WAITING - 1, of_team: MOST_OF_TEAM - 1, to_address: MOST_TO_ADDRESS - 1 };
        assert_eq!(may_send(most), Ok(()));
    }

    #[test]
    fn every_state_and_step() {
        let table: String = [Pending, Accepted, Revoked, Expired]
            .map(|from| {
                let cells = Step::ALL.map(|step| match next(from, step) {
                    Ok(to) => format!("{to:?}"),
                    Err(problem) => format!("{:?}!", problem.code),
                });
                format!("{from:?}: {}\n", cells.join(" "))
            })
            .concat();
        // Accept, Revoke, Resend
        insta::assert_snapshot!(table, @"
        Pending: Accepted Revoked Pending
        Accepted: AlreadyDone! WrongState! WrongState!
        Revoked: WrongState! AlreadyDone! WrongState!
        Expired: Expired! WrongState! Pending
        ");
    }

    #[test]
    fn only_waiting_ends_by_the_clock() {
        let now = DateTime::from_timestamp_micros(1_767_603_600_000_000).unwrap();
        assert_eq!(status_at(Pending, now, now), Expired);
        assert_eq!(status_at(Pending, now + TimeDelta::microseconds(1), now), Pending);
        for over in [Accepted, Revoked, Expired] {
            assert_eq!(status_at(over, now, now), over);
        }
    }

    #[test]
    fn an_invitation_gives_no_more_than_its_giver_holds() {
        use entities::enums::AccessLevel::{Full, None as Nothing, Read};
        let access = |team, credentials, billing| Access { team, credentials, billing };
        for (given, held, left) in [
            (Access::FULL, Some(Access::FULL), Some(Access::FULL)),
            (Access::FULL, Some(access(Read, Full, Nothing)), Some(access(Read, Full, Nothing))),
            (access(Read, Nothing, Full), Some(access(Full, Full, Read)), Some(access(Read, Nothing, Read))),
            (access(Full, Nothing, Nothing), Some(access(Nothing, Full, Full)), None),
            (Access::NONE, Some(Access::NONE), Some(Access::NONE)),
            (Access::FULL, None, None),
            (Access::NONE, None, None),
        ] {
            assert_eq!(left_of(given, held), left, "{given:?} {held:?}");
        }
    }

    #[test]
    fn the_link_signs_in_once_and_soon() {
        let sent = DateTime::from_timestamp_micros(1_767_603_600_000_000).unwrap();
        let minutes = TimeDelta::minutes;
        assert!(link_signs_in(sent, None, 10, sent + minutes(9)));
        assert!(!link_signs_in(sent, None, 10, sent + minutes(10)));
        assert!(!link_signs_in(sent, Some(sent), 10, sent + minutes(1)));
    }
}
