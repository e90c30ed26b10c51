//! `schema.graphql` is what the code serves.

#[test]
fn the_committed_schema_is_the_one_that_is_served() {
    let committed = include_str!("../../schema.graphql");
    assert!(committed == api::graphql::sdl(), "run `cargo run -- sdl > schema.graphql`");
}
