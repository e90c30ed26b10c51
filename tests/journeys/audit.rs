//! The audit log as evidence: verified, exported, searched, and kept as long as the portal says.

use entities::enums::{AccessLevel, StaffRole};
use reqwest::header::{CONTENT_TYPE, COOKIE};
use serde_json::{Value, json};

use crate::app::{Person, TestApp};

const VERIFY: &str = "query($from: AuditCheckpoint) { provider { auditVerification(from: $from) {
    whole events headHash headPosition firstBroken fault } } }";

impl TestApp {
    async fn verification(&self, who: &Person, from: Value) -> Value {
        self.data(Some(who), VERIFY, json!({ "from": from })).await["provider"]["auditVerification"].take()
    }

    /// The status, and what was answered.
    async fn export(&self, who: Option<&Person>, query: &str) -> (u16, String) {
        let mut request = self.http.get(self.url(&format!("/audit.jsonl{query}")));
        if let Some(who) = who {
            request = request.header(COOKIE, format!("portico_session={}", who.session));
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        if status == 200 {
            assert_eq!(answer.headers()[CONTENT_TYPE], "application/jsonl");
        }
        (status, answer.text().await.expect("text"))
    }

    async fn lines(&self, who: &Person, query: &str) -> Vec<Value> {
        let (status, text) = self.export(Some(who), query).await;
        assert_eq!(status, 200, "{text}");
        assert!(text.is_empty() || text.ends_with('\n'));
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_verified_from_its_beginning_and_from_a_checkpoint() {
    let app = TestApp::start().await;
    let auditor = app.staff(StaffRole::Auditor).await;
    let (dev, team) = app.partner("acme").await;
    let first = app.verification(&auditor, Value::Null).await;
    assert_eq!((&first["whole"], &first["firstBroken"], &first["fault"]), (&json!(true), &Value::Null, &Value::Null));
    let query = "query($id: ID!) { team(id: $id) { auditLog(first: 1) { nodes { hash } } } }";
    let newest = app.data(Some(&dev), query, json!({ "id": team })).await["team"]["auditLog"]["nodes"][0]["hash"].take();
    assert_eq!(newest, first["headHash"], "the log ends with what happened last");

    app.mutate(Some(&dev), "updateTeam", json!({ "teamId": team, "name": "Acme Ltd" }), "team { id }").await;
    let checkpoint = json!({ "headPosition": first["headPosition"], "headHash": first["headHash"] });
    let later = app.verification(&auditor, checkpoint.clone()).await;
    assert_eq!(later["whole"], true);
    assert_ne!(later["headHash"], first["headHash"]);
    let other = json!({ "headPosition": first["headPosition"], "headHash": later["headHash"] });
    let told = app.verification(&auditor, other).await;
    assert_eq!(told["whole"], false);
    assert_eq!(told["fault"], format!("event {} has another hash than the one given", first["headPosition"]));

    let no_hash = json!({ "from": { "headPosition": 1, "headHash": "zz" } });
    let refused = app.graphql(Some(&auditor), VERIFY, no_hash).await;
    assert_eq!(refused["errors"][0]["message"], "from.headHash is not a hash: 43 characters of base64url");
    let editor = app.staff(StaffRole::Editor).await;
    let refused = app.graphql(Some(&editor), VERIFY, json!({})).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "FORBIDDEN");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_read_the_log_takes_it_away_as_lines() {
    let app = TestApp::start().await;
    let auditor = app.staff(StaffRole::Auditor).await;
    let (dev, team) = app.partner("acme").await;
    let (other, others) = app.partner("other").await;
    app.clock.advance(chrono::TimeDelta::minutes(1));
    let midway = app.domain().now();
    app.mutate(Some(&dev), "updateTeam", json!({ "teamId": team, "name": "Acme Ltd" }), "team { id }").await;
    let team_id = team.as_str().expect("an id");

    let all = app.lines(&auditor, "").await;
    let positions: Vec<_> = all.iter().map(|event| event["position"].as_i64().expect("a place")).collect();
    assert!(positions.is_sorted() && all.len() == *positions.last().expect("events") as usize, "every event, in order");
    let own = app.lines(&dev, &format!("?team={team_id}")).await;
    assert_eq!(own, all.iter().filter(|event| event["teamId"] == team).cloned().collect::<Vec<_>>());
    let mut last = own.last().expect("an event").clone();
    assert_eq!(last["changes"].take(), json!({ "name": { "before": "acme", "after": "Acme Ltd" } }));
    for field in ["id", "at", "actorId", "requestId", "position", "hash", "subjectId", "teamId"] {
        assert!(!last[field].take().is_null(), "{field}");
    }
    insta::assert_json_snapshot!(last, @r#"
    {
      "id": null,
      "at": null,
      "actorId": null,
      "actorKind": "USER",
      "action": "team.updated",
      "subjectType": "team",
      "subjectId": null,
      "teamId": null,
      "ip": "127.0.0.1",
      "userAgent": null,
      "requestId": null,
      "changes": null,
      "position": null,
      "hash": null
    }
    "#);
    let since = format!("?team={team_id}&from={}", midway.format("%FT%TZ"));
    assert_eq!(app.lines(&dev, &since).await, own[own.len() - 1..]);
    assert_eq!(app.lines(&dev, &format!("?team={team_id}&to={}", midway.format("%FT%TZ"))).await, own[..own.len() - 1]);

    // Another team's log, one that does not exist, and everybody's: the same answer.
    let (status, said) = app.export(Some(&other), &format!("?team={team_id}")).await;
    let made_up = others.as_str().expect("an id").replace(|c: char| c.is_ascii_digit(), "0");
    assert_eq!((status, &said), (403, &app.export(Some(&dev), &format!("?team={made_up}")).await.1));
    assert_eq!(app.export(Some(&dev), "").await.0, 403);
    assert_eq!(app.export(None, "").await, (401, "sign in first\n".to_owned()));
    let reader = app.member(&team, "reader@acme.example", AccessLevel::None).await;
    assert_eq!(app.export(Some(&reader), &format!("?team={team_id}")).await.0, 403);
    assert_eq!(
        app.export(Some(&auditor), "?from=yesterday").await,
        (400, "from must be a time of the years 1 to 9999, such as 2026-01-31T00:00:00Z\n".to_owned())
    );
    assert_eq!(app.export(Some(&auditor), "?team=acme").await, (400, "team must be a team's id\n".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn words_find_events_by_what_they_did_and_changed() {
    let app = TestApp::start().await;
    let (dev, team) = app.partner("acme").await;
    for name in ["Acme 100%", "Acme 1000", "Äpfel & Birnen"] {
        app.mutate(Some(&dev), "updateTeam", json!({ "teamId": team, "name": name }), "team { id }").await;
    }
    let found = async |text: &str| {
        let query = "query($id: ID!, $text: String) { team(id: $id) { auditLog(filter: { text: $text }) { totalCount } } }";
        app.data(Some(&dev), query, json!({ "id": team, "text": text })).await["team"]["auditLog"]["totalCount"].take()
    };
    assert_eq!(found("TEAM.updated").await, 3);
    assert_eq!(found("100%").await, 2, "as it is: before and after");
    assert_eq!(found("updated 1000").await, 2);
    assert_eq!(found("birnen").await, 1);
    assert_eq!(found("127.0.0.1 updated").await, 3);
    assert_eq!(found("nothing of this").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn how_long_events_are_kept_is_set_and_unset() {
    let app = TestApp::start().await;
    let admin = app.staff(StaffRole::Admin).await;
    let days = async || {
        app.data(Some(&admin), "{ provider { settings { auditDays } } }", json!({})).await["provider"]["settings"]["auditDays"]
            .take()
    };
    let set = async |days: Value| {
        let input = json!({ "settings": { "auditDays": days } });
        app.mutate(Some(&admin), "updatePortal", input, "portal { name }").await;
    };
    assert_eq!(days().await, Value::Null, "for ever");
    set(json!(400)).await;
    assert_eq!(days().await, 400);
    app.mutate(Some(&admin), "updatePortal", json!({ "settings": { "sessionHours": 5 } }), "portal { name }").await;
    assert_eq!(days().await, 400, "what is omitted stays");
    set(Value::Null).await;
    assert_eq!(days().await, Value::Null);
    let input = json!({ "settings": { "auditDays": 0 } });
    let said = app.refusal(Some(&admin), "updatePortal", "UpdatePortalInput", input).await;
    assert!(said.contains("must be from 1 to 36600, or null"), "{said}");
}
