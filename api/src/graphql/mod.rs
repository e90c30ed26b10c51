//! The GraphQL schema. A resolver parses, builds, calls and wraps; rules and SQL live in `domain`.

pub mod connection;
pub mod enums;
pub mod invitation;
pub mod loaders;
pub mod node;
pub mod payload;
pub mod portal;
pub mod product;
pub mod provider;
pub mod request;
pub mod scalars;
pub mod session;
pub mod staff;
pub mod team;
pub mod tier;
pub mod user;
pub mod viewer;

use async_graphql::{EmptySubscription, MergedObject, Schema};

/// What can be read.
#[derive(MergedObject, Default)]
pub struct Query(
    portal::PortalQuery,
    node::NodeQuery,
    viewer::ViewerQuery,
    team::TeamQuery,
    invitation::InvitationQuery,
    provider::ProviderQuery,
);

/// What can be changed.
#[derive(MergedObject, Default)]
pub struct Mutation(
    portal::PortalMutation,
    session::SessionMutation,
    viewer::ViewerMutation,
    team::TeamMutation,
    invitation::InvitationMutation,
    staff::StaffMutation,
    tier::TierMutation,
);

pub type PorticoSchema = Schema<Query, Mutation, EmptySubscription>;

/// The schema; it needs no state, which comes with each request.
pub fn schema() -> PorticoSchema {
    Schema::build(Query::default(), Mutation::default(), EmptySubscription).finish()
}

/// As `schema.graphql` has it.
pub fn sdl() -> String {
    schema().sdl_with_options(async_graphql::SDLExportOptions::new().sorted_fields().sorted_arguments().sorted_enum_items())
}
