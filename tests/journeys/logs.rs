//! What the log of calls and the audit log show, and to whom.

use chrono::TimeDelta;
use entities::{
    columns::{LoggedHeader, LoggedHeaders},
    enums::{AccessLevel, DenialReason, Environment, StaffRole},
    id::{RequestId, RequestLogId, TypedId},
    request_log,
};
use sea_orm::{EntityTrait, IntoActiveModel};
use serde_json::{Value, json};

use crate::{
    app::TestApp,
    offer::{Held, team_id},
};

/// A subscription's call, as the gateway would log it.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    pub team: &'a Value,
    pub product: &'a Value,
    pub held: &'a Held,
    pub endpoint: Option<&'a Value>,
    pub environment: Environment,
    pub status: i16,
    pub denial: Option<DenialReason>,
    /// Seconds, as its answer said.
    pub retry_after: Option<&'a str>,
}

impl<'a> Call<'a> {
    /// One in the sandbox that was answered well.
    pub fn fine(team: &'a Value, product: &'a Value, held: &'a Held) -> Self {
        let environment = Environment::Sandbox;
        Self { team, product, held, endpoint: None, environment, status: 200, denial: None, retry_after: None }
    }

    pub async fn log(self, app: &TestApp) -> RequestId {
        let domain = app.domain();
        let id: RequestLogId = domain.env.id();
        let header = |name: &str, value: Option<&str>| LoggedHeader { name: name.to_owned(), value: value.map(str::to_owned) };
        let row = request_log::Model {
            id,
            at: domain.now(),
            team_id: Some(team_id(self.team)),
            client_id: Some(id_in(&self.held.client)),
            profile_id: None,
            credential_id: None,
            product_id: Some(id_in(self.product)),
            endpoint_id: self.endpoint.map(id_in),
            endpoint: Some("/shipments".to_owned()),
            environment: Some(self.environment),
            method: "GET".to_owned(),
            path: "/ship/shipments".to_owned(),
            status: self.status,
            latency_us: 1500,
            denial: self.denial,
            denial_detail: None,
            ip: "203.0.113.7".to_owned(),
            user_agent: None,
            request_headers: LoggedHeaders(vec![header("accept", Some("*/*")), header("x-api-key", None)]),
            response_headers: self.retry_after.map(|seconds| header("retry-after", Some(seconds))).into_iter().collect(),
            via_explorer: false,
            completed: true,
        };
        request_log::Entity::insert(row.into_active_model()).exec_without_returning(&domain.db).await.expect("a row");
        RequestId(id.0)
    }
}

fn id_in<T: TypedId>(value: &Value) -> T {
    value.as_str().and_then(|id| id.parse().ok()).expect("an id")
}

/// A call a second, the last one refused; the refused one's request id.
pub async fn calls(app: &TestApp, team: &Value, product: &Value, held: &Held, count: u32) -> String {
    let fine = Call::fine(team, product, held);
    let mut last = None;
    for i in 1..=count {
        app.clock.advance(TimeDelta::seconds(1));
        let call = if i == count { Call { status: 429, denial: Some(DenialReason::RateLimited), ..fine } } else { fine };
        last = Some(call.log(app).await);
    }
    last.expect("a call").to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_see_a_call_and_nobody_else() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let product = app.product(&editor, "ship", "PUBLIC").await;
    let plan = app.plan(&editor, &product, "free", true, json!({})).await;
    let (dev, team) = app.partner("acme").await;
    let held = app.subscribed(&dev, &team, &plan).await;
    let start = app.domain().now();
    let refused = calls(&app, &team, &product, &held, 30).await;
    let query = "query($id: ID!, $from: DateTime, $after: String) { subscription(id: $id) {
        requestLog(filter: { denial: RATE_LIMITED }) { nodes { method path endpoint status latencyMs denial environment ip viaExplorer
            requestHeaders { name value } client { name } product { slug } credential { id } } }
        all: requestLog(first: 20, after: $after, filter: { from: $from }) { totalCount nodes { status } pageInfo { hasNextPage endCursor } } } }";
    let ask = async |who, variables| app.data(who, query, variables).await["subscription"].clone();
    let seen = ask(Some(&dev), json!({ "id": held.id, "from": start + TimeDelta::seconds(2) })).await;
    insta::assert_json_snapshot!(seen["requestLog"]["nodes"], @r#"
    [
      {
        "method": "GET",
        "path": "/ship/shipments",
        "endpoint": "/shipments",
        "status": 429,
        "latencyMs": 1.5,
        "denial": "RATE_LIMITED",
        "environment": "SANDBOX",
        "ip": "203.0.113.7",
        "viaExplorer": false,
        "requestHeaders": [
          {
            "name": "accept",
            "value": "*/*"
          },
          {
            "name": "x-api-key",
            "value": null
          }
        ],
        "client": {
          "name": "Ours"
        },
        "product": {
          "slug": "ship"
        },
        "credential": null
      }
    ]
    "#);
    assert_eq!((&seen["all"]["totalCount"], seen["all"]["nodes"].as_array().map(Vec::len)), (&json!(29), Some(20)));
    let after = seen["all"]["pageInfo"]["endCursor"].clone();
    let rest = ask(Some(&dev), json!({ "id": held.id, "from": start + TimeDelta::seconds(2), "after": after })).await;
    assert_eq!(
        (&rest["all"]["pageInfo"]["hasNextPage"], rest["all"]["nodes"].as_array().map(Vec::len)),
        (&json!(false), Some(9))
    );

    let blind = app.member(&team, "blind@acme.example", AccessLevel::None).await;
    assert_eq!(ask(Some(&blind), json!({ "id": held.id })).await["requestLog"], Value::Null);
    let (stranger, _) = app.partner("globex").await;
    let why = "query($id: String!) { decision(requestId: $id) { allowed reason whoCanFix remedy checks { name passed } entry { status } } }";
    let decision = async |who| app.data(Some(who), why, json!({ "id": refused })).await["decision"].clone();
    assert_eq!((decision(&stranger).await, decision(&blind).await), (Value::Null, Value::Null));
    let told = decision(&dev).await;
    assert_eq!(
        (&told["reason"], &told["whoCanFix"], &told["entry"]["status"]),
        (&json!("RATE_LIMITED"), &json!("NOBODY_WAIT"), &json!(429))
    );
    let staff = "query($client: ID) { provider { requestLog(clientId: $client, filter: { statusClass: 4 }) { totalCount } } }";
    let seen = app.data(Some(&editor), staff, json!({ "client": held.client })).await;
    assert_eq!(seen["provider"]["requestLog"]["totalCount"], 1);

    // A call that nobody was recognised in.
    let gateway = app.app.gateway.as_ref().expect("a gateway").address();
    let call = app.http.get(format!("http://{gateway}/ship/shipments")).header("x-api-key", "nobody's");
    let answer = call.send().await.expect("an answer");
    let id = answer.headers()["x-request-id"].to_str().expect("an id").to_owned();
    let decision = async |who| app.data(Some(who), why, json!({ "id": id })).await["decision"].clone();
    let mut told = Value::Null;
    for _ in 0..400 {
        told = decision(&editor).await;
        if !told.is_null() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    assert_eq!((&told["reason"], &told["entry"]["status"]), (&json!("CREDENTIAL_INVALID"), &json!(401)));
    assert_eq!((decision(&dev).await, decision(&stranger).await), (Value::Null, Value::Null), "staff alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_log_tells_who_did_what() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let product = app.product(&editor, "ship", "PUBLIC").await;
    let plan = app.plan(&editor, &product, "free", true, json!({})).await;
    let (dev, team) = app.partner("acme").await;
    let held = app.subscribed(&dev, &team, &plan).await;
    app.clock.advance(TimeDelta::minutes(1));
    let midway = app.domain().now();
    let input = json!({ "subscriptionId": held.id, "notes": "Unpaid" });
    app.mutate_as(Some(&editor), "suspendSubscription", "DecideSubscriptionInput", input, "subscription { id }").await;
    let query = "query($id: ID!, $filter: AuditFilter) { node(id: $id) { ... on Team { auditLog(filter: $filter) {
        totalCount nodes { action actorKind actor { id } subjectType subjectId team { slug } ip changes } } } } }";
    let ask = async |who, filter: Value| {
        app.data(who, query, json!({ "id": team, "filter": filter })).await["node"]["auditLog"].clone()
    };
    let actions = |log: &Value| -> Vec<String> {
        let nodes = log["nodes"].as_array().expect("events").iter();
        nodes.filter_map(|node| node["action"].as_str().map(str::to_owned)).collect()
    };
    let all = ask(Some(&dev), Value::Null).await;
    assert_eq!(actions(&all), ["subscription.suspended", "subscription.created", "team.created"]);
    assert_eq!(all["totalCount"], 3);
    let mut suspended = all["nodes"][0].clone();
    assert_eq!((suspended["actor"]["id"].take(), suspended["subjectId"].take()), (json!(editor.id.to_string()), held.id.clone()));
    let changes =
        json!({ "status": { "before": "ACTIVE", "after": "SUSPENDED" }, "statusReason": { "before": null, "after": "Unpaid" } });
    assert_eq!(suspended["changes"].take(), changes);
    insta::assert_json_snapshot!(suspended, @r#"
    {
      "action": "subscription.suspended",
      "actorKind": "STAFF",
      "actor": {
        "id": null
      },
      "subjectType": "sub",
      "subjectId": null,
      "team": {
        "slug": "acme"
      },
      "ip": "127.0.0.1",
      "changes": null
    }
    "#);
    assert_eq!(actions(&ask(Some(&dev), json!({ "actorId": dev.id.to_string(), "to": midway })).await).len(), 2);
    assert_eq!(actions(&ask(Some(&dev), json!({ "from": midway })).await), ["subscription.suspended"]);
    assert_eq!(actions(&ask(Some(&dev), json!({ "subjectId": held.id, "action": "subscription.created" })).await).len(), 1);
    let reader = app.member(&team, "reader@acme.example", AccessLevel::Read).await;
    assert_eq!(ask(Some(&reader), Value::Null).await, Value::Null, "another area");
    assert_eq!(ask(Some(&editor), Value::Null).await, Value::Null, "editors read no audit");
    let everything = "query($team: ID) { provider { auditLog(filter: { teamId: $team }) { nodes { action } } } }";
    let auditor = app.staff(StaffRole::Auditor).await;
    let seen = app.data(Some(&auditor), everything, json!({ "team": team })).await;
    assert_eq!(actions(&seen["provider"]["auditLog"]), actions(&all));
    let refused = app.graphql(Some(&editor), everything, json!({})).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "FORBIDDEN");
}
