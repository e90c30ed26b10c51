//! The GraphQL schema. A resolver parses, builds, calls and wraps; rules and SQL live in `domain`.

pub mod access_explanation;
pub mod access_history;
pub mod allowance;
pub mod approval_group;
pub mod assignment;
pub mod audit;
pub mod batches;
pub mod call_limits;
pub mod category;
pub mod client;
pub mod complete;
pub mod connection;
pub mod credential;
pub mod custom_property;
pub mod decision;
pub mod domain;
pub mod endpoint;
pub mod enforcement;
pub mod engine;
pub mod enums;
pub mod evidence;
pub mod explorer;
pub mod eyes;
pub mod form;
pub mod invitation;
pub mod json_text;
mod leak;
pub mod limits;
pub mod live_updates;
pub mod loaders;
pub mod node;
pub mod notification;
pub mod onboarding;
pub mod onboarding_view;
pub mod payload;
pub mod plan;
pub mod policy;
pub mod portal;
pub mod pricing;
pub mod product;
pub mod product_environment;
pub mod profile;
pub mod provider;
pub mod provider_access;
pub mod request;
pub mod request_log;
pub mod review_queue;
pub mod rotation;
pub mod scalars;
pub mod scope;
pub mod second_factor;
pub mod session;
pub mod shape;
pub mod spec;
pub mod sso;
pub mod staff;
pub mod submission;
pub mod subscription;
pub mod support;
pub mod team;
pub mod tier;
pub mod user;
pub mod viewer;

use async_graphql::{MergedObject, Schema};

use engine::Engine;

/// What can be read.
#[derive(MergedObject, Default)]
pub struct Query(
    portal::PortalQuery,
    node::NodeQuery,
    product::ProductQuery,
    category::CategoryQuery,
    viewer::ViewerQuery,
    team::TeamQuery,
    invitation::InvitationQuery,
    provider::ProviderQuery,
    subscription::SubscriptionQuery,
    decision::DecisionQuery,
);

/// What can be changed.
#[derive(MergedObject, Default)]
pub struct Mutation(
    portal::PortalMutation,
    plan::PlanMutation,
    approval_group::ApprovalGroupMutation,
    policy::PolicyMutation,
    subscription::SubscriptionMutation,
    submission::SubmissionMutation,
    scope::ScopeMutation,
    client::ClientMutation,
    profile::ProfileMutation,
    credential::CredentialMutation,
    onboarding::OnboardingMutation,
    support::SupportMutation,
    product::ProductMutation,
    product_environment::ProductEnvironmentMutation,
    assignment::AssignmentMutation,
    spec::SpecMutation,
    endpoint::EndpointMutation,
    category::CategoryMutation,
    second_factor::SignInMutation,
    viewer::ViewerMutation,
    TeamMutations,
    invitation::InvitationMutation,
    staff::StaffMutation,
    tier::TierMutation,
);

/// What can be changed of teams: the derive takes no more members than the list above has.
#[derive(MergedObject, Default)]
pub struct TeamMutations(team::TeamMutation, domain::DomainMutation, sso::SsoMutation);

pub type PorticoSchema = Schema<Query, Mutation, live_updates::LiveUpdates>;

/// The schema; it needs no state, which comes with each request.
pub fn schema() -> PorticoSchema {
    Schema::build(Query::default(), Mutation::default(), live_updates::LiveUpdates).finish()
}

/// What serves requests. Without introspection, errors do not suggest names either.
pub fn engine(introspection: bool) -> Engine<PorticoSchema> {
    let schema = Schema::build(Query::default(), Mutation::default(), live_updates::LiveUpdates).extension(allowance::Counted);
    let schema = if introspection { schema.finish() } else { schema.disable_suggestions().finish() };
    let sdl = schema.sdl();
    Engine::new(schema, &sdl, introspection, engine::TIME_LIMIT)
}

/// As `schema.graphql` has it.
pub fn sdl() -> String {
    schema().sdl_with_options(async_graphql::SDLExportOptions::new().sorted_fields().sorted_arguments().sorted_enum_items())
}
