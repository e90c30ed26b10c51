//! What becomes of a request that somebody decides on.

use entities::enums::RequestStatus;

use super::text;
use crate::{Problem, ProblemCode};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    Approve,
    Decline,
    Withdraw,
}

/// The status after a decision; a request is decided once.
pub fn decide(from: RequestStatus, decision: Decision) -> Result<RequestStatus, Problem> {
    let passive = match decision {
        Decision::Approve => "be approved",
        Decision::Decline => "be declined",
        Decision::Withdraw => "be withdrawn",
    };
    match (from, decision) {
        (RequestStatus::Pending, Decision::Approve) => Ok(RequestStatus::Approved),
        (RequestStatus::Pending, Decision::Decline) => Ok(RequestStatus::Declined),
        (RequestStatus::Pending, Decision::Withdraw) => Ok(RequestStatus::Withdrawn),
        (
            RequestStatus::Approved | RequestStatus::Declined | RequestStatus::Withdrawn,
            Decision::Approve | Decision::Decline | Decision::Withdraw,
        ) => {
            let say = format!("the request cannot {passive} while {}", text::word(from));
            Err(Problem::new(ProblemCode::WrongState, "", say))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_decided_once() {
        use RequestStatus::{Approved, Declined, Pending, Withdrawn};
        let table: String = [Pending, Approved, Declined, Withdrawn]
            .map(|from| {
                let cells = [Decision::Approve, Decision::Decline, Decision::Withdraw]
                    .map(|decision| decide(from, decision).map_or("-".to_owned(), |to| format!("{to:?}")));
                format!("{from:?}: {}\n", cells.join(" "))
            })
            .concat();
        // approve, decline, withdraw
        insta::assert_snapshot!(table, @"
        Pending: Approved Declined Withdrawn
        Approved: - - -
        Declined: - - -
        Withdrawn: - - -
        ");
    }
}
