//! Whom a new version concerns: the teams that hold the product, and what each called of what it breaks.

use std::io::Write;

use chrono::TimeDelta;
use domain::{
    Actor, Domain,
    actor::Origin,
    ops::{
        request_log::append,
        specs::{PublishSpec, publish},
    },
    read::spec_audience::{self, LOOKED_BACK, SpecAudience},
};
use entities::{
    columns::LoggedHeaders,
    endpoint,
    enums::{DenialReason, Environment, StaffRole, SubscriptionStatus, TeamStatus},
    id::{EndpointId, SpecVersionId, TeamId},
    request_log, spec_document, spec_version, subscription, team,
};
use flate2::{Compression, write::GzEncoder};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use crate::{
    fixture::Fixture,
    gateway::{Seeded, put, seed},
};

/// `GET /charges/{…}` that answers with these properties, and other operations beside it.
fn document(version: &str, parameter: &str, properties: &str, more: &str) -> String {
    format!(
        "openapi: 3.1.0\ninfo: {{ title: Pay, version: '{version}' }}\npaths:\n  /charges/{{{parameter}}}:\n    get: {{ responses: {{ '200': \
         {{ content: {{ application/json: {{ schema: {{ type: object, properties: {{ {properties} }} }} }} }} }} }} }}\n{more}"
    )
}

async fn publish_as(ctx: &Domain, seeded: &Seeded, document: String, prefix: Option<&str>) -> SpecVersionId {
    let staff = Actor::user(ctx.env.id(), Some(StaffRole::Owner), Origin::default());
    let cmd = PublishSpec {
        product: seeded.product,
        document: document.into(),
        version: None,
        path_prefix: prefix.map(str::to_owned),
        served_by: None,
        release_notes: None,
        publish_endpoints: true,
    };
    publish(ctx, &staff, cmd).await.unwrap().0.id
}

/// The document of the version that was seeded without one.
async fn seed_document(ctx: &Domain, seeded: &Seeded) {
    let versions = spec_version::Entity::find().filter(spec_version::Column::ProductId.eq(seeded.product));
    let spec = versions.one(&ctx.db).await.unwrap().unwrap();
    let schema = r#"{"type":"object","properties":{"id":{},"fee":{}}}"#;
    let text = format!(
        r#"{{"openapi":"3.1.0","info":{{"title":"Pay","version":"1"}},"paths":{{"/charges/{{id}}":{{"get":{{"responses":{{"200":{{"content":{{"application/json":{{"schema":{schema}}}}}}}}}}}}}}}}}"#
    );
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(text.as_bytes()).unwrap();
    put(&ctx.db, spec_document::Model { spec_id: spec.id, body: packer.finish().unwrap() }).await;
}

async fn other_team(ctx: &Domain, seeded: &Seeded, name: &str, team_status: TeamStatus, status: SubscriptionStatus) -> TeamId {
    let row = team::Model {
        id: ctx.env.id(),
        name: name.into(),
        slug: name.into(),
        internal: false,
        status: team_status,
        tier_id: None,
        created_at: ctx.now(),
        version: 1,
    };
    let team = put(&ctx.db, row).await.id;
    let held = subscription::Entity::find_by_id(seeded.subscription).one(&ctx.db).await.unwrap().unwrap();
    put(&ctx.db, subscription::Model { id: ctx.env.id(), team_id: team, status, ..held }).await;
    team
}

async fn endpoint_of(ctx: &Domain, method: &str, path: &str) -> EndpointId {
    let found = endpoint::Entity::find().filter(endpoint::Column::Method.eq(method)).filter(endpoint::Column::Path.eq(path));
    found.select_only().column(endpoint::Column::Id).into_tuple().one(&ctx.db).await.unwrap().unwrap()
}

async fn call(ctx: &Domain, seeded: &Seeded, team: TeamId, endpoint: EndpointId, denial: Option<DenialReason>) {
    let row = request_log::Model {
        id: ctx.env.id(),
        at: ctx.now(),
        team_id: Some(team),
        client_id: None,
        profile_id: None,
        credential_id: None,
        product_id: Some(seeded.product),
        endpoint_id: Some(endpoint),
        endpoint: None,
        environment: Some(Environment::Production),
        method: "GET".to_owned(),
        path: "/pay/charges/1".to_owned(),
        status: 200,
        latency_us: 1_500,
        denial,
        denial_detail: None,
        ip: "192.0.2.1".to_owned(),
        user_agent: None,
        request_headers: LoggedHeaders::default(),
        response_headers: LoggedHeaders::default(),
        via_explorer: false,
        completed: true,
    };
    append(ctx, &[row], &[], &[]).await.unwrap();
}

/// What each team is told, by its id.
fn told(audience: &SpecAudience, team: TeamId) -> Option<String> {
    let found = audience.teams.iter().find(|concerned| concerned.team == team)?;
    let line = |c: &spec_audience::CalledOperation| format!("{} called {}: {}", c.operation, c.calls, c.broken.join("; "));
    Some(found.called.iter().map(line).collect::<Vec<_>>().join(", "))
}

#[tokio::test]
async fn holders_are_told_and_who_called_what_breaks_by_name() {
    for fixture in Fixture::each().await {
        let ctx = &fixture.ctx;
        let seeded = seed(ctx).await;
        seed_document(ctx, &seeded).await;
        let quiet = other_team(ctx, &seeded, "quiet", TeamStatus::Active, SubscriptionStatus::Suspended).await;
        let over = other_team(ctx, &seeded, "over", TeamStatus::Active, SubscriptionStatus::Cancelled).await;
        let declined = other_team(ctx, &seeded, "declined", TeamStatus::Declined, SubscriptionStatus::Active).await;
        let charges = endpoint_of(ctx, "GET", "/charges/{id}").await;
        // Too long ago, and refused: neither counts.
        call(ctx, &seeded, quiet, charges, None).await;
        fixture.clock.advance(LOOKED_BACK + TimeDelta::days(1));
        call(ctx, &seeded, quiet, charges, Some(DenialReason::RateLimited)).await;
        for team in [seeded.team, seeded.team, over, declined] {
            call(ctx, &seeded, team, charges, None).await;
        }
        let first_called = ctx.now();

        // The same operation in the next version, whose calls count with those of the version before.
        let properties = "id: {}, fee: {}";
        publish_as(ctx, &seeded, document("2", "charge", properties, "  /refunds: { get: {} }\n"), None).await;
        fixture.clock.advance(TimeDelta::hours(1));
        call(ctx, &seeded, seeded.team, endpoint_of(ctx, "GET", "/charges/{charge}").await, None).await;
        call(ctx, &seeded, quiet, endpoint_of(ctx, "GET", "/refunds").await, None).await;

        let third = publish_as(ctx, &seeded, document("3", "id", "id: {}", "  /refunds: { get: {} }\n"), None).await;
        let audience = spec_audience::of(ctx, third).await.unwrap();
        assert_eq!(audience.spec.id, third);
        assert_eq!(audience.previous.as_ref().map(|spec| spec.version.as_str()), Some("2"));
        assert_eq!(audience.still_served_by(), []);
        let text = "GET /charges/{id} called 3: the answer 200: `fee` was removed (it was optional)";
        assert_eq!(told(&audience, seeded.team).as_deref(), Some(text));
        assert_eq!(told(&audience, quiet).as_deref(), Some(""));
        assert_eq!((told(&audience, over), told(&audience, declined)), (None, None));
        let of_seeded = audience.teams.iter().find(|concerned| concerned.team == seeded.team).unwrap();
        assert_eq!(of_seeded.called[0].last_called_at, first_called + TimeDelta::hours(1));

        // Under another prefix the version before stays: nothing of it breaks yet, and its callers are known all the same.
        let fourth = publish_as(ctx, &seeded, document("4", "id", "other: {}", ""), Some("/v4")).await;
        let audience = spec_audience::of(ctx, fourth).await.unwrap();
        assert_eq!(audience.still_served_by(), Environment::ALL);
        assert_eq!(
            (told(&audience, quiet).as_deref(), told(&audience, seeded.team).as_deref()),
            (
                Some("GET /refunds called 1: the operation was removed"),
                Some("GET /charges/{id} called 3: the answer 200: `id` was removed (it was optional)")
            )
        );
    }
}
