//! The stored enums as GraphQL has them. `remote` keeps GraphQL out of `entities`: a variant more there does not compile here.

use async_graphql::Enum;

macro_rules! mirrored {
    ($($(#[$meta:meta])* $name:ident = $remote:literal { $($(#[$vmeta:meta])* $variant:ident)* })*) => {$(
        $(#[$meta])*
        #[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[graphql(remote = $remote)]
        pub enum $name { $($(#[$vmeta])* $variant),* }
    )*};
}

mirrored! {
    StaffRole = "entities::enums::StaffRole" { Owner Admin Editor Reviewer Auditor Viewer }
    SignInMethod = "entities::enums::SignInMethod" { MagicLink Sso }
    TeamStatus = "entities::enums::TeamStatus" { Pending Active Declined }
    AccessLevel = "entities::enums::AccessLevel" { None Read Full }
    JoinMethod = "entities::enums::JoinMethod" { Founder Invitation Domain Sso Staff }
    InvitationStatus = "entities::enums::InvitationStatus" { Pending Accepted Revoked Expired }
    TeamRole = "domain::rules::policy::TeamRole" { Admin ReadOnly Restricted }
    ProductStatus = "entities::enums::ProductStatus" { Draft Published Deprecated Retired }
    Visibility = "entities::enums::Visibility" { Public Members Assigned }
    Environment = "entities::enums::Environment" { Sandbox Production }
    PlanStatus = "entities::enums::PlanStatus" { Draft Inactive Active Deprecated Archived }
    ApprovalLevel = "entities::enums::ApprovalLevel" { Automatic Standard Formal }
    AuthMethod = "entities::enums::AuthMethod" {
        ApiKey Token SignedJwt
        #[graphql(name = "OAUTH2_CLIENT_SECRET")] Oauth2ClientSecret
        #[graphql(name = "OAUTH2_PRIVATE_KEY_JWT")] Oauth2PrivateKeyJwt
        Mtls Oidc None
    }
    RateWindow = "entities::enums::RateWindow" { Second Minute FiveMinutes Hour }
    /// UTC: from midnight; from Monday; from the 1st.
    QuotaPeriod = "entities::enums::QuotaPeriod" { Day Week Month }
    PricingModel = "entities::enums::PricingModel" { Free Contract FlatFee Volume Graduated FlatFeeOverage PrepaidCredits }
    BillingInterval = "entities::enums::BillingInterval" { Month Year }
    /// What a reviewer wants to see of the sandbox work.
    ReviewCheckKind = "entities::enums::ReviewCheckKind" {
        /// The operation succeeded as often as the threshold says, or once.
        OperationCalled
        /// As many calls as the threshold says succeeded, or one.
        SuccessfulCalls
        /// Fewer calls failed than the threshold says, in percent; 429 does not count.
        ErrorRateBelow
        /// A call was answered with 429, and the next one came when it said.
        #[graphql(name = "HANDLED_429")] Handled429
        /// A sandbox credential took the place of another.
        RotatedOnce
    }
    PropertyType = "entities::enums::PropertyType" { String Text Number Boolean Option Options Url Email IpList }
    /// Where an approved answer goes by itself.
    FormTarget = "entities::enums::FormTarget" { IpAllowlist JwksUrl }
    /// How a scope is come by: with the subscription; on request; on request with a written reason.
    ScopeGrantKind = "entities::enums::ScopeGrantKind" { Default Optional Restricted }
    SubscriptionStatus = "entities::enums::SubscriptionStatus" {
        PendingApproval PendingPayment PaymentFailed Active Suspended PendingCancellation Cancelled Expired Rejected
    }
    PipelinePhase = "entities::enums::PipelinePhase" { Sandbox InReview Production Rejected }
    StepState = "domain::rules::pipeline::StepState" { Done Current Upcoming Rejected }
    SubmissionStatus = "entities::enums::SubmissionStatus" { Received InReview Approved Rejected ChangesRequested Withdrawn }
    /// Where a request for a decision stands.
    RequestStatus = "entities::enums::RequestStatus" { Pending Approved Declined Withdrawn }
    /// What a decision is asked for.
    QueueKind = "entities::enums::QueueKind" { Registration Subscription Submission Scope Rotation }
    CredentialStatus = "entities::enums::CredentialStatus" { Unclaimed Active Revoked Expired }
    /// What is done about a secret that was found in public.
    LeakedKeyAction = "entities::enums::LeakedKeyAction" {
        /// It works on.
        Notify
        /// It can use no scopes any more but those that come with the plan; a new secret can use all that are held.
        Narrow
        /// It ends within the hour, and a new one can be claimed.
        Rotate
    }
    ActorKind = "entities::enums::ActorKind" { User Staff System PaymentProvider }
    /// Why a lane takes no credentials and no calls.
    LaneLock = "domain::rules::subscription::LaneLock" { PendingApproval PendingPayment InSandbox InReview Rejected NotActive }
    /// What a developer can do now.
    NextStep = "domain::rules::subscription::NextStep" {
        AwaitApproval Pay CreateSandboxCredential MakeFirstSandboxCall SubmitForReview AwaitReview ApplyRequestedChanges
        CreateProductionCredential MakeFirstProductionCall
    }
    /// MOCK answers from the document's own examples and schemas.
    Backend = "entities::enums::Backend" { Upstream Mock }
    /// Where an environment's request log goes.
    LogSink = "entities::enums::LogSink" { Database Stdout Both }
    EndpointStatus = "entities::enums::EndpointStatus" { Draft Published }
    SpecStatus = "entities::enums::SpecStatus" { Current Supported Retired }
    SpecChangeKind = "domain::rules::spec_changes::SpecChangeKind" { Added Removed Changed Deprecated }
    SpecFormat = "domain::rules::openapi::Format" { Json Yaml }
    /// Why the gateway refused a call.
    DenialReason = "entities::enums::DenialReason" {
        RouteNotFound ClientIdMissing ClientUnknown ClientDisabled IdentityMismatch ProfileRequired ProfileUnknown
        ProfileDisabled ProductNotAssigned IpNotAllowed MethodNotAllowed CredentialMissing CredentialInvalid
        CredentialExpired CredentialRevoked WrongEnvironment ScopeMissing RateLimited QuotaExhausted Unavailable
        SubscriptionInactive RequestTooLarge MalformedRequest SchemaViolation UpstreamUnreachable UpstreamTimeout LoopDetected
        RequestTimeout
    }
    /// How far a team got, in the order of the way.
    OnboardingStage = "entities::enums::OnboardingStage" {
        Invited SignedIn SandboxCredential FirstSandboxCall Submitted Approved ProductionCredential FirstProductionCall
    }
    NotificationKind = "entities::enums::NotificationKind" {
        Invitation Subscription Review Credential Scope Quota Billing Spec Team Support
    }
    SupportTopic = "entities::enums::SupportTopic" { Credentials Authentication RefusedCall Documentation Billing Other }
    /// Who can put a refused call right.
    Fixer = "domain::rules::denial::Fixer" { Caller TeamAdmin Provider NobodyWait }
    UserErrorCode = "domain::ProblemCode" {
        Invalid Required Taken TooLong TooShort NotFound Expired AlreadyDone WrongState Stale CredentialsRequired ProductionLocked
        NotesRequired ReasonRequired FormInvalid LimitReached PaymentProvider
    }
}
