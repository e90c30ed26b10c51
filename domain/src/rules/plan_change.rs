//! Where a subscription goes that is moved to another plan of its product.

use entities::enums::{ApprovalLevel, Environment, PipelinePhase, PricingModel, SubscriptionStatus};

use super::{
    pricing,
    subscription::{Standing, lane_locks},
    text,
};
use crate::{Problem, ProblemCode};

/// What a plan asks of those who come to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    pub approval: ApprovalLevel,
    pub pricing: PricingModel,
    pub has_sandbox: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanChange {
    /// The new plan is in force at once.
    Now { phase: Option<PipelinePhase>, awaits_payment: bool },
    /// The old plan stays in force until a reviewer decides.
    AwaitsApproval,
}

/// Production that is open stays open: where the new plan asks for something first, the old one stays in force meanwhile. Where
/// production is not open yet, a plan with a sandbox starts anew there.
pub fn change(held: Standing, to: Terms) -> Result<PlanChange, Problem> {
    if !matches!(held.status, SubscriptionStatus::Active | SubscriptionStatus::PendingCancellation) {
        let say = format!("the subscription cannot be moved to another plan while {}", text::word(held.status));
        return Err(Problem::new(ProblemCode::WrongState, "", say));
    }
    let in_production = lane_locks(held, Environment::Production).is_empty();
    let priced = pricing::recurring(to.pricing);
    if priced && (in_production || !to.has_sandbox) {
        let say = "payment is not set up: a subscription in production cannot be moved to a plan with a price";
        return Err(Problem::new(ProblemCode::PaymentProvider, "planId", say));
    }
    let now = |phase| Ok(PlanChange::Now { phase, awaits_payment: priced });
    match (to.has_sandbox, in_production, to.approval) {
        (_, true, ApprovalLevel::Standard | ApprovalLevel::Formal) => Ok(PlanChange::AwaitsApproval),
        (true, true, ApprovalLevel::Automatic) => now(Some(PipelinePhase::Production)),
        (true, false, _) => now(Some(PipelinePhase::Sandbox)),
        (false, false, ApprovalLevel::Standard | ApprovalLevel::Formal) => Ok(PlanChange::AwaitsApproval),
        (false, _, ApprovalLevel::Automatic) => now(None),
    }
}

/// The phase once a reviewer has approved the move.
pub fn approved(to: Terms) -> Option<PipelinePhase> {
    to.has_sandbox.then_some(PipelinePhase::Production)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_stays_open() {
        let mut table = String::new();
        for phase in [None, Some(PipelinePhase::Sandbox), Some(PipelinePhase::InReview), Some(PipelinePhase::Production)] {
            let held = Standing { status: SubscriptionStatus::Active, phase, changes_requested: false, awaits_payment: false };
            for has_sandbox in [true, false] {
                let to = |approval, pricing| match change(held, Terms { approval, pricing, has_sandbox }) {
                    Ok(PlanChange::AwaitsApproval) => "waits".to_owned(),
                    Ok(PlanChange::Now { phase, awaits_payment }) => {
                        let phase = phase.map_or_else(|| "-".to_owned(), |phase| format!("{phase:?}"));
                        if awaits_payment { format!("{phase}+payment") } else { phase }
                    }
                    Err(problem) => format!("{:?}", problem.code),
                };
                let cells = [
                    to(ApprovalLevel::Automatic, PricingModel::Free),
                    to(ApprovalLevel::Formal, PricingModel::Free),
                    to(ApprovalLevel::Automatic, PricingModel::FlatFee),
                ];
                let from = phase.map_or_else(|| "no sandbox".to_owned(), |phase| format!("{phase:?}"));
                let kind = if has_sandbox { "sandbox" } else { "none" };
                table += &format!("{from} → {kind}: {}\n", cells.join(", "));
            }
        }
        // automatic, formal, automatic with a price
        insta::assert_snapshot!(table, @"
        no sandbox → sandbox: Production, waits, PaymentProvider
        no sandbox → none: -, waits, PaymentProvider
        Sandbox → sandbox: Sandbox, Sandbox, Sandbox+payment
        Sandbox → none: -, waits, PaymentProvider
        InReview → sandbox: Sandbox, Sandbox, Sandbox+payment
        InReview → none: -, waits, PaymentProvider
        Production → sandbox: Production, waits, PaymentProvider
        Production → none: -, waits, PaymentProvider
        ");
    }

    #[test]
    fn only_what_is_in_force_is_moved() {
        let free = Terms { approval: ApprovalLevel::Automatic, pricing: PricingModel::Free, has_sandbox: false };
        let from = |status| change(Standing { status, phase: None, changes_requested: false, awaits_payment: false }, free);
        assert_eq!(
            from(SubscriptionStatus::PendingCancellation).map_err(|p| p.code),
            Ok(PlanChange::Now { phase: None, awaits_payment: false })
        );
        for status in [SubscriptionStatus::Suspended, SubscriptionStatus::PendingApproval, SubscriptionStatus::Cancelled] {
            assert_eq!(from(status).map_err(|p| p.code), Err(ProblemCode::WrongState), "{status:?}");
        }
    }
}
