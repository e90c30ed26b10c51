//! `kill -9` at any moment: nothing half made, nothing lost, no quota exceeded.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{Router, routing::get};
use entities::{assignment, audit_event, client, invitation, profile, scope_grant, subscription};
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, PaginatorTrait, QueryFilter};
use serde_json::{Value, json};

use crate::{
    home::Home,
    instance::{Instance, Settings},
};

const ROUNDS: u64 = 30;
const QUOTA: u64 = 400;
const DOCUMENT: &str = r#"{"openapi":"3.1.0","info":{"title":"T","version":"1"},"paths":{"/ping":{"get":{"responses":{"200":{"description":"ok"}}}}}}"#;

/// What was answered before a kill, and so must be there after it.
#[derive(Default)]
struct Acknowledged {
    subscriptions: Vec<String>,
    invitations: Vec<String>,
}

pub struct World {
    pub http: reqwest::Client,
    pub owner: String,
    developer: String,
    team: String,
    plan: String,
    pub key: String,
    upstream_calls: Arc<AtomicU64>,
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_nothing_is_half_made_lost_or_gained() {
    let home = Home::new().await;
    let settings = Settings::new(home.path(), home.database_url());
    let world = World::set_up(&settings).await;
    let mut acknowledged = Acknowledged::default();
    for round in 0..ROUNDS {
        let instance = Instance::serve(&settings);
        // Spread over the first quarter of a second, in no order.
        let moment = Duration::from_millis(5 + round * 97 % 250);
        // The gateways that died before are waited for, for a second: some rounds see the answers.
        let moment = if round % 8 == 7 { moment + Duration::from_millis(2_500) } else { moment };
        tokio::time::timeout(moment, world.work(&instance, round, &mut acknowledged)).await.unwrap_or_default();
        instance.kill();
    }
    let instance = Instance::serve(&settings);
    let db = home.open().await;
    let mails = mails(&db, &home.path().join("mail")).await;
    instance.kill();

    assert!(!acknowledged.subscriptions.is_empty() && !acknowledged.invitations.is_empty(), "the rounds were too short");
    world.subscriptions_are_whole(&db, &acknowledged.subscriptions).await;
    for address in &acknowledged.invitations {
        assert!(mails.contains_key(address), "{address} was promised a mail");
    }
    assert!(world.upstream_calls.load(Ordering::SeqCst) <= QUOTA, "more calls than the quota of {QUOTA}");
}

impl World {
    pub async fn set_up(settings: &Settings) -> Self {
        settings.print(&["staff", "add", "owner@provider.example", "OWNER"]);
        settings.print(&["staff", "add", "dev@acme.example", "VIEWER"]);
        let owner = settings.print(&["token", "owner@provider.example"]);
        let developer = settings.print(&["token", "dev@acme.example"]);
        let http = reqwest::Client::new();
        let (upstream, upstream_calls) = upstream().await;
        let instance = Instance::serve(settings);
        let change = async |who: &str, field: &str, input_type: &str, input: Value, select: &str| {
            instance.change(&http, who, field, input_type, input, select).await.expect("an answer")
        };
        let input = json!({ "slug": "t", "name": "T", "summary": "t", "basePath": "t", "visibility": "MEMBERS" });
        let product =
            change(&owner, "createProduct", "CreateProductInput", input, "product { id }").await["product"]["id"].take();
        let input = json!({ "productId": product, "environment": "PRODUCTION", "backend": "UPSTREAM", "upstreamUrl": upstream });
        change(&owner, "setProductEnvironment", "SetProductEnvironmentInput", input, "product { id }").await;
        let input = json!({ "productId": product, "document": DOCUMENT, "publishEndpoints": true });
        change(&owner, "publishSpec", "PublishSpecInput", input, "product { id }").await;
        let input = json!({ "productId": product, "status": "PUBLISHED" });
        change(&owner, "setProductStatus", "SetProductStatusInput", input, "product { id }").await;
        let environment = json!({
            "environment": "PRODUCTION", "authMethod": "API_KEY", "quota": { "requests": QUOTA, "period": "MONTH" },
        });
        let input = json!({
            "productId": product, "slug": "p", "name": "P", "pricing": { "model": "FREE" }, "hasSandbox": false,
            "environments": [environment], "scopes": [{ "name": "all", "grant": "DEFAULT" }],
        });
        let plan = change(&owner, "createPlan", "CreatePlanInput", input, "plan { id }").await["plan"]["id"].take();
        change(&owner, "setPlanStatus", "SetPlanStatusInput", json!({ "planId": plan, "status": "ACTIVE" }), "plan { id }").await;
        let team =
            change(&developer, "createTeam", "CreateTeamInput", json!({ "name": "Acme" }), "team { id }").await["team"]["id"]
                .take();
        let input = json!({ "planId": plan, "teamId": team, "name": "first" });
        let made = change(&developer, "subscribe", "SubscribeInput", input, "subscription { lanes { profile { id } } }").await;
        let input = json!({ "profileId": made["subscription"]["lanes"][0]["profile"]["id"] });
        let made = change(&developer, "createCredential", "CreateCredentialInput", input, "issued { secret }").await;
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let (team, plan, key) = (text(&team), text(&plan), text(&made["issued"]["secret"]));
        instance.kill();
        Self { owner, developer, team, plan, key, http, upstream_calls }
    }

    /// Changes and calls without end; the caller cuts it.
    async fn work(&self, instance: &Instance, round: u64, acknowledged: &mut Acknowledged) {
        let calls = async {
            loop {
                let url = format!("{}/t/ping", instance.gateway);
                if self.http.get(url).header("x-api-key", &self.key).send().await.is_err() {
                    return;
                }
            }
        };
        let changes = async {
            for n in 0.. {
                let name = format!("round {round} number {n}");
                let input = json!({ "planId": self.plan, "teamId": self.team, "name": name });
                let made =
                    instance.change(&self.http, &self.developer, "subscribe", "SubscribeInput", input, "subscription { id }");
                match made.await {
                    Some(made) => acknowledged.subscriptions.push(made["subscription"]["id"].as_str().expect("an id").to_owned()),
                    None => return,
                }
                let address = format!("r{round}n{n}@acme.example");
                let access = json!({ "team": "READ", "credentials": "READ", "billing": "NONE" });
                let input = json!({ "teamId": self.team, "email": address, "access": access });
                let made =
                    instance.change(&self.http, &self.owner, "inviteMember", "InviteMemberInput", input, "invitation { id }");
                match made.await {
                    Some(_) => acknowledged.invitations.push(address),
                    None => return,
                }
            }
        };
        tokio::join!(calls, changes);
    }

    /// Every subscription has its client, profile, assignment, scope and one audit row; what was answered is there.
    async fn subscriptions_are_whole(&self, db: &DatabaseConnection, answered: &[String]) {
        let all = subscription::Entity::find().all(db).await.expect("subscriptions");
        for id in answered {
            assert!(all.iter().any(|row| row.id.to_string() == *id), "{id} was answered and is gone");
        }
        for row in all {
            let clients =
                client::Entity::find().filter(client::Column::SubscriptionId.eq(row.id)).all(db).await.expect("clients");
            assert_eq!(clients.len(), 1, "clients of {}", row.id);
            let profiles = profile::Entity::find().filter(profile::Column::ClientId.eq(clients[0].id)).count(db).await;
            let assigned = assignment::Entity::find().filter(assignment::Column::SubscriptionId.eq(row.id)).count(db).await;
            let scopes = scope_grant::Entity::find().filter(scope_grant::Column::SubscriptionId.eq(row.id)).count(db).await;
            let created = audit_event::Entity::find()
                .filter(audit_event::Column::SubjectId.eq(row.id.0))
                .filter(audit_event::Column::Action.eq("subscription.created"))
                .count(db)
                .await;
            assert_eq!([profiles, assigned, scopes, created].map(|n| n.expect("a count")), [1; 4], "{}", row.id);
        }
    }
}

/// An API that counts its calls.
async fn upstream() -> (String, Arc<AtomicU64>) {
    let calls = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&calls);
    let answer = async move || {
        counted.fetch_add(1, Ordering::SeqCst);
        "pong"
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/ping", get(answer))).await });
    (url, calls)
}

/// Waits until every invitation has its mail; gives the Message-ID per address. Copies of a mail carry the same one.
async fn mails(db: &DatabaseConnection, folder: &Path) -> BTreeMap<String, String> {
    let invited = invitation::Entity::find().all(db).await.expect("invitations");
    for _ in 0..600 {
        let sent = sent(folder);
        if invited.iter().all(|row| sent.contains_key(&row.email)) {
            return sent;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{} invitations, {} mails after 30 s", invited.len(), sent(folder).len());
}

fn sent(folder: &Path) -> BTreeMap<String, String> {
    let mut sent: BTreeMap<String, String> = BTreeMap::new();
    let files = fs::read_dir(folder).into_iter().flatten().filter_map(|entry| entry.ok().map(|entry| entry.path()));
    for file in files.filter(|file| file.extension().is_some_and(|e| e == "eml")) {
        let mail = fs::read_to_string(&file).expect("a whole mail");
        let header = |name: &str| mail.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned();
        let address = header("To:").trim_matches(['<', '>']).to_owned();
        let id = header("Message-ID:");
        if let Some(first) = sent.insert(address.clone(), id.clone()) {
            assert_eq!(first, id, "two different mails to {address}");
        }
    }
    sent
}
