//! Where a subscription's work stands, lane by lane.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use entities::{credential, enums::CredentialStatus, id::SubscriptionId, profile, subscription};

use crate::rules::{
    credential::{has_credentials, state_at},
    plan,
    subscription::{LaneLock, LaneProgress, NextStep, Standing, lane_locks, next_steps},
};

/// One environment of a subscription.
#[derive(Debug, Clone)]
pub struct Lane {
    pub subscription: SubscriptionId,
    pub profile: profile::Model,
    /// None: it is open.
    pub locks: Vec<LaneLock>,
    /// Newest first.
    pub credentials: Vec<credential::Model>,
}

pub fn standing(held: &subscription::Model) -> Standing {
    Standing {
        status: held.status,
        phase: held.phase,
        changes_requested: held.changes_requested,
        awaits_payment: held.awaits_payment,
    }
}

/// A subscription's lanes, sandbox first. Without a phase there is no sandbox, though a profile may be left of an earlier plan.
pub fn lanes(
    held: &subscription::Model,
    profiles: Vec<profile::Model>,
    mut credentials: HashMap<entities::id::ProfileId, Vec<credential::Model>>,
) -> Vec<Lane> {
    let lane = |environment| profiles.iter().find(move |p| p.environment == environment);
    let here = plan::environments_of(held.phase.is_some());
    let profiles: Vec<_> = here.iter().copied().filter_map(lane).cloned().collect();
    profiles
        .into_iter()
        .map(|profile| Lane {
            subscription: held.id,
            locks: lane_locks(standing(held), profile.environment),
            credentials: credentials.remove(&profile.id).unwrap_or_default(),
            profile,
        })
        .collect()
}

/// What a developer can do now, in order.
pub fn steps(held: &subscription::Model, lanes: &[Lane], now: DateTime<Utc>) -> Vec<NextStep> {
    let live = |c: &credential::Model| state_at(c.status, c.expires_at, now) == CredentialStatus::Active;
    let progress: Vec<_> = lanes
        .iter()
        .map(|lane| LaneProgress {
            environment: lane.profile.environment,
            needs_credential: has_credentials(lane.profile.auth_method),
            has_credential: lane.credentials.iter().any(live),
            called: lane.credentials.iter().any(|c| c.last_used_at.is_some()),
        })
        .collect();
    next_steps(standing(held), &progress)
}
