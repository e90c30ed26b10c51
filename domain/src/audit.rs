//! The audit log's rows: who did what to what, from where, and what changed. Never a secret.

pub(crate) mod chain;

use entities::{
    audit_event,
    enums::AccessLevel,
    id::{AuditEventId, TeamId, TypedId},
};
use sea_orm::{ConnectionTrait, EntityTrait, IntoActiveModel};
use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use self::chain::Chain;
use crate::{Actor, Domain, Result, rules::policy::Access};

macro_rules! actions {
    ($($name:ident $text:literal)*) => {
        /// Every change of access that can be made. The text is what the log and its filters show.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Action { $($name),* }

        impl Action {
            pub const ALL: &[Self] = &[$(Self::$name),*];

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// `None` for what an event says that another version wrote.
            pub fn parse(text: &str) -> Option<Self> {
                match text {
                    $($text => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

actions! {
    SignedIn "session.signed_in"
    SignInFailed "session.sign_in_failed"
    SignedOut "session.signed_out"
    SessionRevoked "session.revoked"
    OtherSessionsRevoked "session.others_revoked"
    AllSessionsRevoked "session.all_revoked"
    AccessTokenCreated "access_token.created"
    AccessTokenRevoked "access_token.revoked"
    SecondFactorEnabled "second_factor.enabled"
    SecondFactorProven "second_factor.proven"
    SecondFactorFailed "second_factor.failed"
    SecondFactorDisabled "second_factor.disabled"
    SecondFactorReset "second_factor.reset"
    RecoveryCodesMade "second_factor.recovery_codes_made"
    UserUpdated "user.updated"
    StaffRoleSet "staff.role_set"
    PortalUpdated "portal.updated"
    TeamCreated "team.created"
    TeamUpdated "team.updated"
    TeamTierSet "team.tier_set"
    RegistrationApproved "team.registration_approved"
    RegistrationDeclined "team.registration_declined"
    MemberInvited "invitation.sent"
    InvitationResent "invitation.resent"
    InvitationRevoked "invitation.revoked"
    InvitationAccepted "invitation.accepted"
    MemberAccessSet "member.access_set"
    MemberRemoved "member.removed"
    MemberJoined "member.joined"
    DomainClaimed "domain.claimed"
    DomainVerified "domain.verified"
    DomainUpdated "domain.updated"
    DomainRemoved "domain.removed"
    DomainLost "domain.lost"
    SsoConfigured "sso.configured"
    SsoRemoved "sso.removed"
    PartnerOnboarded "partner.onboarded"
    TierCreated "tier.created"
    CategoryCreated "category.created"
    CategoryDeleted "category.deleted"
    ProductCreated "product.created"
    ProductUpdated "product.updated"
    ProductStatusSet "product.status_set"
    ProductEnvironmentSet "product.environment_set"
    ProductAssigned "product.assigned"
    ProductUnassigned "product.unassigned"
    AssignmentScopesSet "product.assignment_scopes_set"
    SpecPublished "spec.published"
    SpecStatusSet "spec.status_set"
    EndpointStatusSet "endpoint.status_set"
    PlanCreated "plan.created"
    PlanUpdated "plan.updated"
    PlanSuperseded "plan.superseded"
    PlanStatusSet "plan.status_set"
    ApprovalGroupCreated "approval_group.created"
    ApprovalGroupUpdated "approval_group.updated"
    ApprovalGroupDeleted "approval_group.deleted"
    PolicyCreated "policy.created"
    PolicyUpdated "policy.updated"
    PolicyDeleted "policy.deleted"
    PolicyAttached "policy.attached"
    Subscribed "subscription.created"
    SubscriptionApproved "subscription.approved"
    SubscriptionRejected "subscription.rejected"
    SubscriptionUpdated "subscription.updated"
    SubscriptionCancelled "subscription.cancelled"
    SubscriptionPlanChanged "subscription.plan_changed"
    SubscriptionCancellationSet "subscription.cancellation_set"
    SubscriptionCancellationUndone "subscription.cancellation_undone"
    SubscriptionExpired "subscription.expired"
    SubscriptionSuspended "subscription.suspended"
    SubscriptionReinstated "subscription.reinstated"
    SubmissionSent "submission.sent"
    SubmissionWithdrawn "submission.withdrawn"
    ReviewStarted "submission.review_started"
    SubmissionApproved "submission.approved"
    SubmissionRejected "submission.rejected"
    ChangesRequested "submission.changes_requested"
    ScopesRequested "scope.requested"
    ScopeRequestWithdrawn "scope.request_withdrawn"
    ScopeApproved "scope.approved"
    ScopeDeclined "scope.declined"
    ScopeRevoked "scope.revoked"
    ScopeRenounced "scope.renounced"
    SupportRequested "support.requested"
    ClientCreated "client.created"
    ClientUpdated "client.updated"
    PortalAccessSet "client.portal_access_set"
    ProfileCreated "profile.created"
    ProfileUpdated "profile.updated"
    NetworkRulesUpdated "profile.network_rules_updated"
    CredentialCreated "credential.created"
    CredentialClaimed "credential.claimed"
    CredentialRotated "credential.rotated"
    CredentialRegenerated "credential.regenerated"
    RotationRequested "rotation.requested"
    RotationApproved "rotation.approved"
    RotationDeclined "rotation.declined"
    CredentialOverlapEnded "credential.overlap_ended"
    CredentialRevoked "credential.revoked"
    CredentialLeaked "credential.leaked"
}

/// One row to be, handed to `Tx::commit`.
#[derive(Debug, Clone)]
pub struct Audit {
    actor: Actor,
    action: Action,
    subject_type: &'static str,
    subject_id: Uuid,
    team: Option<TeamId>,
    changes: Map<String, Value>,
}

impl Audit {
    pub fn of<T: TypedId>(actor: &Actor, action: Action, subject: T) -> Self {
        Self {
            actor: actor.clone(),
            action,
            subject_type: T::PREFIX,
            subject_id: subject.uuid(),
            team: None,
            changes: Map::new(),
        }
    }

    pub fn subject_type(&self) -> &'static str {
        self.subject_type
    }

    /// The team whose own log shows this.
    pub fn team(mut self, team: impl Into<Option<TeamId>>) -> Self {
        self.team = team.into();
        self
    }

    /// A field that has a value now.
    pub fn set(self, field: &str, after: impl Serialize) -> Self {
        self.change(field, Value::Null, after)
    }

    /// A field that may have changed; left out where it did not.
    pub fn change(mut self, field: &str, before: impl Serialize, after: impl Serialize) -> Self {
        let text = |value: Result<Value, serde_json::Error>| value.unwrap_or(Value::Null);
        let (before, after) = (text(serde_json::to_value(before)), text(serde_json::to_value(after)));
        if before != after {
            self.changes.insert(field.to_owned(), json!({ "before": before, "after": after }));
        }
        self
    }

    /// A member's access; `None` where there is none.
    pub fn access(self, before: Option<Access>, after: Option<Access>) -> Self {
        let area = |pick: fn(Access) -> AccessLevel| (before.map(pick), after.map(pick));
        let (team, credentials, billing) = (area(|a| a.team), area(|a| a.credentials), area(|a| a.billing));
        self.change("access.team", team.0, team.1).change("access.credentials", credentials.0, credentials.1).change(
            "access.billing",
            billing.0,
            billing.1,
        )
    }

    pub(crate) async fn write(self, ctx: &Domain, db: &impl ConnectionTrait) -> Result<()> {
        let mut row = audit_event::Model {
            id: ctx.env.id::<AuditEventId>(),
            at: ctx.now(),
            actor_id: self.actor.person(),
            actor_kind: self.actor.kind(),
            action: self.action.as_str().to_owned(),
            subject_type: self.subject_type.to_owned(),
            subject_id: self.subject_id,
            team_id: self.team,
            ip: self.actor.origin.ip,
            user_agent: self.actor.origin.user_agent,
            request_id: self.actor.origin.request_id,
            changes: Value::Object(self.changes),
            position: None,
            hash: None,
        };
        let mut chain = Chain::hold(ctx, db).await?;
        chain.link(&mut row);
        audit_event::Entity::insert(row.into_active_model()).exec_without_returning(db).await?;
        chain.keep(db).await
    }
}
