//! The stored enums as GraphQL has them. `remote` keeps GraphQL out of `entities`: a variant more there does not compile here.

use async_graphql::Enum;

macro_rules! mirrored {
    ($($(#[$meta:meta])* $name:ident = $remote:literal { $($variant:ident)* })*) => {$(
        $(#[$meta])*
        #[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[graphql(remote = $remote)]
        pub enum $name { $($variant),* }
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
    /// MOCK answers from the document's own examples and schemas.
    Backend = "entities::enums::Backend" { Upstream Mock }
    /// Where an environment's request log goes.
    LogSink = "entities::enums::LogSink" { Database Stdout Both }
    EndpointStatus = "entities::enums::EndpointStatus" { Draft Published }
    SpecStatus = "entities::enums::SpecStatus" { Current Supported Retired }
    SpecFormat = "domain::rules::openapi::Format" { Json Yaml }
    UserErrorCode = "domain::ProblemCode" {
        Invalid Required Taken TooLong TooShort NotFound Expired AlreadyDone WrongState Stale ProductionLocked LimitReached
        PaymentProvider
    }
}
