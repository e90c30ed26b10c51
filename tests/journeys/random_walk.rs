//! Whatever people do in whatever order: a locked lane lets no call through, a team sees nothing of another's, and what is
//! done stands in the audit log while what is refused leaves nothing there.

use std::{collections::BTreeMap, time::Duration};

use chrono::TimeDelta;
use domain::{
    read::lanes::standing,
    rules::{
        admission::{Call, admit},
        jose::access_token::Expected,
        subscription::{is_final, lane_locks},
    },
    snapshot::Live,
};
use entities::{
    audit_event, client, credential,
    enums::{AccessLevel, CredentialStatus, StaffRole},
    gateway_revision, scope_request, submission, subscription,
};
use futures_util::future::join_all;
use sea_orm::{EntityTrait, PaginatorTrait, QueryOrder};
use serde_json::{Value, json};

use crate::app::{Person, TestApp};

const STEPS: usize = 260;
/// Of the people, those before the stranger.
const STAFF: usize = 4;

const EVENTS: [&str; 21] = [
    "subscribe",
    "submitForReview",
    "withdrawSubmission",
    "startReview",
    "approveSubmission",
    "rejectSubmission",
    "requestChanges",
    "suspendSubscription",
    "reinstateSubscription",
    "cancelSubscription",
    "undoCancellation",
    "changePlan",
    "approveSubscription",
    "rejectSubscription",
    "createCredential",
    "claimCredential",
    "revokeCredential",
    "requestScopes",
    "approveScopeRequest",
    "revokeScope",
    "updateSubscription",
];

/// The same walk for the same seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 33) as usize % sides
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        if of.is_empty() { None } else { of.get(self.roll(of.len())) }
    }

    /// An id among these, or one that nothing has.
    fn id<T: ToString>(&mut self, of: &[T], none: &str) -> String {
        self.pick(of).map_or_else(|| none.to_owned(), ToString::to_string)
    }
}

struct Walk {
    app: TestApp,
    live: Live,
    dice: Dice,
    /// Of each team the developers; then staff and strangers.
    people: Vec<Person>,
    teams: Vec<(Value, Person)>,
    plans: Vec<Value>,
    /// Secrets as they were shown, by their credential.
    keys: BTreeMap<String, String>,
    done: BTreeMap<&'static str, usize>,
    passed: usize,
    held_back: usize,
}

/// What exists now, whoever's it is.
struct Things {
    subscriptions: Vec<subscription::Model>,
    submissions: Vec<submission::Model>,
    credentials: Vec<credential::Model>,
    clients: Vec<client::Model>,
    scope_requests: Vec<scope_request::Model>,
}

impl Walk {
    async fn begin(seed: u64) -> Self {
        let app = TestApp::start().await;
        let (editor, admin) = (app.editor().await, app.staff(StaffRole::Admin).await);
        let inside = app.person("inside@provider.example", Some(StaffRole::Reviewer)).await;
        let outside = app.person("outside@provider.example", Some(StaffRole::Reviewer)).await;
        let group = json!({ "name": "Compliance", "memberIds": [inside.id.to_string()] });
        let group = app.mutate(Some(&admin), "createApprovalGroup", group, "group { id }").await["group"]["id"].take();
        let product = app.product(&editor, "ship", "PUBLIC").await;
        let scopes = json!([
            { "name": "track", "grant": "DEFAULT" },
            { "name": "book", "grant": "OPTIONAL" },
            { "name": "erase", "grant": "RESTRICTED" },
        ]);
        let mut plans = Vec::new();
        for (slug, sandbox, more) in [
            ("free", false, json!({})),
            ("asked", false, json!({ "approval": "FORMAL", "scopes": scopes })),
            ("auto", true, json!({ "scopes": scopes })),
            ("review", true, json!({ "approval": "STANDARD", "scopes": scopes })),
            ("group", true, json!({ "approvalGroupId": group, "durationDays": 2 })),
        ] {
            plans.push(app.plan(&editor, &product, slug, sandbox, more).await);
        }
        let ((ann, acme), (bob, globex)) = (app.partner("acme").await, app.partner("globex").await);
        let reader = app.member(&acme, "reader@acme.example", AccessLevel::Read).await;
        let mate = app.member(&globex, "mate@globex.example", AccessLevel::Full).await;
        let stranger = app.person("stranger@nowhere.example", None).await;
        let live = Live::start(app.domain().clone()).await.expect("a gateway's view");
        Self {
            live,
            dice: Dice(seed),
            people: vec![
                ann.clone(),
                ann.clone(),
                bob.clone(),
                bob.clone(),
                mate,
                reader,
                inside,
                outside,
                editor,
                admin,
                stranger,
            ],
            teams: vec![(acme, ann), (globex, bob)],
            plans,
            keys: BTreeMap::new(),
            done: BTreeMap::new(),
            passed: 0,
            held_back: 0,
            app,
        }
    }

    async fn things(&self) -> Things {
        let db = &self.app.domain().db;
        Things {
            subscriptions: subscription::Entity::find().order_by_asc(subscription::Column::Id).all(db).await.expect("rows"),
            submissions: submission::Entity::find().order_by_desc(submission::Column::Id).all(db).await.expect("rows"),
            credentials: credential::Entity::find().order_by_asc(credential::Column::Id).all(db).await.expect("rows"),
            clients: client::Entity::find().order_by_asc(client::Column::Id).all(db).await.expect("rows"),
            scope_requests: scope_request::Entity::find().order_by_desc(scope_request::Column::Id).all(db).await.expect("rows"),
        }
    }

    /// A mutation with its input's type and what of its answer is needed.
    fn event(&mut self, things: &Things) -> (&'static str, &'static str, Value) {
        let dice = &mut self.dice;
        let all = dice.roll(5) == 0;
        let going_on = things.subscriptions.iter().filter(|row| all || !is_final(row.status));
        let subscriptions: Vec<_> = going_on.map(|row| row.id).collect();
        let submissions: Vec<_> = things.submissions.iter().take(3).map(|row| row.id).collect();
        let credentials: Vec<_> = things.credentials.iter().map(|row| row.id).collect();
        let profiles: Vec<_> = things.credentials.iter().map(|row| row.profile_id).collect();
        let requests: Vec<_> = things.scope_requests.iter().take(3).map(|row| row.id).collect();
        let held = json!(dice.id(&subscriptions, "sub_none"));
        let submission = json!(dice.id(&submissions, "none"));
        let (request, scope) = (json!(dice.id(&requests, "none")), ["track", "book", "erase"][dice.roll(3)]);
        let team = self.teams[dice.roll(self.teams.len())].0.clone();
        let plan = self.plans[dice.roll(self.plans.len())].clone();
        let decided = json!({ "submissionId": submission, "notes": "As we said" });
        let about = json!({ "subscriptionId": held });
        match dice.roll(29) {
            0..=2 => ("subscribe", "SubscribeInput", json!({ "planId": plan, "teamId": team, "name": "Ours" })),
            3..=5 => ("submitForReview", "SubmitForReviewInput", about),
            6 => ("withdrawSubmission", "SubscriptionIdInput", about),
            7 => ("startReview", "SubmissionIdInput", json!({ "submissionId": submission })),
            8 | 9 | 28 => ("approveSubmission", "DecideSubmissionInput", decided),
            10 => ("rejectSubmission", "DecideSubmissionInput", decided),
            11 => ("requestChanges", "DecideSubmissionInput", decided),
            12 => ("suspendSubscription", "DecideSubscriptionInput", about),
            13 => ("reinstateSubscription", "DecideSubscriptionInput", about),
            14 => ("cancelSubscription", "CancelSubscriptionInput", about),
            15 => {
                let at = self.app.domain().now() + TimeDelta::hours(20);
                ("cancelSubscription", "CancelSubscriptionInput", json!({ "subscriptionId": held, "at": at }))
            }
            16 => ("undoCancellation", "SubscriptionIdInput", about),
            17 => ("changePlan", "ChangePlanInput", json!({ "subscriptionId": held, "planId": plan })),
            18 => ("approveSubscription", "DecideSubscriptionInput", about),
            19 => ("rejectSubscription", "DecideSubscriptionInput", about),
            20 => {
                let profile = dice.id(&profiles, "none");
                ("createCredential", "CreateCredentialInput", json!({ "profileId": profile, "name": "another" }))
            }
            21 | 22 => ("claimCredential", "CredentialIdInput", json!({ "credentialId": dice.id(&credentials, "none") })),
            23 => ("revokeCredential", "CredentialIdInput", json!({ "credentialId": dice.id(&credentials, "none") })),
            24 => {
                let input = json!({ "subscriptionId": held, "scopes": [scope], "reason": "We book" });
                ("requestScopes", "RequestScopesInput", input)
            }
            25 => ("approveScopeRequest", "DecideScopeRequestInput", json!({ "scopeRequestId": request })),
            26 => ("updateSubscription", "UpdateSubscriptionInput", json!({ "subscriptionId": held, "name": "Renamed" })),
            _ => ("revokeScope", "RevokeScopeInput", json!({ "subscriptionId": held, "scope": scope })),
        }
    }

    /// Anybody, but more often than not somebody whose part it is.
    fn somebody(&mut self, field: &str, input: &Value, things: &Things) -> Person {
        if self.dice.roll(4) == 0 {
            return self.people[self.dice.roll(self.people.len())].clone();
        }
        let staffs = ["approve", "reject", "requestChanges", "startReview", "suspend", "reinstate", "revokeScope"];
        if staffs.iter().any(|start| field.starts_with(start)) {
            let part = self.people.len() - STAFF - 1;
            return self.people[part + self.dice.roll(STAFF)].clone();
        }
        let id = |name: &str| input[name].as_str().unwrap_or_default().to_owned();
        let held = things.subscriptions.iter().find(|row| row.id.to_string() == id("subscriptionId")).map(|row| row.team_id);
        let key =
            |row: &&credential::Model| row.id.to_string() == id("credentialId") || row.profile_id.to_string() == id("profileId");
        let team = held.or_else(|| things.credentials.iter().find(key).map(|row| row.team_id)).map(|team| team.to_string());
        let team = team.unwrap_or_else(|| id("teamId"));
        let (_, developer) = self.teams.iter().find(|(own, _)| *own == team).unwrap_or(&self.teams[0]);
        developer.clone()
    }

    async fn step(&mut self) {
        let things = self.things().await;
        if self.dice.roll(14) == 0 {
            self.app.clock.advance(TimeDelta::hours(5));
            self.app.work().await;
            return;
        }
        let (field, input_type, input) = self.event(&things);
        let who = self.somebody(field, &input, &things);
        let issued = match field {
            "subscribe" | "changePlan" | "createCredential" | "claimCredential" => "issued { secret }",
            _ => "",
        };
        let before = self.audited().await;
        let query = format!("mutation($input: {input_type}!) {{ {field}(input: $input) {{ {issued} userErrors {{ code }} }} }}");
        let answer = self.app.graphql(Some(&who), &query, json!({ "input": input })).await;
        let refused = answer.get("errors").is_some() || answer["data"][field]["userErrors"] != json!([]);
        let code = &answer["errors"][0]["extensions"]["code"];
        assert!(!["INTERNAL", "BAD_USER_INPUT", "UNAVAILABLE"].iter().any(|fault| code == fault), "{field} {input}: {answer}");
        let rows = self.audited().await - before;
        assert_eq!(rows, u64::from(!refused), "{field} {input} by {}: {answer}", who.email);
        if refused {
            return;
        }
        *self.done.entry(field).or_default() += 1;
        let newest = audit_event::Entity::find().order_by_desc(audit_event::Column::Id).one(&self.app.domain().db).await;
        let newest = newest.expect("the audit log").expect("a row");
        assert_eq!(newest.actor_id, Some(who.id), "{field}: {newest:?}");
        if let Some(secret) = answer["data"][field]["issued"]["secret"].as_str() {
            let known: Vec<_> = things.credentials.iter().map(|row| row.id).collect();
            let now = self.things().await.credentials;
            let new = now.iter().find(|row| !known.contains(&row.id) && row.status == CredentialStatus::Active);
            let claimed = input["credentialId"].as_str().map(str::to_owned);
            let id = claimed.or_else(|| new.map(|row| row.id.to_string())).expect("whose secret it is");
            self.keys.insert(id, secret.to_owned());
        }
    }

    async fn audited(&self) -> u64 {
        audit_event::Entity::find().count(&self.app.domain().db).await.expect("the audit log")
    }

    /// Every key that was ever shown is tried: through open lanes it passes while it lives, through others never.
    async fn no_locked_lane_lets_a_call_through(&mut self, things: &Things) {
        let db = &self.app.domain().db;
        let revision = gateway_revision::Entity::find_by_id(1).one(db).await.expect("the revision").expect("a row").revision;
        while self.live.applied_revision() < revision {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for (id, secret) in &self.keys {
            let row = things.credentials.iter().find(|row| row.id.to_string() == *id).expect("a credential");
            let client = things.clients.iter().find(|client| client.id == row.client_id).expect("its client");
            let held = things.subscriptions.iter().find(|held| Some(held.id) == client.subscription_id).expect("a subscription");
            let locks = lane_locks(standing(held), row.environment);
            let call = Call {
                method: "GET",
                path: "/ship/shipments",
                framing: None,
                client_id: None,
                profile_id: None,
                api_key: Some(secret),
                bearer: None,
                certificate: None,
                peer: "192.0.2.1".parse().expect("an address"),
                now: self.app.domain().now(),
                tokens: Expected { issuer: "https://portal.example", audience: "https://gateway.example" },
            };
            let passes = admit(self.live.snapshot(), &call).is_ok();
            let live = row.status == CredentialStatus::Active && locks.is_empty();
            assert_eq!(passes, live, "{row:?} of {held:?} behind {locks:?}");
            self.passed += usize::from(passes);
            self.held_back += usize::from(!locks.is_empty());
        }
    }

    /// By id and in lists.
    async fn no_team_sees_anothers(&self, things: &Things) {
        for (team, outsider) in [(&self.teams[0].0, &self.teams[1].1), (&self.teams[1].0, &self.teams[0].1)] {
            let theirs = crate::offer::team_id(team);
            let mut ids = vec![team.as_str().expect("an id").to_owned()];
            ids.extend(things.subscriptions.iter().filter(|row| row.team_id == theirs).map(|row| row.id.to_string()));
            ids.extend(things.submissions.iter().filter(|row| row.team_id == theirs).map(|row| row.id.to_string()));
            ids.extend(things.credentials.iter().filter(|row| row.team_id == theirs).map(|row| row.id.to_string()));
            ids.extend(things.clients.iter().filter(|row| row.team_id == theirs).map(|row| row.id.to_string()));
            ids.extend(things.scope_requests.iter().filter(|row| row.team_id == theirs).map(|row| row.id.to_string()));
            for some in ids.chunks(20) {
                let fields: String =
                    some.iter().enumerate().map(|(i, id)| format!("n{i}: node(id: \"{id}\") {{ id }} ")).collect();
                let seen = self.app.data(Some(outsider), &format!("{{ {fields} }}"), json!({})).await;
                let seen: Vec<_> = seen.as_object().expect("fields").values().filter(|node| !node.is_null()).collect();
                assert!(seen.is_empty(), "{} sees {seen:?}", outsider.email);
            }
            let lists = "{ viewer { teams { id subscriptions(first: 100) { nodes { team { id } } } } } }";
            let seen = self.app.data(Some(outsider), lists, json!({})).await.to_string();
            assert!(!seen.contains(ids[0].as_str()), "{} sees {seen}", outsider.email);
        }
    }
}

/// Where it led to.
async fn walk(seed: u64) -> Walk {
    let mut walk = Walk::begin(seed).await;
    for step in 0..STEPS {
        walk.step().await;
        let things = walk.things().await;
        walk.no_locked_lane_lets_a_call_through(&things).await;
        if step % 20 == 19 {
            walk.no_team_sees_anothers(&things).await;
        }
    }
    walk
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_it_leads_nothing_leaks_and_all_is_on_record() {
    let mut done: BTreeMap<_, usize> = BTreeMap::new();
    let (mut passed, mut held_back) = (0, 0);
    for walk in join_all((1..=4).map(walk)).await {
        passed += walk.passed;
        held_back += walk.held_back;
        for (field, times) in walk.done {
            *done.entry(field).or_default() += times;
        }
    }
    println!("{done:?}; {passed} calls passed, {held_back} were held back by a lock");
    // Else the walks went nowhere, and show nothing.
    let rare = ["withdrawSubmission", "reinstateSubscription"];
    let undone: Vec<_> = EVENTS.into_iter().filter(|field| !rare.contains(field) && !done.contains_key(field)).collect();
    assert!(undone.is_empty() && passed > 100 && held_back > 100, "never happened: {undone:?}");
}
