//! A subscription's life: where it starts, which way it goes, which lanes are open, what comes next.

use chrono::{DateTime, Utc};
use entities::enums::{ApprovalLevel, Environment, PipelinePhase, PricingModel, SubscriptionStatus};

use super::{pricing, text};
use crate::{Problem, ProblemCode};

/// What happens to a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    Approve,
    Reject,
    /// Its end is set; again: moved.
    CancelAt,
    /// The end that was set is taken back.
    Undo,
    /// It ends now.
    Cancel,
    /// Its duration is over.
    Expire,
    Suspend,
    Reinstate,
}

impl Event {
    pub const ALL: [Self; 8] =
        [Self::Approve, Self::Reject, Self::CancelAt, Self::Undo, Self::Cancel, Self::Expire, Self::Suspend, Self::Reinstate];

    fn passive(self) -> &'static str {
        match self {
            Self::Approve => "be approved",
            Self::Reject => "be rejected",
            Self::CancelAt => "be cancelled at a time",
            Self::Undo => "have its cancellation undone",
            Self::Cancel => "be cancelled",
            Self::Expire => "expire",
            Self::Suspend => "be suspended",
            Self::Reinstate => "be reinstated",
        }
    }
}

/// Where a subscription stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub status: SubscriptionStatus,
    /// `None` where the plan has no sandbox.
    pub phase: Option<PipelinePhase>,
    /// The last review asked for changes.
    pub changes_requested: bool,
    /// Production stays locked until it is paid.
    pub awaits_payment: bool,
}

/// What decides where an event leads, beside the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Facts {
    /// An end was set, which a suspension does not forget.
    pub ending: bool,
    /// The plan is recurring and has a price, which is not paid yet.
    pub priced: bool,
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
pub fn first(approval: ApprovalLevel, model: PricingModel, has_sandbox: bool) -> (SubscriptionStatus, Option<PipelinePhase>) {
    let approved = match approval {
        ApprovalLevel::Automatic => true,
        ApprovalLevel::Standard | ApprovalLevel::Formal => false,
    };
    match (has_sandbox, approved, pricing::recurring(model)) {
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

/// The status after an event.
pub fn step(from: SubscriptionStatus, event: Event, facts: Facts) -> Result<SubscriptionStatus, Problem> {
    use Event::{Approve, Cancel, CancelAt, Expire, Reinstate, Reject, Suspend, Undo};
    use SubscriptionStatus::{
        Active, Cancelled, Expired, PaymentFailed, PendingApproval, PendingCancellation, PendingPayment, Rejected, Suspended,
    };
    let before = if facts.ending { PendingCancellation } else { Active };
    let approved = if facts.priced { PendingPayment } else { Active };
    match (from, event) {
        (PendingApproval, Approve) => Ok(approved),
        (PendingApproval, Reject) => Ok(Rejected),
        (PendingApproval, Cancel) => Ok(Cancelled),
        (PendingApproval, CancelAt | Undo | Expire | Suspend | Reinstate) => Err(wrong(from, event)),
        (PendingPayment, Cancel) => Ok(Cancelled),
        (PendingPayment, Approve | Reject | CancelAt | Undo | Expire | Suspend | Reinstate) => Err(wrong(from, event)),
        (PaymentFailed, Cancel) => Ok(Cancelled),
        (PaymentFailed, Approve | Reject | CancelAt | Undo | Expire | Suspend | Reinstate) => Err(wrong(from, event)),
        (Active, CancelAt) => Ok(PendingCancellation),
        (Active, Cancel) => Ok(Cancelled),
        (Active, Expire) => Ok(Expired),
        (Active, Suspend) => Ok(Suspended),
        (Active, Reinstate) => Err(already(from)),
        (Active, Approve | Reject | Undo) => Err(wrong(from, event)),
        (Suspended, Cancel) => Ok(Cancelled),
        (Suspended, Expire) => Ok(Expired),
        (Suspended, Suspend) => Err(already(from)),
        (Suspended, Reinstate) => Ok(before),
        (Suspended, Approve | Reject | CancelAt | Undo) => Err(wrong(from, event)),
        (PendingCancellation, CancelAt) => Ok(PendingCancellation),
        (PendingCancellation, Undo) => Ok(Active),
        (PendingCancellation, Cancel) => Ok(Cancelled),
        (PendingCancellation, Expire) => Ok(Expired),
        (PendingCancellation, Suspend) => Ok(Suspended),
        (PendingCancellation, Approve | Reject | Reinstate) => Err(wrong(from, event)),
        (Cancelled, Cancel) => Err(already(from)),
        (Cancelled, Approve | Reject | CancelAt | Undo | Expire | Suspend | Reinstate) => Err(wrong(from, event)),
        (Expired, Expire) => Err(already(from)),
        (Expired, Approve | Reject | CancelAt | Undo | Cancel | Suspend | Reinstate) => Err(wrong(from, event)),
        (Rejected, Approve | Reject | CancelAt | Undo | Cancel | Expire | Suspend | Reinstate) => Err(wrong(from, event)),
    }
}

/// What is overdue: of a time to cancel and an expiry, the earlier one; at the same moment it expires. What is not in force
/// yet, or no more, has nothing overdue.
pub fn overdue(
    status: SubscriptionStatus,
    cancel_at: Option<DateTime<Utc>>,
    expires_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Option<Event> {
    step(status, Event::Expire, Facts::default()).ok()?;
    let passed = |at: Option<DateTime<Utc>>| at.filter(|at| *at <= now);
    match (passed(cancel_at), passed(expires_at)) {
        (None, None) => None,
        (Some(_), None) => Some(Event::Cancel),
        (None, Some(_)) => Some(Event::Expire),
        (Some(cancel), Some(expiry)) => Some(if cancel < expiry { Event::Cancel } else { Event::Expire }),
    }
}

/// Refuses a time to cancel that is no time to come, or that the subscription does not live to see.
pub fn cancellable_at(at: DateTime<Utc>, expires_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Result<(), Problem> {
    if at <= now {
        return Err(Problem::new(ProblemCode::Invalid, "at", "must be in the future; leave it out to cancel now"));
    }
    match expires_at.filter(|expiry| *expiry <= at) {
        None => Ok(()),
        Some(expiry) => {
            let say = format!("the subscription expires before that, at {}", expiry.format("%Y-%m-%dT%H:%M:%SZ"));
            Err(Problem::new(ProblemCode::Invalid, "at", say))
        }
    }
}

fn wrong(from: SubscriptionStatus, event: Event) -> Problem {
    let say = format!("the subscription cannot {} while {}", event.passive(), text::word(from));
    Problem::new(ProblemCode::WrongState, "", say)
}

fn already(from: SubscriptionStatus) -> Problem {
    Problem::new(ProblemCode::AlreadyDone, "", format!("the subscription is {} already", text::word(from)))
}

/// Why a lane is locked; none: it is open.
pub fn lane_locks(held: Standing, lane: Environment) -> Vec<LaneLock> {
    match held.status {
        SubscriptionStatus::PendingApproval if held.awaits_payment => vec![LaneLock::PendingApproval, LaneLock::PendingPayment],
        SubscriptionStatus::PendingApproval => vec![LaneLock::PendingApproval],
        SubscriptionStatus::PendingPayment | SubscriptionStatus::PaymentFailed => vec![LaneLock::PendingPayment],
        SubscriptionStatus::Rejected => vec![LaneLock::Rejected],
        SubscriptionStatus::Suspended | SubscriptionStatus::Cancelled | SubscriptionStatus::Expired => vec![LaneLock::NotActive],
        SubscriptionStatus::Active | SubscriptionStatus::PendingCancellation => match lane {
            Environment::Sandbox => Vec::new(),
            Environment::Production => {
                let review = match held.phase {
                    None | Some(PipelinePhase::Production) => None,
                    Some(PipelinePhase::Sandbox) => Some(LaneLock::InSandbox),
                    Some(PipelinePhase::InReview) => Some(LaneLock::InReview),
                    Some(PipelinePhase::Rejected) => Some(LaneLock::Rejected),
                };
                review.into_iter().chain(held.awaits_payment.then_some(LaneLock::PendingPayment)).collect()
            }
        },
    }
}

/// Refuses a credential where the lane is locked, and says why.
pub fn may_issue(held: Standing, lane: Environment) -> Result<(), Problem> {
    let locks = lane_locks(held, lane);
    if locks.is_empty() {
        return Ok(());
    }
    if locks.contains(&LaneLock::NotActive) {
        let say = format!("credentials cannot be made while the subscription is {}", text::word(held.status));
        return Err(Problem::new(ProblemCode::WrongState, "", say));
    }
    let reasons = locks.into_iter().map(|lock| match lock {
        LaneLock::PendingApproval => "production opens once the subscription is approved",
        LaneLock::PendingPayment => "production opens once the subscription is paid",
        LaneLock::InSandbox => "production opens once the work in the sandbox was approved",
        LaneLock::InReview => "production opens once the review ends with an approval",
        LaneLock::Rejected => "production stays closed: the review ended with a rejection",
        LaneLock::NotActive => "the subscription is not active",
    });
    Err(Problem::new(ProblemCode::ProductionLocked, "", reasons.collect::<Vec<_>>().join("; ")))
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
pub fn next_steps(held: Standing, lanes: &[LaneProgress]) -> Vec<NextStep> {
    match held.status {
        SubscriptionStatus::PendingApproval => return vec![NextStep::AwaitApproval],
        SubscriptionStatus::PendingPayment | SubscriptionStatus::PaymentFailed => return vec![NextStep::Pay],
        SubscriptionStatus::Active
        | SubscriptionStatus::PendingCancellation
        | SubscriptionStatus::Suspended
        | SubscriptionStatus::Cancelled
        | SubscriptionStatus::Expired
        | SubscriptionStatus::Rejected => {}
    }
    // Payment is all that keeps production closed: before the review ends, there are other things to do.
    let pay = lane_locks(held, Environment::Production) == [LaneLock::PendingPayment];
    let open = lanes.iter().filter(|l| l.needs_credential && lane_locks(held, l.environment).is_empty());
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
    if let Some(step) = review_step(held, lanes) {
        steps.insert(at, step);
    }
    steps.extend(pay.then_some(NextStep::Pay));
    steps
}

fn review_step(held: Standing, lanes: &[LaneProgress]) -> Option<NextStep> {
    if !matches!(held.status, SubscriptionStatus::Active | SubscriptionStatus::PendingCancellation) {
        return None;
    }
    let sandbox = lanes.iter().find(|lane| lane.environment == Environment::Sandbox);
    match held.phase? {
        PipelinePhase::Sandbox if held.changes_requested => Some(NextStep::ApplyRequestedChanges),
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
                let cells = Event::ALL.map(|event| match step(from, event, Facts::default()) {
                    Ok(to) => format!("{to:?}"),
                    Err(p) if p.code == ProblemCode::AlreadyDone => "already".to_owned(),
                    Err(_) => "-".to_owned(),
                });
                format!("{from:?}: {}\n", cells.join(" "))
            })
            .concat();
        // approve, reject, cancel at, undo, cancel, expire, suspend, reinstate
        insta::assert_snapshot!(table, @"
        PendingApproval: Active Rejected - - Cancelled - - -
        PendingPayment: - - - - Cancelled - - -
        PaymentFailed: - - - - Cancelled - - -
        Active: - - PendingCancellation - Cancelled Expired Suspended already
        Suspended: - - - - Cancelled Expired already Active
        PendingCancellation: - - PendingCancellation Active Cancelled Expired Suspended -
        Cancelled: - - - - already - - -
        Expired: - - - - - already - -
        Rejected: - - - - - - - -
        ");
        let (ending, priced) = (Facts { ending: true, priced: false }, Facts { ending: false, priced: true });
        assert_eq!(step(Suspended, Event::Reinstate, ending), Ok(PendingCancellation));
        assert_eq!(step(PendingApproval, Event::Approve, priced), Ok(PendingPayment));
        let refused = step(Expired, Event::Suspend, ending).expect_err("it is over");
        assert_eq!(refused.message, "the subscription cannot be suspended while EXPIRED");
    }

    #[test]
    fn what_is_final_cannot_be_left() {
        for from in ALL {
            let stays = Event::ALL.iter().all(|event| step(from, *event, Facts::default()).is_err());
            assert_eq!(stays, is_final(from), "{from:?}");
        }
    }

    #[test]
    fn the_earlier_end_comes_first() {
        let at = |day: i64| DateTime::from_timestamp(day * 86_400, 0).expect("a time");
        let due = |status, cancel: Option<i64>, expiry: Option<i64>| overdue(status, cancel.map(at), expiry.map(at), at(10));
        assert_eq!(due(PendingCancellation, Some(10), None), Some(Event::Cancel), "the moment itself counts");
        assert_eq!(due(PendingCancellation, Some(11), None), None, "moved");
        assert_eq!(due(Active, None, None), None, "undone");
        assert_eq!(due(PendingCancellation, Some(9), Some(9)), Some(Event::Expire));
        assert_eq!(due(PendingCancellation, Some(8), Some(9)), Some(Event::Cancel));
        assert_eq!(due(PendingCancellation, Some(11), Some(9)), Some(Event::Expire));
        for status in ALL {
            let expected = matches!(status, Active | Suspended | PendingCancellation).then_some(Event::Expire);
            assert_eq!(due(status, None, Some(1)), expected, "{status:?}");
        }
        let refused = |day| cancellable_at(at(day), Some(at(20)), at(10)).map_err(|p| p.message);
        assert_eq!(refused(10).expect_err("now"), "must be in the future; leave it out to cancel now");
        assert_eq!(refused(20).expect_err("late"), "the subscription expires before that, at 1970-01-21T00:00:00Z");
        assert_eq!((refused(19), cancellable_at(at(99), None, at(10))), (Ok(()), Ok(())));
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

    fn standing(status: SubscriptionStatus, phase: Option<PipelinePhase>) -> Standing {
        Standing { status, phase, changes_requested: false, awaits_payment: false }
    }

    #[test]
    fn lanes() {
        use Environment::{Production, Sandbox};
        use PipelinePhase as P;
        for status in ALL {
            let locks = [None, Some(P::Sandbox), Some(P::InReview), Some(P::Production), Some(P::Rejected)]
                .map(|phase| lane_locks(standing(status, phase), Production));
            let sandbox = lane_locks(standing(status, Some(P::Sandbox)), Sandbox);
            let whole = |lock| ([lock; 5].map(|lock| vec![lock]), vec![lock]);
            let expected = match status {
                Active | PendingCancellation => {
                    let one = |lock| vec![lock];
                    let review = [vec![], one(LaneLock::InSandbox), one(LaneLock::InReview), vec![], one(LaneLock::Rejected)];
                    (review, vec![])
                }
                PendingApproval => whole(LaneLock::PendingApproval),
                PendingPayment | PaymentFailed => whole(LaneLock::PendingPayment),
                Rejected => whole(LaneLock::Rejected),
                Suspended | Cancelled | Expired => whole(LaneLock::NotActive),
            };
            assert_eq!((locks, sandbox), expected, "{status:?}");
        }
        let code = |status, lane| may_issue(standing(status, Some(P::Sandbox)), lane).map_err(|p| p.code);
        assert_eq!(code(Active, Sandbox), Ok(()));
        assert_eq!(code(Active, Production), Err(ProblemCode::ProductionLocked));
        assert_eq!(code(Cancelled, Sandbox), Err(ProblemCode::WrongState));
    }

    #[test]
    fn a_lane_is_locked_until_it_is_approved_and_paid() {
        let unpaid = |status, phase| Standing { status, phase: Some(phase), changes_requested: false, awaits_payment: true };
        let production = |phase| lane_locks(unpaid(Active, phase), Environment::Production);
        assert_eq!(production(PipelinePhase::Sandbox), [LaneLock::InSandbox, LaneLock::PendingPayment]);
        assert_eq!(production(PipelinePhase::Production), [LaneLock::PendingPayment]);
        assert_eq!(lane_locks(unpaid(Active, PipelinePhase::Sandbox), Environment::Sandbox), []);
        let waiting = Standing { phase: None, ..unpaid(PendingApproval, PipelinePhase::Sandbox) };
        assert_eq!(lane_locks(waiting, Environment::Production), [LaneLock::PendingApproval, LaneLock::PendingPayment]);
        let said = may_issue(unpaid(Active, PipelinePhase::InReview), Environment::Production).expect_err("locked");
        assert_eq!(
            said.message,
            "production opens once the review ends with an approval; production opens once the subscription is paid"
        );
        assert_eq!(next_steps(unpaid(Active, PipelinePhase::Sandbox), &[]), []);
        assert_eq!(next_steps(unpaid(Active, PipelinePhase::Production), &[]), [NextStep::Pay]);
    }

    #[test]
    fn what_comes_next() {
        let lane =
            |environment, has_credential, called| LaneProgress { environment, needs_credential: true, has_credential, called };
        let steps = |sandbox, production| next_steps(standing(Active, Some(PipelinePhase::Production)), &[sandbox, production]);
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
        let in_sandbox = next_steps(standing(Active, Some(PipelinePhase::Sandbox)), &[lane(Production, false, false)]);
        assert_eq!(in_sandbox, [], "production is locked");
        assert_eq!(next_steps(standing(PendingPayment, None), &[]), [NextStep::Pay]);
        let open = LaneProgress { needs_credential: false, ..lane(Sandbox, false, false) };
        assert_eq!(next_steps(standing(Active, None), &[open]), []);
        let road = |phase, changes_requested| {
            next_steps(Standing { changes_requested, ..standing(Active, Some(phase)) }, &[lane(Sandbox, true, false)])
        };
        use NextStep::{ApplyRequestedChanges, AwaitReview, MakeFirstSandboxCall, SubmitForReview};
        assert_eq!(road(PipelinePhase::Sandbox, false), [MakeFirstSandboxCall, SubmitForReview]);
        assert_eq!(road(PipelinePhase::Sandbox, true), [MakeFirstSandboxCall, ApplyRequestedChanges]);
        assert_eq!(road(PipelinePhase::InReview, false), [MakeFirstSandboxCall, AwaitReview]);
        assert_eq!(road(PipelinePhase::Rejected, false), [MakeFirstSandboxCall]);
    }
}
