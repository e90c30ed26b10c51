//! Partners on their way to production, as staff and they themselves see it.

use std::time::Duration;

use axum::{Router, routing::get};
use chrono::TimeDelta;
use domain::{Actor, actor::Origin};
use entities::{
    enums::{OnboardingStage, StaffRole, SupportTopic},
    id::{SupportRequestId, UserId},
    onboarding_stage, support_request,
};
use sea_orm::{ColumnTrait, ConnectionTrait, DatabaseConnection, EntityTrait, IntoActiveModel, QueryFilter};
use serde_json::{Value, json};

use crate::{
    app::{Person, TestApp},
    offer::team_id,
};

/// An API that is there, and nothing else of it.
pub async fn upstream() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/shipments", get(async || "[]"))).await });
    url
}

impl TestApp {
    /// The stages a team reached and where it stands, as this person sees it.
    async fn way(&self, who: &Person, team: &Value) -> (Vec<String>, Value) {
        let query = "query($id: ID!) { team(id: $id) { onboarding { stage supportRequests reached { stage at } } } }";
        let mut seen = self.data(Some(who), query, json!({ "id": team })).await["team"]["onboarding"].take();
        let reached = seen["reached"].as_array().expect("stages").iter();
        let line =
            |r: &Value| format!("{} {}", &r["at"].as_str().expect("a time")[11..16], r["stage"].as_str().expect("a stage"));
        (reached.map(line).collect(), seen["stage"].take())
    }

    /// Calls through the gateway; the status, once the call's record is written.
    pub async fn call(&self, path: &str, key: &str) -> u16 {
        let gateway = self.app.gateway.as_ref().expect("a gateway").address();
        let answer = self.http.get(format!("http://{gateway}{path}")).header("x-api-key", key).send().await.expect("an answer");
        answer.status().as_u16()
    }

    /// Waits until the gateway's records say so.
    async fn reaches(&self, who: &Person, team: &Value, stage: &str) {
        for _ in 0..400 {
            if self.way(who, team).await.1 == stage {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("never {stage}");
    }

    /// The names of the teams in the pipeline, and their number.
    async fn pipeline(&self, who: &Person, stage: Value) -> (Vec<String>, Value) {
        let query = "query($stage: OnboardingStage) { provider { onboardingPipeline(stage: $stage) { totalCount nodes { stage team { name } } } } }";
        let mut seen = self.data(Some(who), query, json!({ "stage": stage })).await["provider"]["onboardingPipeline"].take();
        let nodes = seen["nodes"].as_array().expect("teams").iter();
        assert!(stage.is_null() || nodes.clone().all(|node| node["stage"] == stage), "{seen}");
        (nodes.map(|node| node["team"]["name"].as_str().expect("a name").to_owned()).collect(), seen["totalCount"].take())
    }
}

/// Both environments go to an API that is there; the sandbox's calls leave no rows.
pub async fn product(app: &TestApp, editor: &Person) -> Value {
    let product = app.product(editor, "ship", "PUBLIC").await;
    let url = upstream().await;
    for (environment, sink) in [("SANDBOX", "STDOUT"), ("PRODUCTION", "DATABASE")] {
        let input = json!({ "productId": product, "environment": environment, "backend": "UPSTREAM", "upstreamUrl": url, "logSink": sink });
        app.mutate(Some(editor), "setProductEnvironment", input, "product { id }").await;
    }
    product
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_goes_from_its_invitation_to_production() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let product = product(&app, &editor).await;
    let trial = app.plan(&editor, &product, "trial", true, json!({})).await;
    let live = app.plan(&editor, &product, "live", false, json!({})).await;
    let step = || app.clock.advance(TimeDelta::minutes(1));

    let team =
        app.mutate(Some(&editor), "createPartnerTeam", json!({ "name": "Acme" }), "team { id }").await["team"]["id"].take();
    step();
    let input = json!({ "teamId": team, "email": "dev@acme.example",
        "access": { "team": "FULL", "credentials": "FULL", "billing": "FULL" } });
    let invitation = app.mutate(Some(&editor), "inviteMember", input, "invitation { id }").await["invitation"]["id"].take();
    assert_eq!(app.way(&editor, &team).await, (vec!["09:01 INVITED".to_owned()], json!("INVITED")));
    step();
    let dev = app.person("dev@acme.example", None).await;
    let token = app.invitation_token(&invitation).await;
    app.mutate(Some(&dev), "acceptInvitation", json!({ "token": token }), "team { id }").await;
    step();
    assert_eq!(app.way(&dev, &team).await.1, "SIGNED_IN");
    let held = app.subscribed(&dev, &team, &trial).await;
    let key = held.secret.as_str().expect("a key");
    step();
    app.mutate(Some(&dev), "createCredential", json!({ "profileId": held.sandbox }), "issued { secret }").await;

    // The gateway hears of the key within its poll.
    let status = async |path: &str, key: &str, expected: u16| {
        let mut status = 0;
        for _ in 0..200 {
            status = app.call(path, key).await;
            if status == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("{path} answers {status}");
    };
    // No success: the minute that is noted is the next one's.
    status("/ship/track/7", key, 404).await;
    step();
    status("/ship/shipments", key, 200).await;
    app.reaches(&dev, &team, "FIRST_SANDBOX_CALL").await;
    while !app.lines_of_calls().contains(r#""path":"/ship/shipments","status":200"#) {
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    step();
    status("/ship/shipments", key, 200).await;
    let held = app.subscribed(&dev, &team, &live).await;
    let input = json!({ "profileId": held.production });
    let made = app.mutate(Some(&dev), "createCredential", input, "issued { secret }").await;
    let key = made["issued"]["secret"].as_str().expect("a key");
    step();
    status("/ship/shipments", key, 200).await;
    app.reaches(&dev, &team, "FIRST_PRODUCTION_CALL").await;
    let expected = [
        "09:01 INVITED",
        "09:02 SIGNED_IN",
        "09:03 SANDBOX_CREDENTIAL",
        "09:05 FIRST_SANDBOX_CALL",
        "09:06 PRODUCTION_CREDENTIAL",
        "09:07 FIRST_PRODUCTION_CALL",
    ];
    assert_eq!(app.way(&dev, &team).await.0, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pipeline_shows_partners_where_they_stand() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    for (name, internal) in [("Invited", false), ("Ours", true)] {
        app.mutate(Some(&editor), "createPartnerTeam", json!({ "name": name, "internal": internal }), "team { id }").await;
    }
    let (founder, founded) = app.partner("founded").await;
    let profile = json!({ "name": "standard", "environment": "PRODUCTION", "authMethod": "TOKEN" });
    let input = json!({ "teamName": "Onboarded", "emails": ["dev@onboarded.example"], "profile": profile });
    app.mutate(Some(&editor), "onboardPartner", input, "team { id }").await;
    for n in 0..2 {
        let input = json!({ "teamId": founded, "topic": "OTHER", "subject": format!("{n}"), "body": "Why?" });
        app.mutate(Some(&founder), "contactSupport", input, "reference").await;
    }
    let viewer = app.staff(StaffRole::Viewer).await;
    for (stage, teams) in [
        (Value::Null, vec!["Onboarded", "founded", "Invited"]),
        (json!("INVITED"), vec!["Invited"]),
        (json!("SIGNED_IN"), vec!["founded"]),
        (json!("SANDBOX_CREDENTIAL"), vec![]),
        (json!("PRODUCTION_CREDENTIAL"), vec!["Onboarded"]),
        (json!("FIRST_PRODUCTION_CALL"), vec![]),
    ] {
        let (names, total) = app.pipeline(&viewer, stage.clone()).await;
        assert_eq!((names, total), (teams.iter().map(ToString::to_string).collect(), json!(teams.len())), "{stage}");
    }
    let query = "{ provider { onboardingPipeline(first: 1, after: null) { nodes { supportRequests reached { stage } team { onboarding { stage } } }
        pageInfo { endCursor hasNextPage } } } }";
    let first = app.data(Some(&viewer), query, json!({})).await["provider"]["onboardingPipeline"].take();
    assert_eq!(
        first["nodes"],
        json!([{ "supportRequests": 0, "reached": [{ "stage": "INVITED" }, { "stage": "PRODUCTION_CREDENTIAL" }],
            "team": { "onboarding": { "stage": "PRODUCTION_CREDENTIAL" } } }])
    );
    let cursor = first["pageInfo"]["endCursor"].as_str().expect("a cursor");
    let next = app.data(Some(&viewer), &query.replace("null", &format!("{cursor:?}")), json!({})).await;
    assert_eq!(next["provider"]["onboardingPipeline"]["nodes"][0]["supportRequests"], 2);
    let auditor = app.staff(StaffRole::Auditor).await;
    for query in
        [query, "{ provider { onboardingMetrics(from: \"2026-01-01T00:00:00Z\", to: \"2027-01-01T00:00:00Z\") { partners } } }"]
    {
        let answer = app.graphql(Some(&auditor), query, json!({})).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "FORBIDDEN");
        assert_eq!(app.data(Some(&founder), query, json!({})).await["provider"], Value::Null);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_only_invited_sees_no_more_than_that() {
    let app = TestApp::start().await;
    let (founder, team) = app.partner("acme").await;
    let input = json!({ "teamId": team, "email": "new@acme.example",
        "access": { "team": "READ", "credentials": "READ", "billing": "READ" } });
    app.mutate(Some(&founder), "inviteMember", input, "invitation { id }").await;
    let input = json!({ "teamId": team, "topic": "OTHER", "subject": "s", "body": "b" });
    app.mutate(Some(&founder), "contactSupport", input, "reference").await;
    let invited = app.person("new@acme.example", None).await;
    let query = "{ viewer { pendingInvitations { team { onboarding { stage supportRequests reached { stage } } } } } }";
    let seen = app.data(Some(&invited), query, json!({})).await;
    let nothing = json!({ "stage": "INVITED", "supportRequests": 0, "reached": [] });
    assert_eq!(seen["viewer"]["pendingInvitations"][0]["team"]["onboarding"], nothing);
    let (_, stage) = app.way(&founder, &team).await;
    assert_eq!(stage, "SIGNED_IN");
}

const METRICS: &str = "query($from: DateTime!, $to: DateTime!) { provider { onboardingMetrics(from: $from, to: $to) { partners
    medianSecondsToFirstSandboxCall medianSecondsToFirstProductionCall p90SecondsToFirstProductionCall
    supportRequestsPerPartnerFirst30Days supportByTopic { topic count } funnel { stage teams } } } }";

#[tokio::test(flavor = "multi_thread")]
async fn how_the_partners_of_a_time_fared() {
    let app = TestApp::start().await;
    let viewer = app.staff(StaffRole::Viewer).await;
    let domain = app.domain();
    let start = domain.now();
    let early = app.partner("early").await.1;
    app.clock.advance(TimeDelta::days(1));
    let actor = Actor::user(app.editor().await.id, Some(StaffRole::Editor), Origin::default());
    let ours = domain::ops::teams::CreatePartnerTeam { name: "Ours".to_owned(), tier: None, internal: true };
    domain::ops::teams::create_for_partner(domain, &actor, ours).await.expect("a team");
    for (n, hours) in [2, 4, 12].into_iter().enumerate() {
        let (dev, team) = app.partner(&format!("partner-{n}")).await;
        let at = domain.now();
        let reached = |stage, hours| onboarding_stage::Model { team_id: team_id(&team), stage, at: at + TimeDelta::hours(hours) };
        let mut rows = vec![reached(OnboardingStage::FirstSandboxCall, hours)];
        if n > 0 {
            rows.push(reached(OnboardingStage::FirstProductionCall, 10 * hours));
        }
        let rows = rows.into_iter().map(IntoActiveModel::into_active_model);
        onboarding_stage::Entity::insert_many(rows).exec_without_returning(&domain.db).await.expect("stages");
        asked(&app, &dev.id, &team, SupportTopic::Credentials, 29).await;
        asked(&app, &dev.id, &early, SupportTopic::Billing, 0).await;
        asked(&app, &dev.id, &team, SupportTopic::Other, 30).await;
    }
    let ask = async |from, to| app.graphql(Some(&viewer), METRICS, json!({ "from": from, "to": to })).await;
    let seen = ask(start + TimeDelta::days(1), start + TimeDelta::days(2)).await["data"]["provider"]["onboardingMetrics"].take();
    insta::assert_snapshot!(seen.to_string(), @r#"{"partners":3,"medianSecondsToFirstSandboxCall":14400.0,"medianSecondsToFirstProductionCall":288000.0,"p90SecondsToFirstProductionCall":403200.0,"supportRequestsPerPartnerFirst30Days":1.0,"supportByTopic":[{"topic":"CREDENTIALS","count":3}],"funnel":[{"stage":"INVITED","teams":3},{"stage":"SIGNED_IN","teams":3},{"stage":"SANDBOX_CREDENTIAL","teams":0},{"stage":"FIRST_SANDBOX_CALL","teams":3},{"stage":"SUBMITTED","teams":0},{"stage":"APPROVED","teams":0},{"stage":"PRODUCTION_CREDENTIAL","teams":0},{"stage":"FIRST_PRODUCTION_CALL","teams":2}]}"#);
    let none = ask(start - TimeDelta::days(2), start).await["data"]["provider"]["onboardingMetrics"].take();
    assert_eq!((&none["partners"], &none["supportRequestsPerPartnerFirst30Days"]), (&json!(0), &json!(0.0)));
    assert_eq!((&none["medianSecondsToFirstSandboxCall"], &none["supportByTopic"]), (&Value::Null, &json!([])));
    for (from, to) in [(start, start), (start, start - TimeDelta::days(1))] {
        let refused = &ask(from, to).await["errors"][0];
        assert_eq!(refused["extensions"]["code"], "BAD_USER_INPUT");
        assert!(refused["message"].as_str().is_some_and(|say| say.starts_with("from must be before to")), "{refused}");
    }
}

async fn asked(app: &TestApp, user: &UserId, team: &Value, topic: SupportTopic, after_days: i64) {
    let domain = app.domain();
    let id: SupportRequestId = domain.env.id();
    let row = support_request::Model {
        id,
        team_id: team_id(team),
        user_id: *user,
        reference: id.to_string(),
        topic,
        subject: "s".to_owned(),
        body: "b".to_owned(),
        request_id: None,
        created_at: domain.now() + TimeDelta::days(after_days),
    };
    support_request::Entity::insert(row.into_active_model()).exec_without_returning(&domain.db).await.expect("a request");
}

#[tokio::test(flavor = "multi_thread")]
async fn teams_that_were_there_before_get_their_stages() {
    use migration::Migrator;
    use sea_orm_migration::MigratorTrait;
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let product = app.product(&editor, "ship", "PUBLIC").await;
    let plan = app.plan(&editor, &product, "trial", true, json!({})).await;
    let (dev, team) = app.partner("acme").await;
    app.clock.advance(TimeDelta::minutes(1));
    let held = app.subscribed(&dev, &team, &plan).await;
    app.mutate(Some(&dev), "createCredential", json!({ "profileId": held.sandbox }), "issued { secret }").await;
    let stages = async |db: &DatabaseConnection| {
        let rows = onboarding_stage::Entity::find().filter(onboarding_stage::Column::TeamId.eq(team_id(&team)));
        let mut rows = rows.all(db).await.expect("stages");
        rows.sort_by_key(|row| row.stage);
        rows
    };
    let mut noted = stages(&app.domain().db).await;
    crate::logs::calls(&app, &team, &product, &held, 3).await;
    // A running gateway reads the tables that go.
    let home = app.stop().await;
    let db = home.open().await;
    let first = entities::request_log::Entity::find().one(&db).await.expect("calls").expect("a call");
    noted.push(onboarding_stage::Model { team_id: team_id(&team), stage: OnboardingStage::FirstSandboxCall, at: first.at });
    let migrations = Migrator::migrations();
    let from_here = migrations.iter().rev().take_while(|m| m.name() != "m0003_support").count() + 1;
    let steps = u32::try_from(from_here).expect("a few");
    Migrator::down(&db, Some(steps)).await.expect("down");
    assert!(db.execute_unprepared("select * from onboarding_stages").await.is_err(), "gone");
    Migrator::up(&db, None).await.expect("up again");
    assert_eq!(stages(&db).await, noted);
}
