//! A subscription's life: where it starts, which way it goes, which lanes are open, what comes next.

use entities::enums::{ApprovalLevel, Environment, PipelinePhase, PricingModel, SubscriptionStatus};

use super::text;
use crate::{Problem, ProblemCode};

/// What happens to a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    Approve,
    Reject,
    Cancel,
    Suspend,
    Reinstate,
}

impl Event {
    pub const ALL: [Self; 5] = [Self::Approve, Self::Reject, Self::Cancel, Self::Suspend, Self::Reinstate];

    fn passive(self) -> &'static str {
        match self {
            Self::Approve => "be approved",
            Self::Reject => "be rejected",
            Self::Cancel => "be cancelled",
            Self::Suspend => "be suspended",
            Self::Reinstate => "be reinstated",
        }
    }
}

/// Why a lane takes no credentials and no calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LaneLock {
    PendingApproval,
    PendingPayment,
    InSandbox,
    InReview,
    Rejected,
    NotActive,
}

/// The first status and phase: the first row that matches.
pub fn first(approval: ApprovalLevel, pricing: PricingModel, has_sandbox: bool) -> (SubscriptionStatus, Option<PipelinePhase>) {
    let approved = match approval {
        ApprovalLevel::Automatic => true,
        ApprovalLevel::Standard | ApprovalLevel::Formal => false,
    };
    let recurring = match pricing {
        PricingModel::Free | PricingModel::Contract | PricingModel::PrepaidCredits => false,
        PricingModel::FlatFee | PricingModel::Volume | PricingModel::Graduated | PricingModel::FlatFeeOverage => true,
    };
    match (has_sandbox, approved, recurring) {
        (false, false, _) => (SubscriptionStatus::PendingApproval, None),
        (false, true, true) => (SubscriptionStatus::PendingPayment, None),
        (true, ..) => (SubscriptionStatus::Active, Some(PipelinePhase::Sandbox)),
        (false, true, false) => (SubscriptionStatus::Active, None),
    }
}

/// Nothing happens to it any more; it counts towards no cap.
pub fn is_final(status: SubscriptionStatus) -> bool {
    FINAL.contains(&status)
}

/// The statuses that nothing leads out of.
pub const FINAL: [SubscriptionStatus; 3] =
    [SubscriptionStatus::Cancelled, SubscriptionStatus::Expired, SubscriptionStatus::Rejected];

/// The status after an event. `ending`: whether an end was set, which a suspension does not forget.
pub fn step(from: SubscriptionStatus, event: Event, ending: bool) -> Result<SubscriptionStatus, Problem> {
    use Event::{Approve, Cancel, Reinstate, Reject, Suspend};
    use SubscriptionStatus::{
        Active, Cancelled, Expired, PaymentFailed, PendingApproval, PendingCancellation, PendingPayment, Rejected, Suspended,
    };
    let before = if ending { PendingCancellation } else { Active };
    match (from, event) {
        (PendingApproval, Approve) => Ok(Active),
        (PendingApproval, Reject) => Ok(Rejected),
        (PendingApproval, Cancel) => Ok(Cancelled),
        (PendingApproval, Suspend) => Err(wrong(from, event)),
        (PendingApproval, Reinstate) => Err(wrong(from, event)),
        (PendingPayment, Approve) => Err(wrong(from, event)),
        (PendingPayment, Reject) => Err(wrong(from, event)),
        (PendingPayment, Cancel) => Ok(Cancelled),
        (PendingPayment, Suspend) => Err(wrong(from, event)),
        (PendingPayment, Reinstate) => Err(wrong(from, event)),
        (PaymentFailed, Approve) => Err(wrong(from, event)),
        (PaymentFailed, Reject) => Err(wrong(from, event)),
        (PaymentFailed, Cancel) => Ok(Cancelled),
        (PaymentFailed, Suspend) => Err(wrong(from, event)),
        (PaymentFailed, Reinstate) => Err(wrong(from, event)),
        (Active, Approve) => Err(wrong(from, event)),
        (Active, Reject) => Err(wrong(from, event)),
        (Active, Cancel) => Ok(Cancelled),
        (Active, Suspend) => Ok(Suspended),
        (Active, Reinstate) => Err(already(from)),
        (Suspended, Approve) => Err(wrong(from, event)),
        (Suspended, Reject) => Err(wrong(from, event)),
        (Suspended, Cancel) => Ok(Cancelled),
        (Suspended, Suspend) => Err(already(from)),
        (Suspended, Reinstate) => Ok(before),
        (PendingCancellation, Approve) => Err(wrong(from, event)),
        (PendingCancellation, Reject) => Err(wrong(from, event)),
        (PendingCancellation, Cancel) => Ok(Cancelled),
        (PendingCancellation, Suspend) => Ok(Suspended),
        (PendingCancellation, Reinstate) => Err(wrong(from, event)),
        (Cancelled, Approve) => Err(wrong(from, event)),
        (Cancelled, Reject) => Err(wrong(from, event)),
        (Cancelled, Cancel) => Err(already(from)),
        (Cancelled, Suspend) => Err(wrong(from, event)),
        (Cancelled, Reinstate) => Err(wrong(from, event)),
        (Expired, Approve) => Err(wrong(from, event)),
        (Expired, Reject) => Err(wrong(from, event)),
        (Expired, Cancel) => Err(wrong(from, event)),
        (Expired, Suspend) => Err(wrong(from, event)),
        (Expired, Reinstate) => Err(wrong(from, event)),
        (Rejected, Approve) => Err(wrong(from, event)),
        (Rejected, Reject) => Err(wrong(from, event)),
        (Rejected, Cancel) => Err(wrong(from, event)),
        (Rejected, Suspend) => Err(wrong(from, event)),
        (Rejected, Reinstate) => Err(wrong(from, event)),
    }
}

fn wrong(from: SubscriptionStatus, event: Event) -> Problem {
    let say = format!("the subscription cannot {} while {}", event.passive(), text::word(from));
    Problem::new(ProblemCode::WrongState, "", say)
}

fn already(from: SubscriptionStatus) -> Problem {
    Problem::new(ProblemCode::AlreadyDone, "", format!("the subscription is {} already", text::word(from)))
}

/// Why a lane is locked; `None`: it is open.
pub fn lane_lock(status: SubscriptionStatus, phase: Option<PipelinePhase>, lane: Environment) -> Option<LaneLock> {
    match status {
        SubscriptionStatus::PendingApproval => Some(LaneLock::PendingApproval),
        SubscriptionStatus::PendingPayment | SubscriptionStatus::PaymentFailed => Some(LaneLock::PendingPayment),
        SubscriptionStatus::Rejected => Some(LaneLock::Rejected),
        SubscriptionStatus::Suspended | SubscriptionStatus::Cancelled | SubscriptionStatus::Expired => Some(LaneLock::NotActive),
        SubscriptionStatus::Active | SubscriptionStatus::PendingCancellation => match (lane, phase) {
            (Environment::Sandbox, _) | (Environment::Production, None | Some(PipelinePhase::Production)) => None,
            (Environment::Production, Some(PipelinePhase::Sandbox)) => Some(LaneLock::InSandbox),
            (Environment::Production, Some(PipelinePhase::InReview)) => Some(LaneLock::InReview),
            (Environment::Production, Some(PipelinePhase::Rejected)) => Some(LaneLock::Rejected),
        },
    }
}

/// Refuses a credential where the lane is locked, and says why.
pub fn may_issue(status: SubscriptionStatus, phase: Option<PipelinePhase>, lane: Environment) -> Result<(), Problem> {
    let say = match lane_lock(status, phase, lane) {
        None => return Ok(()),
        Some(LaneLock::NotActive) => {
            let say = format!("credentials cannot be made while the subscription is {}", text::word(status));
            return Err(Problem::new(ProblemCode::WrongState, "", say));
        }
        Some(LaneLock::PendingApproval) => "production opens once the subscription is approved",
        Some(LaneLock::PendingPayment) => "production opens once the subscription is paid",
        Some(LaneLock::InSandbox) => "production opens once the work in the sandbox was approved",
        Some(LaneLock::InReview) => "production opens once the review ends with an approval",
        Some(LaneLock::Rejected) => "production stays closed: the review ended with a rejection",
    };
    Err(Problem::new(ProblemCode::ProductionLocked, "", say))
}

/// What a developer can do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NextStep {
    AwaitApproval,
    Pay,
    CreateSandboxCredential,
    MakeFirstSandboxCall,
    SubmitForReview,
    AwaitReview,
    ApplyRequestedChanges,
    CreateProductionCredential,
    MakeFirstProductionCall,
}

/// How far a lane's work has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneProgress {
    pub environment: Environment,
    /// Whether calls there need a credential that we make.
    pub needs_credential: bool,
    /// One that is neither revoked nor expired.
    pub has_credential: bool,
    /// Whether any credential there was ever used.
    pub called: bool,
}

/// The steps that are open now, in order. A lane where calls need no credential has none: nothing tells whether they were made.
pub fn next_steps(
    status: SubscriptionStatus,
    phase: Option<PipelinePhase>,
    changes_requested: bool,
    lanes: &[LaneProgress],
) -> Vec<NextStep> {
    match status {
        SubscriptionStatus::PendingApproval => return vec![NextStep::AwaitApproval],
        SubscriptionStatus::PendingPayment | SubscriptionStatus::PaymentFailed => return vec![NextStep::Pay],
        SubscriptionStatus::Active
        | SubscriptionStatus::PendingCancellation
        | SubscriptionStatus::Suspended
        | SubscriptionStatus::Cancelled
        | SubscriptionStatus::Expired
        | SubscriptionStatus::Rejected => {}
    }
    let open = lanes.iter().filter(|l| l.needs_credential && lane_lock(status, phase, l.environment).is_none());
    let steps = open.filter_map(|lane| match (lane.environment, lane.has_credential, lane.called) {
        (Environment::Sandbox, false, _) => Some(NextStep::CreateSandboxCredential),
        (Environment::Sandbox, true, false) => Some(NextStep::MakeFirstSandboxCall),
        (Environment::Production, false, _) => Some(NextStep::CreateProductionCredential),
        (Environment::Production, true, false) => Some(NextStep::MakeFirstProductionCall),
        (_, true, true) => None,
    });
    let mut steps: Vec<_> = steps.collect();
    // Between the sandbox and production.
    let at = steps.iter().take_while(|s| matches!(s, NextStep::CreateSandboxCredential | NextStep::MakeFirstSandboxCall)).count();
    if let Some(step) = review_step(status, phase, changes_requested, lanes) {
        steps.insert(at, step);
    }
    steps
}

fn review_step(
    status: SubscriptionStatus,
    phase: Option<PipelinePhase>,
    changes_requested: bool,
    lanes: &[LaneProgress],
) -> Option<NextStep> {
    if !matches!(status, SubscriptionStatus::Active | SubscriptionStatus::PendingCancellation) {
        return None;
    }
    let sandbox = lanes.iter().find(|lane| lane.environment == Environment::Sandbox);
    match phase? {
        PipelinePhase::Sandbox if changes_requested => Some(NextStep::ApplyRequestedChanges),
        PipelinePhase::Sandbox if sandbox.is_some_and(|lane| lane.has_credential || !lane.needs_credential) => {
            Some(NextStep::SubmitForReview)
        }
        PipelinePhase::InReview => Some(NextStep::AwaitReview),
        PipelinePhase::Sandbox | PipelinePhase::Production | PipelinePhase::Rejected => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use SubscriptionStatus::{
        Active, Cancelled, Expired, PaymentFailed, PendingApproval, PendingCancellation, PendingPayment, Rejected, Suspended,
    };

    const ALL: [SubscriptionStatus; 9] =
        [PendingApproval, PendingPayment, PaymentFailed, Active, Suspended, PendingCancellation, Cancelled, Expired, Rejected];

    #[test]
    fn every_cell() {
        let table: String = ALL
            .map(|from| {
                let cells = Event::ALL.map(|event| match step(from, event, false) {
                    Ok(to) => format!("{to:?}"),
                    Err(p) if p.code == ProblemCode::AlreadyDone => "already".to_owned(),
                    Err(_) => "-".to_owned(),
                });
                format!("{from:?}: {}\n", cells.join(" "))
            })
            .concat();
        // approve, reject, cancel, suspend, reinstate
        insta::assert_snapshot!(table, @"
        PendingApproval: Active Rejected Cancelled - -
        PendingPayment: - - Cancelled - -
        PaymentFailed: - - Cancelled - -
        Active: - - Cancelled Suspended already
        Suspended: - - Cancelled already Active
        PendingCancellation: - - Cancelled Suspended -
        Cancelled: - - already - -
        Expired: - - - - -
        Rejected: - - - - -
        ");
        assert_eq!(step(Suspended, Event::Reinstate, true), Ok(PendingCancellation));
        let refused = step(Expired, Event::Suspend, false).expect_err("it is over");
        assert_eq!(refused.message, "the subscription cannot be suspended while EXPIRED");
    }

    #[test]
    fn what_is_final_cannot_be_left() {
        for from in ALL {
            let stays = Event::ALL.iter().all(|event| step(from, *event, false).is_err());
            assert_eq!(stays, is_final(from), "{from:?}");
        }
    }

    #[test]
    fn the_first_status() {
        use ApprovalLevel::{Automatic, Formal, Standard};
        use PricingModel::{Contract, FlatFee, Free, Graduated, PrepaidCredits};
        let sandbox = (Active, Some(PipelinePhase::Sandbox));
        for (approval, pricing, has_sandbox, expected) in [
            (Standard, Free, false, (PendingApproval, None)),
            (Formal, FlatFee, false, (PendingApproval, None)),
            (Automatic, FlatFee, false, (PendingPayment, None)),
            (Automatic, Graduated, false, (PendingPayment, None)),
            (Formal, FlatFee, true, sandbox),
            (Automatic, Free, true, sandbox),
            (Automatic, Free, false, (Active, None)),
            (Automatic, Contract, false, (Active, None)),
            (Automatic, PrepaidCredits, false, (Active, None)),
        ] {
            assert_eq!(first(approval, pricing, has_sandbox), expected, "{approval:?} {pricing:?} {has_sandbox}");
        }
    }

    #[test]
    fn lanes() {
        use Environment::{Production, Sandbox};
        use PipelinePhase as P;
        for status in ALL {
            let locks = [None, Some(P::Sandbox), Some(P::InReview), Some(P::Production), Some(P::Rejected)]
                .map(|phase| lane_lock(status, phase, Production));
            let sandbox = lane_lock(status, Some(P::Sandbox), Sandbox);
            let whole = |lock| ([Some(lock); 5], Some(lock));
            let expected = match status {
                Active | PendingCancellation => {
                    ([None, Some(LaneLock::InSandbox), Some(LaneLock::InReview), None, Some(LaneLock::Rejected)], None)
                }
                PendingApproval => whole(LaneLock::PendingApproval),
                PendingPayment | PaymentFailed => whole(LaneLock::PendingPayment),
                Rejected => whole(LaneLock::Rejected),
                Suspended | Cancelled | Expired => whole(LaneLock::NotActive),
            };
            assert_eq!((locks, sandbox), expected, "{status:?}");
        }
        let code = |status, lane| may_issue(status, Some(P::Sandbox), lane).map_err(|p| p.code);
        assert_eq!(code(Active, Sandbox), Ok(()));
        assert_eq!(code(Active, Production), Err(ProblemCode::ProductionLocked));
        assert_eq!(code(Cancelled, Sandbox), Err(ProblemCode::WrongState));
    }

    #[test]
    fn what_comes_next() {
        let lane =
            |environment, has_credential, called| LaneProgress { environment, needs_credential: true, has_credential, called };
        let steps = |sandbox, production| next_steps(Active, Some(PipelinePhase::Production), false, &[sandbox, production]);
        use Environment::{Production, Sandbox};
        assert_eq!(
            steps(lane(Sandbox, false, false), lane(Production, true, false)),
            [NextStep::CreateSandboxCredential, NextStep::MakeFirstProductionCall]
        );
        assert_eq!(
            steps(lane(Sandbox, true, false), lane(Production, false, false)),
            [NextStep::MakeFirstSandboxCall, NextStep::CreateProductionCredential]
        );
        assert_eq!(steps(lane(Sandbox, true, true), lane(Production, true, true)), []);
        let in_sandbox = next_steps(Active, Some(PipelinePhase::Sandbox), false, &[lane(Production, false, false)]);
        assert_eq!(in_sandbox, [], "production is locked");
        assert_eq!(next_steps(PendingPayment, None, false, &[]), [NextStep::Pay]);
        let open = LaneProgress { needs_credential: false, ..lane(Sandbox, false, false) };
        assert_eq!(next_steps(Active, None, false, &[open]), []);
        let road = |phase, changes| next_steps(Active, Some(phase), changes, &[lane(Sandbox, true, false)]);
        use NextStep::{ApplyRequestedChanges, AwaitReview, MakeFirstSandboxCall, SubmitForReview};
        assert_eq!(road(PipelinePhase::Sandbox, false), [MakeFirstSandboxCall, SubmitForReview]);
        assert_eq!(road(PipelinePhase::Sandbox, true), [MakeFirstSandboxCall, ApplyRequestedChanges]);
        assert_eq!(road(PipelinePhase::InReview, false), [MakeFirstSandboxCall, AwaitReview]);
        assert_eq!(road(PipelinePhase::Rejected, false), [MakeFirstSandboxCall]);
    }
}
