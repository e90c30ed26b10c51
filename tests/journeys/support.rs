//! Asking support: by a member of a team, about the team's own calls.

use chrono::TimeDelta;
use domain::ops::request_log::append;
use entities::{
    audit_event,
    enums::{AccessLevel, StaffRole},
    outbox_job, request_log,
};
use jobs::mail::{Delivery, MailSettings, Mailer, SentMails};
use sea_orm::EntityTrait;
use serde_json::{Value, json};

use crate::{
    app::{Person, TestApp},
    logs,
    offer::Held,
};

fn about(team: &Value, more: Value) -> Value {
    let mut input = json!({ "teamId": team, "topic": "REFUSED_CALL", "subject": "429 all day", "body": "Why?\nWe wait." });
    input.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    input
}

async fn refused(app: &TestApp, who: Option<&Person>, input: Value) -> String {
    app.refused(who, "contactSupport", "ContactSupportInput", input).await
}

async fn partner(app: &TestApp, editor: &Person, name: &str) -> (Person, Value, Value, Held) {
    let product = app.product(editor, name, "PUBLIC").await;
    let plan = app.plan(editor, &product, "free", true, json!({})).await;
    let (dev, team) = app.partner(name).await;
    let held = app.subscribed(&dev, &team, &plan).await;
    (dev, team, product, held)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_asks_and_staff_read() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let (dev, team, product, held) = partner(&app, &editor, "acme").await;
    let call = logs::calls(&app, &team, &product, &held, 2).await;
    let blind = app.member(&team, "blind@acme.example", AccessLevel::None).await;
    let input = about(&team, json!({ "requestId": call, "subject": "  429 all day " }));
    let reference = app.mutate(Some(&dev), "contactSupport", input, "reference").await["reference"].take();
    let text = reference.as_str().expect("a reference");
    assert!(text.len() == 12 && text.starts_with("SR-"), "{text}");
    app.clock.advance(TimeDelta::minutes(1));
    let input = about(&team, json!({ "topic": "OTHER", "subject": "Holidays" }));
    let second = app.mutate(Some(&blind), "contactSupport", input, "reference").await["reference"].take();
    assert_ne!(second, reference);
    let (_, others) = app.partner("globex").await;
    let query = "query($team: ID) { provider { supportRequests(teamId: $team) { totalCount nodes {
        id reference topic subject body requestId at team { slug } from { email } } } } }";
    let viewer = app.staff(StaffRole::Viewer).await;
    let mut seen = app.data(Some(&viewer), query, json!({})).await["provider"]["supportRequests"].take();
    let id = seen["nodes"][1]["id"].take();
    assert_eq!(
        seen["nodes"][1],
        json!({ "id": null, "reference": reference, "topic": "REFUSED_CALL", "subject": "429 all day", "body": "Why?\nWe wait.",
            "requestId": call, "at": "2026-01-05T09:00:02+00:00", "team": { "slug": "acme" }, "from": { "email": dev.email } })
    );
    assert_eq!((&seen["nodes"][0]["subject"], &seen["nodes"][0]["requestId"]), (&json!("Holidays"), &Value::Null));
    assert_eq!(seen["totalCount"], 2);
    for (of, count) in [(&team, 2), (&others, 0)] {
        let seen = app.data(Some(&viewer), query, json!({ "team": of })).await;
        assert_eq!(seen["provider"]["supportRequests"]["totalCount"], count);
    }
    let node = "query($id: ID!) { node(id: $id) { ... on SupportRequest { subject } } }";
    assert_eq!(app.data(Some(&viewer), node, json!({ "id": id })).await["node"], json!({ "subject": "429 all day" }));
    let auditor = app.staff(StaffRole::Auditor).await;
    for who in [&dev, &auditor] {
        assert_eq!(app.data(Some(who), node, json!({ "id": id })).await["node"], Value::Null);
    }
    let answer = app.graphql(Some(&auditor), query, json!({})).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "FORBIDDEN");
    assert_eq!(app.data(Some(&dev), query, json!({})).await["provider"], Value::Null);
    let events = audit_event::Entity::find().all(&app.domain().db).await.expect("events");
    let asked: Vec<_> = events.iter().filter(|event| event.action == "support.requested").collect();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0].changes["reference"]["after"], reference);
    assert!(asked.iter().all(|event| !event.changes.to_string().contains("429")), "what is asked may hold secrets");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_asked_says_why() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let (dev, team, ..) = partner(&app, &editor, "acme").await;
    let (stranger, ..) = partner(&app, &editor, "globex").await;
    let rows = app.stored().await;
    for (more, expected) in [
        (json!({ "subject": " " }), "REQUIRED subject"),
        (json!({ "subject": "two\nlines" }), "INVALID subject"),
        (json!({ "subject": "s".repeat(201), "body": " \n " }), "TOO_LONG subject, REQUIRED body"),
        (json!({ "body": "b".repeat(10_001) }), "TOO_LONG body"),
        (json!({ "requestId": "nonsense" }), "INVALID requestId"),
    ] {
        assert_eq!(refused(&app, Some(&dev), about(&team, more.clone())).await, expected, "{more}");
    }
    for (who, expected) in [(Some(&stranger), "NOT_FOUND"), (Some(&editor), "FORBIDDEN"), (None, "UNAUTHENTICATED")] {
        assert_eq!(refused(&app, who, about(&team, json!({}))).await, expected);
    }
    assert_eq!(app.stored().await, rows, "nothing is kept of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_nobody_was_recognised_in_can_be_asked_about() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let (dev, team, product, held) = partner(&app, &editor, "acme").await;
    logs::calls(&app, &team, &product, &held, 1).await;
    let domain = app.domain();
    let mut row = request_log::Entity::find().one(&domain.db).await.expect("calls").expect("a call");
    row.id = domain.env.id();
    (row.team_id, row.client_id, row.status) = (None, None, 401);
    append(domain, &[row.clone()], &[], &[]).await.expect("a row");
    let call = entities::id::RequestId(row.id.0).to_string();
    assert_eq!(refused(&app, Some(&dev), about(&team, json!({ "requestId": call }))).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_requests_an_hour() {
    let app = TestApp::start().await;
    let (dev, team) = app.partner("acme").await;
    let colleague = app.member(&team, "colleague@acme.example", AccessLevel::Read).await;
    for _ in 0..10 {
        assert_eq!(refused(&app, Some(&dev), about(&team, json!({}))).await, "");
    }
    let query = "mutation($input: ContactSupportInput!) { contactSupport(input: $input) { reference } }";
    let answer = app.graphql(Some(&dev), query, json!({ "input": about(&team, json!({})) })).await;
    assert_eq!(answer["errors"][0]["extensions"], json!({ "code": "RATE_LIMITED", "retryAfter": 3600 }));
    assert_eq!(refused(&app, Some(&colleague), about(&team, json!({}))).await, "", "each for themselves");
    app.clock.advance(TimeDelta::hours(1));
    assert_eq!(refused(&app, Some(&dev), about(&team, json!({}))).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_portals_support_address_gets_a_mail() {
    let app = TestApp::start().await;
    let owner = app.staff(StaffRole::Owner).await;
    let (dev, team) = app.partner("acme").await;
    assert_eq!(refused(&app, Some(&dev), about(&team, json!({}))).await, "");
    let told: Vec<_> = app.mails().await.into_iter().map(|mail| mail.to).collect();
    assert_eq!(told, ["owner@provider.example"], "nowhere to mail it to: staff are told");
    app.mutate(Some(&owner), "updatePortal", json!({ "supportEmail": "help@provider.example" }), "portal { name }").await;
    let asked = app.mutate(Some(&dev), "contactSupport", about(&team, json!({})), "reference").await;
    let rows = outbox_job::Entity::find().all(&app.domain().db).await.expect("jobs");
    let payload = rows.last().expect("a job").payload.as_object().expect("an object").clone();
    assert_eq!(payload.keys().collect::<Vec<_>>(), ["request"], "ids only");
    let sent = SentMails::default();
    let settings = MailSettings {
        from: "portal@provider.example".to_owned(),
        portal_url: "https://portal.provider.example".to_owned(),
        base_url: "https://portal.provider.example".to_owned(),
        delivery: Delivery::Memory(sent.clone()),
        authorities: Vec::new(),
    };
    let mailer = Mailer::new(settings).expect("a mailer");
    jobs::drain::drain(app.domain(), &mailer).await.expect("drained");
    let mails = sent.mails();
    assert_eq!(mails.len(), 1);
    let reference = asked["reference"].as_str().expect("a reference");
    assert_eq!((&*mails[0].to, &*mails[0].subject), ("help@provider.example", &*format!("[{reference}] 429 all day")));
    assert!(mails[0].text.contains("dev@acme.example of the team acme asks:\n\nWhy?\nWe wait.\n"), "{}", mails[0].text);
    let (headers, _) = mails[0].message.split_once("\r\n\r\n").expect("headers");
    assert!(headers.contains("\r\nReply-To: dev@acme.example\r\n") && !headers.contains("Auto-Submitted"), "{headers}");
}
