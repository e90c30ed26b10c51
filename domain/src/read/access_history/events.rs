//! What an audit event says was before it. Events of earlier versions say less: where that matters, so does the answer.

use std::collections::BTreeSet;

use entities::{
    audit_event::Model,
    enums::{Environment, QuotaPeriod, RateWindow},
    id::{ClientId, CredentialId, PlanId, PolicyId, ProfileId, SubscriptionId, TypedId, UserId},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    audit::Action,
    rules::{
        access_history::{Change, Limits, Policy, Recipient},
        policy::Access,
    },
};

/// Those of no team's that change what teams can do.
pub(super) const SHARED: [Action; 5] =
    [Action::ProductAssigned, Action::ProductUnassigned, Action::PolicyUpdated, Action::PolicyDeleted, Action::PlanUpdated];

/// One event, read field by field.
struct Event<'a>(&'a Model);

/// What has changed by an event, as far as it decides what this team can do.
pub(super) fn changes(row: &Model) -> Vec<Change> {
    let event = Event(row);
    let Some(action) = Action::parse(&row.action) else { return Vec::new() };
    match action {
        Action::InvitationAccepted => row.actor_id.map(Change::Joined).into_iter().collect(),
        Action::MemberJoined => event.after("user").map(Change::Joined).into_iter().collect(),
        Action::MemberAccessSet => event.access_set().into_iter().collect(),
        Action::MemberRemoved => event.member_removed().into_iter().collect(),
        Action::TeamTierSet => event.before("tier").map(Change::Tier).into_iter().collect(),
        Action::PartnerOnboarded => event.onboarded(),
        Action::SubscriptionApproved
        | Action::SubscriptionRejected
        | Action::SubscriptionCancelled
        | Action::SubscriptionPlanChanged
        | Action::SubscriptionCancellationSet
        | Action::SubscriptionCancellationUndone
        | Action::SubscriptionExpired
        | Action::SubscriptionSuspended
        | Action::SubscriptionReinstated => event.subscription(),
        Action::SubmissionSent
        | Action::SubmissionWithdrawn
        | Action::ReviewStarted
        | Action::SubmissionApproved
        | Action::SubmissionRejected
        | Action::ChangesRequested => event.submission(),
        Action::ScopeApproved => event.scope_given().into_iter().collect(),
        Action::ScopeRevoked | Action::ScopeRenounced => {
            event.before("scope").map(|scope| Change::ScopeTaken(event.subject(), scope)).into_iter().collect()
        }
        Action::ClientUpdated => vec![Change::Client { id: event.subject(), enabled: event.before("enabled"), policy: None }],
        Action::PolicyAttached => event.policy_attached().into_iter().collect(),
        Action::ProfileUpdated | Action::NetworkRulesUpdated => vec![event.profile()],
        Action::CredentialClaimed => vec![Change::Claimed(event.subject::<CredentialId>())],
        Action::CredentialRotated => {
            event.before("expiresAt").map(|at| Change::Expiry(event.subject(), at)).into_iter().collect()
        }
        Action::ProductAssigned => event.recipient().map(|to| Change::Assigned(to, event.subject())).into_iter().collect(),
        Action::ProductUnassigned => event.recipient().map(|to| Change::Unassigned(to, event.subject())).into_iter().collect(),
        Action::PolicyUpdated => vec![event.policy()],
        Action::PolicyDeleted => vec![Change::PolicyDeleted(event.subject(), event.deleted_policy())],
        Action::PlanUpdated => event.plan_limits().into_iter().collect(),
        _ => Vec::new(),
    }
}

impl Event<'_> {
    fn subject<T: TypedId>(&self) -> T {
        T::from_uuid(self.0.subject_id)
    }

    fn field(&self, name: &str, side: &str) -> Option<&Value> {
        self.0.changes.get(name)?.get(side)
    }

    /// `None` where the field did not change, or was not said.
    fn before<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        T::deserialize(self.field(name, "before")?).ok()
    }

    fn after<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        T::deserialize(self.field(name, "after")?).ok()
    }

    fn says(&self, name: &str) -> bool {
        self.0.changes.get(name).is_some()
    }

    fn unsaid(&self, of: Option<SubscriptionId>, what: &str) -> Change {
        Change::Unsaid(of, format!("The event {} of {} does not say {what}.", self.0.action, self.0.at))
    }

    fn access_set(&self) -> Option<Change> {
        let user: UserId = self.after("user")?;
        let level = |area| self.before(area);
        let (team, credentials, billing) = (level("access.team"), level("access.credentials"), level("access.billing"));
        Some(Change::AccessSet { user, team, credentials, billing })
    }

    fn member_removed(&self) -> Option<Change> {
        let access = Access {
            team: self.before("access.team")?,
            credentials: self.before("access.credentials")?,
            billing: self.before("access.billing")?,
        };
        Some(Change::Left { user: self.before("user")?, access, since: self.after("joinedAt"), at: self.0.at })
    }

    fn onboarded(&self) -> Vec<Change> {
        match (self.says("newTeam"), self.says("tier"), self.says("teamName")) {
            (true, true, _) => self.before("tier").map(Change::Tier).into_iter().collect(),
            (false, true, false) => vec![self.unsaid(None, "in which tier the team was before it")],
            _ => Vec::new(),
        }
    }

    fn subscription(&self) -> Vec<Change> {
        let id: SubscriptionId = self.subject();
        let (status, phase, plan) = (self.before("status"), self.before("phase"), self.before::<PlanId>("plan"));
        let scopes: Option<BTreeSet<String>> = self.before("scopes");
        let mut changes = vec![Change::Subscription { id, status, phase, plan, scopes }];
        if plan.is_none() {
            return changes;
        }
        match self.after::<Vec<ProfileId>>("profilesClosed").zip(self.after::<Vec<ProfileId>>("profilesOpened")) {
            Some((closed, opened)) => {
                let enabled = |id, was| Change::Profile { id, enabled: Some(was), policy: None, allowlist: None };
                changes.extend(closed.into_iter().map(|id| enabled(id, true)));
                changes.extend(opened.into_iter().map(|id| enabled(id, false)));
            }
            None => {
                changes.push(self.unsaid(Some(id), "which phase, scopes and profiles the subscription had under its plan before"))
            }
        }
        changes
    }

    fn submission(&self) -> Vec<Change> {
        let Some(id) = self.after::<SubscriptionId>("subscription") else { return Vec::new() };
        let phase = self.before("phase");
        let mut changes = vec![Change::Subscription { id, status: None, phase, plan: None, scopes: None }];
        match (self.says("productionAllowlist"), self.after::<ProfileId>("productionProfile")) {
            (false, _) => {}
            (true, Some(profile)) => {
                let allowlist = self.before("productionAllowlist");
                changes.push(Change::Profile { id: profile, enabled: None, policy: None, allowlist });
            }
            (true, None) => changes.push(self.unsaid(Some(id), "from which addresses production calls were taken before it")),
        }
        changes
    }

    fn scope_given(&self) -> Option<Change> {
        Some(Change::ScopeGiven(self.after("subscription")?, self.after("scope")?))
    }

    fn policy_attached(&self) -> Option<Change> {
        let policy: Option<Option<PolicyId>> = self.before("policy");
        policy?;
        Some(match self.0.subject_type.as_str() {
            ClientId::PREFIX => Change::Client { id: self.subject(), enabled: None, policy },
            _ => Change::Profile { id: self.subject(), enabled: None, policy, allowlist: None },
        })
    }

    fn profile(&self) -> Change {
        let (enabled, allowlist) = (self.before("enabled"), self.before("ipAllowlist"));
        Change::Profile { id: self.subject(), enabled, policy: None, allowlist }
    }

    fn recipient(&self) -> Option<Recipient> {
        let tier = self.after("tier").map(Recipient::Tier);
        tier.or_else(|| self.after("team").map(Recipient::Team)).or_else(|| self.after("client").map(Recipient::Client))
    }

    fn policy(&self) -> Change {
        let (enabled, rate, quota) = (self.before("enabled"), self.before("rateLimit"), self.before("quota"));
        Change::Policy { id: self.subject(), enabled, rate, quota }
    }

    fn deleted_policy(&self) -> Option<Policy> {
        let limits = Limits { rate: self.before("rateLimit").flatten(), quota: self.before("quota").flatten() };
        Some(Policy { enabled: self.before("enabled")?, limits })
    }

    fn plan_limits(&self) -> Option<Change> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Shown {
            environment: Environment,
            rate_limit: Option<(i32, RateWindow)>,
            quota: Option<(i64, QuotaPeriod)>,
        }
        let before: Vec<Shown> = self.before("environments")?;
        let limits = before.into_iter().map(|shown| (shown.environment, Limits { rate: shown.rate_limit, quota: shown.quota }));
        Some(Change::PlanLimits(self.subject::<PlanId>(), limits.collect()))
    }
}
