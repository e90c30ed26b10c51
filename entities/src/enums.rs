//! The enums that are stored, by the words of the product. Stored as snake case text.

use sea_orm::{DeriveActiveEnum, EnumIter, prelude::StringLen};
use serde::{Deserialize, Serialize};

macro_rules! stored_enum {
    ($($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident)* })*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
        #[sea_orm(rs_type = "String", db_type = "String(StringLen::N(24))", rename_all = "snake_case")]
        #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
        pub enum $name { $($(#[$vmeta])* $variant),* }
    )*};
}

stored_enum! {
    StaffRole { Owner Admin Editor Reviewer Auditor Viewer }
    SignInMethod { MagicLink Sso }
    TeamStatus { Pending Active Declined }
    /// How far a member's right in one area goes; ordered.
    AccessLevel { None Read Full }
    JoinMethod { Founder Invitation Domain Sso Staff }
    InvitationStatus { Pending Accepted Revoked Expired }
    ProductStatus { Draft Published Deprecated Retired }
    /// Everyone; anyone signed in; only teams that the product is assigned to.
    Visibility { Public Members Assigned }
    Environment { Sandbox Production }
    Backend { Upstream Mock }
    LogSink { Database Stdout Both }
    EndpointStatus { Draft Published }
    SpecStatus { Current Supported Retired }
    PlanStatus { Draft Inactive Active Deprecated Archived }
    ApprovalLevel { Automatic Standard Formal }
    AuthMethod { ApiKey Token SignedJwt Oauth2ClientSecret Oauth2PrivateKeyJwt Mtls Oidc None }
    RateWindow { Second Minute FiveMinutes Hour }
    /// UTC: midnight; Monday; the 1st.
    QuotaPeriod { Day Week Month }
    PricingModel { Free Contract FlatFee Volume Graduated FlatFeeOverage PrepaidCredits }
    BillingInterval { Month Year }
    ScopeGrantKind { Default Optional Restricted }
    SubscriptionStatus {
        PendingApproval PendingPayment PaymentFailed Active Suspended PendingCancellation Cancelled Expired Rejected
    }
    PipelinePhase { Sandbox InReview Production Rejected }
    SubmissionStatus { Received InReview Approved Rejected ChangesRequested Withdrawn }
    /// Where a request for a decision stands.
    RequestStatus { Pending Approved Declined Withdrawn }
    /// What a decision is asked for.
    QueueKind { Registration Subscription Submission Scope Rotation }
    /// What a reviewer wants to see of the sandbox work.
    ReviewCheckKind { OperationCalled SuccessfulCalls ErrorRateBelow #[serde(rename = "HANDLED_429")] Handled429 RotatedOnce }
    PropertyType { String Text Number Boolean Option Options Url Email IpList }
    /// Where an approved answer goes by itself.
    FormTarget { IpAllowlist JwksUrl }
    CredentialStatus { Unclaimed Active Revoked Expired }
    /// What is done about a secret that was found in public.
    LeakedKeyAction { Notify Narrow Rotate }
    ActorKind { User Staff System PaymentProvider }
    /// Why the gateway refused; the order of the checks is `domain::rules::admission`'s.
    DenialReason {
        RouteNotFound ClientIdMissing ClientUnknown ClientDisabled IdentityMismatch ProfileRequired ProfileUnknown
        ProfileDisabled ProductNotAssigned IpNotAllowed MethodNotAllowed CredentialMissing CredentialInvalid
        CredentialExpired CredentialRevoked WrongEnvironment ScopeMissing RateLimited QuotaExhausted Unavailable
        SubscriptionInactive RequestTooLarge MalformedRequest SchemaViolation UpstreamUnreachable UpstreamTimeout LoopDetected
        RequestTimeout
    }
    JobState { Ready Running Dead Done }
    /// How far a team got on its way to production, in the order of the way.
    OnboardingStage {
        Invited SignedIn SandboxCredential FirstSandboxCall Submitted Approved ProductionCredential FirstProductionCall
    }
    NotificationKind { Invitation Subscription Review Credential Scope Quota Billing Spec Team Support }
    SupportTopic { Credentials Authentication RefusedCall Documentation Billing Other }
    /// What a gateway has to load anew.
    GatewaySubject { Product Client Plan Policy Team Portal SigningKeys }
}

impl Environment {
    pub const ALL: [Self; 2] = [Self::Sandbox, Self::Production];
}

impl OnboardingStage {
    /// In the order of the way.
    pub const ALL: [Self; 8] = [
        Self::Invited,
        Self::SignedIn,
        Self::SandboxCredential,
        Self::FirstSandboxCall,
        Self::Submitted,
        Self::Approved,
        Self::ProductionCredential,
        Self::FirstProductionCall,
    ];
}

impl AuthMethod {
    /// Whether a credential of this kind is a secret that we make and show once.
    pub fn has_secret(self) -> bool {
        match self {
            Self::ApiKey | Self::Token | Self::SignedJwt | Self::Oauth2ClientSecret => true,
            Self::Oauth2PrivateKeyJwt | Self::Mtls | Self::Oidc | Self::None => false,
        }
    }
}
