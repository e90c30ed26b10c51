//! The road from the sandbox to production: submitted, reviewed, decided. It is apart from the subscription's status.

use chrono::{DateTime, Utc};
use entities::enums::{PipelinePhase, SubmissionStatus, SubscriptionStatus};

use super::text;
use crate::{Problem, ProblemCode};

/// What happens on the road.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    Submit,
    /// A reviewer takes it.
    Start,
    Approve,
    Reject,
    RequestChanges,
    Withdraw,
}

impl Event {
    pub const ALL: [Self; 6] = [Self::Submit, Self::Start, Self::Approve, Self::Reject, Self::RequestChanges, Self::Withdraw];

    fn passive(self) -> &'static str {
        match self {
            Self::Submit => "be submitted for review",
            Self::Start => "be taken into review",
            Self::Approve => "be approved",
            Self::Reject => "be rejected",
            Self::RequestChanges => "be sent back for changes",
            Self::Withdraw => "be withdrawn",
        }
    }
}

/// The phase after an event.
pub fn step(from: PipelinePhase, event: Event) -> Result<PipelinePhase, Problem> {
    use Event::{Approve, Reject, RequestChanges, Start, Submit, Withdraw};
    use PipelinePhase::{InReview, Production, Rejected, Sandbox};
    match (from, event) {
        (Sandbox, Submit) => Ok(InReview),
        (Sandbox, Start | Approve | Reject | RequestChanges | Withdraw) => Err(wrong(from, event)),
        (InReview, Submit) => Err(wrong(from, event)),
        (InReview, Start) => Ok(InReview),
        (InReview, Approve) => Ok(Production),
        (InReview, Reject) => Ok(Rejected),
        (InReview, RequestChanges | Withdraw) => Ok(Sandbox),
        // Reopened: it may be submitted again.
        (Rejected, RequestChanges) => Ok(Sandbox),
        (Rejected, Submit | Start | Approve | Reject | Withdraw) => Err(wrong(from, event)),
        (Production, Submit | Start | Approve | Reject | RequestChanges | Withdraw) => Err(wrong(from, event)),
    }
}

fn wrong(from: PipelinePhase, event: Event) -> Problem {
    let say = format!("the subscription cannot {} while its phase is {}", event.passive(), text::word(from));
    Problem::new(ProblemCode::WrongState, "", say)
}

/// What becomes of the submission that an event is about. A decision on one that was decided, withdrawn or replaced since it
/// was read is refused.
pub fn decide(from: SubmissionStatus, event: Event) -> Result<SubmissionStatus, Problem> {
    use Event::{Approve, Reject, RequestChanges, Start, Submit, Withdraw};
    use SubmissionStatus::{Approved, ChangesRequested, InReview, Received, Rejected, Withdrawn};
    let refused = || {
        let say = format!("the submission cannot {} while {}", event.passive(), text::word(from));
        Err(Problem::new(ProblemCode::WrongState, "", say))
    };
    match (from, event) {
        (Received, Submit) => refused(),
        (Received, Start) => Ok(InReview),
        (Received | InReview, Approve) => Ok(Approved),
        (Received | InReview, Reject) => Ok(Rejected),
        (Received | InReview | Rejected, RequestChanges) => Ok(ChangesRequested),
        (Received | InReview, Withdraw) => Ok(Withdrawn),
        (InReview, Submit | Start) => refused(),
        (Rejected, Submit | Start | Approve | Reject | Withdraw) => refused(),
        (Approved | ChangesRequested | Withdrawn, Submit | Start | Approve | Reject | RequestChanges | Withdraw) => refused(),
    }
}

/// Whether work in this state can be handed in.
pub fn can_submit(status: SubscriptionStatus, phase: Option<PipelinePhase>) -> Result<(), Problem> {
    let Some(phase) = phase else {
        let say = "the plan has no sandbox: there is nothing to review";
        return Err(Problem::new(ProblemCode::WrongState, "", say));
    };
    match status {
        SubscriptionStatus::Active | SubscriptionStatus::PendingCancellation => step(phase, Event::Submit).map(drop),
        SubscriptionStatus::PendingApproval
        | SubscriptionStatus::PendingPayment
        | SubscriptionStatus::PaymentFailed
        | SubscriptionStatus::Suspended
        | SubscriptionStatus::Cancelled
        | SubscriptionStatus::Expired
        | SubscriptionStatus::Rejected => {
            let say = format!("the subscription cannot be submitted for review while {}", text::word(status));
            Err(Problem::new(ProblemCode::WrongState, "", say))
        }
    }
}

/// How far a phase is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StepState {
    Done,
    Current,
    Upcoming,
    Rejected,
}

/// A phase on the road, and since when it is as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    pub phase: PipelinePhase,
    pub state: StepState,
    pub at: Option<DateTime<Utc>>,
}

/// The road as it is shown: sandbox, review, production.
pub fn steps(
    phase: PipelinePhase,
    begun: DateTime<Utc>,
    submitted: Option<DateTime<Utc>>,
    decided: Option<DateTime<Utc>>,
) -> [Step; 3] {
    use PipelinePhase::{InReview, Production, Rejected, Sandbox};
    let (sandbox, review, production) = match phase {
        Sandbox => (StepState::Current, StepState::Upcoming, StepState::Upcoming),
        InReview => (StepState::Done, StepState::Current, StepState::Upcoming),
        Rejected => (StepState::Done, StepState::Rejected, StepState::Upcoming),
        Production => (StepState::Done, StepState::Done, StepState::Current),
    };
    let when = |state: StepState, at: Option<DateTime<Utc>>| at.filter(|_| state != StepState::Upcoming);
    let reviewed = if phase == Rejected { decided } else { submitted };
    [
        Step { phase: Sandbox, state: sandbox, at: Some(begun) },
        Step { phase: InReview, state: review, at: when(review, reviewed) },
        Step { phase: Production, state: production, at: when(production, decided) },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use PipelinePhase::{InReview, Production, Rejected, Sandbox};

    #[test]
    fn every_cell_of_the_phase() {
        let table: String = [Sandbox, InReview, Production, Rejected]
            .map(|from| {
                let cells = Event::ALL.map(|event| step(from, event).map_or("-".to_owned(), |to| format!("{to:?}")));
                format!("{from:?}: {}\n", cells.join(" "))
            })
            .concat();
        // submit, start, approve, reject, request changes, withdraw
        insta::assert_snapshot!(table, @"
        Sandbox: InReview - - - - -
        InReview: - InReview Production Rejected Sandbox Sandbox
        Production: - - - - - -
        Rejected: - - - - Sandbox -
        ");
        let refused = step(Production, Event::Withdraw).expect_err("it is decided");
        assert_eq!(refused.message, "the subscription cannot be withdrawn while its phase is PRODUCTION");
    }

    #[test]
    fn every_cell_of_a_submission() {
        use SubmissionStatus as S;
        let all = [S::Received, S::InReview, S::Approved, S::Rejected, S::ChangesRequested, S::Withdrawn];
        let table: String = all
            .map(|from| {
                let cells = Event::ALL.map(|event| decide(from, event).map_or("-".to_owned(), |to| format!("{to:?}")));
                format!("{from:?}: {}\n", cells.join(" "))
            })
            .concat();
        // submit, start, approve, reject, request changes, withdraw
        insta::assert_snapshot!(table, @"
        Received: - InReview Approved Rejected ChangesRequested Withdrawn
        InReview: - - Approved Rejected ChangesRequested Withdrawn
        Approved: - - - - - -
        Rejected: - - - - ChangesRequested -
        ChangesRequested: - - - - - -
        Withdrawn: - - - - - -
        ");
    }

    #[test]
    fn only_work_in_an_open_sandbox_is_handed_in() {
        use SubscriptionStatus as S;
        for (status, phase, fine) in [
            (S::Active, Some(Sandbox), true),
            (S::PendingCancellation, Some(Sandbox), true),
            (S::Active, Some(InReview), false),
            (S::Active, Some(Rejected), false),
            (S::Active, None, false),
            (S::Suspended, Some(Sandbox), false),
            (S::Cancelled, Some(Sandbox), false),
        ] {
            assert_eq!(can_submit(status, phase).is_ok(), fine, "{status:?} {phase:?}");
        }
    }

    #[test]
    fn the_road_as_it_is_shown() {
        let at = |minute: i64| DateTime::from_timestamp(minute * 60, 0).expect("a time");
        let road = |phase, submitted: Option<i64>, decided: Option<i64>| {
            let steps = steps(phase, at(0), submitted.map(at), decided.map(at));
            steps
                .map(|s| format!("{:?}:{}", s.state, s.at.map_or("-".to_owned(), |at| (at.timestamp() / 60).to_string())))
                .join(" ")
        };
        assert_eq!(road(Sandbox, None, None), "Current:0 Upcoming:- Upcoming:-");
        assert_eq!(road(Sandbox, Some(1), Some(2)), "Current:0 Upcoming:- Upcoming:-", "changes requested");
        assert_eq!(road(InReview, Some(1), None), "Done:0 Current:1 Upcoming:-");
        assert_eq!(road(Rejected, Some(1), Some(2)), "Done:0 Rejected:2 Upcoming:-");
        assert_eq!(road(Production, Some(1), Some(2)), "Done:0 Done:1 Current:2");
    }
}
