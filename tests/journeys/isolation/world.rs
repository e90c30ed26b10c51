//! Two teams that have everything, on products of their own. Whatever is the first one's is called after it, so that it is
//! known wherever it turns up.

use std::collections::BTreeMap;

use entities::{
    enums::{AccessLevel, JoinMethod, SignInMethod, StaffRole},
    id::{TypedId, UserId, uuid_of},
    membership, portal, second_factor, session, sso_provider, team_domain,
};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use serde_json::{Value, json};

use super::sdl::Sdl;
use crate::{
    app::{Person, TestApp},
    logs,
    offer::team_id,
};

/// What every name, address and text of the first team's holds.
pub const MARK: &str = "quillfeather";

/// Somebody who asks, by the name in the matrix.
pub struct Asker {
    pub name: &'static str,
    pub person: Option<Person>,
}

/// Somebody who has signed in by a link, and not given their second factor.
pub const UNPROVEN: &str = "unproven";

/// Ids by what they are ids of: the types that implement `Node`, and what else `values::IDS` names.
pub type Ids = BTreeMap<&'static str, Value>;

pub fn of(ids: &Ids, kind: &str) -> Value {
    let missing = || panic!("there is no {kind}: have `Partner` make one, in tests/journeys/isolation/world.rs, and keep its id");
    ids.get(kind).unwrap_or_else(missing).clone()
}

pub struct World {
    pub app: TestApp,
    pub sdl: Sdl,
    /// Who founded the first team, and the second.
    pub dev: Person,
    pub other: Person,
    pub theirs: Ids,
    pub own: Ids,
    /// Keys and tokens that were shown once.
    pub secrets: Vec<String>,
    staff: Vec<Asker>,
}

const STAFF: [(&str, StaffRole); 6] = [
    ("VIEWER", StaffRole::Viewer),
    ("AUDITOR", StaffRole::Auditor),
    ("EDITOR", StaffRole::Editor),
    ("REVIEWER", StaffRole::Reviewer),
    ("ADMIN", StaffRole::Admin),
    ("OWNER", StaffRole::Owner),
];

/// Members of the first team by their access: team, credentials, billing.
const MEMBERS: [(&str, [AccessLevel; 3]); 7] = {
    use AccessLevel::{Full, None, Read};
    [
        ("member NONE", [None, None, None]),
        ("team READ", [Read, None, None]),
        ("team FULL", [Full, None, None]),
        ("credentials READ", [None, Read, None]),
        ("credentials FULL", [None, Full, None]),
        ("billing READ", [None, None, Read]),
        ("billing FULL", [None, None, Full]),
    ]
};

impl World {
    pub async fn new() -> Self {
        let app = TestApp::start_without_gateway().await;
        let mut staff = Vec::new();
        for (name, role) in STAFF {
            let person = app.staff(role).await;
            has_second_factor(&app, person.id).await;
            proves_it(&app, person.id).await;
            staff.push(Asker { name, person: Some(person) });
        }
        let row = portal::ActiveModel { id: Set(1), staff_second_factor: Set(true), ..Default::default() };
        portal::Entity::update(row).exec(&app.domain().db).await.expect("the portal");
        let of = |name: &str| staff.iter().find(|asker| asker.name == name).and_then(|asker| asker.person.clone());
        let admin = of("ADMIN").expect("an admin");
        let reviewer = of("REVIEWER").expect("a reviewer");
        let mut secrets = Vec::new();
        let (dev, theirs) = Partner::found(&app, &admin, &reviewer, MARK, "ASSIGNED").await.settle(&mut secrets).await;
        let (other, own) = Partner::found(&app, &admin, &reviewer, "harbour", "PUBLIC").await.settle(&mut Vec::new()).await;
        Self { sdl: Sdl::served(), app, dev, other, theirs, own, secrets, staff }
    }

    /// Everybody whose rights differ; members of the first team are made by this.
    pub async fn askers(&self) -> Vec<Asker> {
        let unproven = self.app.person(&format!("unproven@{MARK}.example"), Some(StaffRole::Owner)).await;
        self.join(unproven.id, [AccessLevel::Full; 3]).await;
        has_second_factor(&self.app, unproven.id).await;
        let mut askers = vec![
            Asker { name: "stranger", person: None },
            Asker { name: UNPROVEN, person: Some(unproven) },
            Asker { name: "outsider", person: Some(self.other.clone()) },
        ];
        for (name, access) in MEMBERS {
            let person = self.member(&format!("{}@{MARK}.example", name.replace(' ', ".").to_lowercase()), access).await;
            askers.push(Asker { name, person: Some(person) });
        }
        askers.push(Asker { name: "founder", person: Some(self.dev.clone()) });
        let withheld = self.app.person("withheld@provider.example", Some(StaffRole::Owner)).await;
        askers.push(Asker { name: "withheld", person: Some(withheld) });
        askers.extend(self.staff.iter().map(|asker| Asker { name: asker.name, person: asker.person.clone() }));
        askers
    }

    /// Somebody in the first team.
    pub async fn member(&self, email: &str, access: [AccessLevel; 3]) -> Person {
        let person = self.app.person(email, None).await;
        self.join(person.id, access).await;
        person
    }

    async fn join(&self, user: UserId, [team, credentials, billing]: [AccessLevel; 3]) {
        let domain = self.app.domain();
        let row = membership::ActiveModel {
            id: Set(domain.env.id()),
            team_id: Set(team_id(&self.theirs["Team"])),
            user_id: Set(user),
            access_team: Set(team),
            access_credentials: Set(credentials),
            access_billing: Set(billing),
            joined_by: Set(JoinMethod::Invitation),
            joined_at: Set(domain.now()),
        };
        membership::Entity::insert(row).exec_without_returning(&domain.db).await.expect("a member");
    }

    /// Another session of theirs, to be ended.
    pub async fn session(&self, of: UserId) -> Value {
        let (domain, now) = (self.app.domain(), self.app.domain().now());
        let id: entities::id::SessionId = domain.env.id();
        let row = session::ActiveModel {
            id: Set(id),
            user_id: Set(of),
            token_hash: Set(id.uuid().as_bytes().to_vec()),
            method: Set(SignInMethod::MagicLink),
            ip: Set(None),
            user_agent: Set(None),
            created_at: Set(now),
            last_seen_at: Set(now),
            expires_at: Set(now + chrono::TimeDelta::days(1)),
            revoked_at: Set(None),
            second_factor_at: Set(None),
            second_factor_failures: Set(0),
        };
        session::Entity::insert(row).exec_without_returning(&domain.db).await.expect("a session");
        json!(id.to_string())
    }

    /// What of the first team's is in a text: its mark, an id, a secret.
    pub fn told(&self, text: &str) -> Option<String> {
        let text = text.to_lowercase();
        let ids = self.theirs.values().filter_map(Value::as_str);
        let mut known = ids.chain(self.secrets.iter().map(String::as_str)).chain([MARK]);
        known.find(|known| text.contains(&known.to_lowercase())).map(str::to_owned)
    }

    /// Fails where an answer holds what was shown once.
    pub fn keeps_secrets(&self, answer: &Value, of: &str) {
        let text = answer.to_string();
        let told = self.secrets.iter().find(|secret| text.contains(secret.as_str()));
        assert!(told.is_none(), "{of} answers a secret: {answer}");
    }

    /// The rows that hold anything of the first team's, sorted.
    pub async fn their_rows(&self) -> Vec<String> {
        let ids = self.theirs.values().filter_map(|id| uuid_of(id.as_str()?));
        let known: Vec<_> = ids.flat_map(|id| [id.simple().to_string(), id.to_string()]).chain([MARK.to_owned()]).collect();
        let stored = self.app.stored().await;
        let mine = |line: &&str| known.iter().any(|known| line.to_lowercase().contains(known.as_str()));
        let mut rows: Vec<_> = stored.lines().filter(mine).map(str::to_owned).collect();
        rows.sort();
        rows
    }
}

/// From now on their sessions have to prove it.
async fn has_second_factor(app: &TestApp, user: UserId) {
    let (db, now) = (&app.domain().db, app.domain().now());
    let row = second_factor::ActiveModel {
        user_id: Set(user),
        // No code of it is given here.
        sealed: Set(String::new()),
        created_at: Set(now),
        enabled_at: Set(Some(now)),
        last_step: Set(None),
        failures: Set(0),
        failed_at: Set(None),
    };
    second_factor::Entity::insert(row).exec_without_returning(db).await.expect("a second factor");
}

async fn proves_it(app: &TestApp, user: UserId) {
    let own = session::Entity::update_many().filter(session::Column::UserId.eq(user));
    let proven = own.col_expr(session::Column::SecondFactorAt, Expr::value(app.domain().now()));
    proven.exec(&app.domain().db).await.expect("a session");
}

fn upstream_secret(name: &str) -> String {
    format!("what the API of {name} is called with")
}

/// A team in the making.
struct Partner<'a> {
    app: &'a TestApp,
    admin: &'a Person,
    dev: Person,
    name: &'static str,
    ids: Ids,
}

/// A proven domain of a team.
pub async fn domain_of(app: &TestApp, team: &Value, name: &str) -> Value {
    let (id, now) = (app.domain().env.id(), app.domain().now());
    let row = team_domain::Model {
        id,
        team_id: team_id(team),
        domain: name.to_owned(),
        token: name.to_owned(),
        auto_join: false,
        access_team: AccessLevel::Read,
        access_credentials: AccessLevel::Read,
        access_billing: AccessLevel::None,
        sso_provider_id: None,
        created_at: now,
        verified_at: Some(now),
        checked_at: Some(now),
        missing_since: None,
    };
    let row = team_domain::ActiveModel::from(row);
    team_domain::Entity::insert(row).exec_without_returning(&app.domain().db).await.expect("a domain");
    json!(id.to_string())
}

/// Has a team's domain be that of somebody's address, and let its people in.
pub async fn open_to(app: &TestApp, team: &Value, person: &Person) {
    use team_domain::Column;
    let name = person.email.rsplit_once('@').expect("an address").1;
    let db = &app.domain().db;
    team_domain::Entity::delete_many().filter(Column::Domain.eq(name)).exec(db).await.expect("another's no more");
    domain_of(app, team, name).await;
    let opened = team_domain::Entity::update_many().col_expr(Column::AutoJoin, Expr::value(true)).filter(Column::Domain.eq(name));
    opened.exec(db).await.expect("open");
}

/// An identity provider of a team.
pub async fn provider_of(app: &TestApp, team: &Value, name: &str) -> Value {
    let id = app.domain().env.id();
    let row = sso_provider::Model {
        id,
        team_id: team_id(team),
        name: format!("{name} login"),
        issuer: format!("https://login.{name}.example"),
        client_id: name.to_owned(),
        sealed_secret: None,
        enforced: false,
        created_at: app.domain().now(),
        last_sign_in_at: None,
        version: 1,
    };
    let row = sso_provider::ActiveModel::from(row);
    sso_provider::Entity::insert(row).exec_without_returning(&app.domain().db).await.expect("a provider");
    json!(id.to_string())
}

impl<'a> Partner<'a> {
    /// A product that it alone holds where that is ASSIGNED, with all that staff put around it.
    async fn found(app: &'a TestApp, admin: &'a Person, reviewer: &Person, name: &'static str, visibility: &str) -> Self {
        let by = Some(admin);
        let dev = app.person(&format!("dev@{name}.example"), None).await;
        let team = app.team(&dev, name).await;
        let product = app.product(admin, name, visibility).await;
        let named = |what: &str| json!({ "name": format!("{name} {what}") });
        let made = async |field: &str, input: Value, of: &str| {
            app.mutate(by, field, input, &format!("{of} {{ id }}")).await[of]["id"].take()
        };
        let header = json!({ "name": "X-Upstream", "secret": true, "value": upstream_secret(name) });
        let input = json!({ "productId": product, "environment": "SANDBOX", "backend": "UPSTREAM",
            "upstreamUrl": format!("http://{name}.example"), "headers": [header],
            "allowedOrigins": ["https://app.example"] });
        made("setProductEnvironment", input, "product").await;
        let category = made("createCategory", named("goods"), "category").await;
        made("updateProduct", json!({ "productId": product, "categories": [category] }), "product").await;
        let tier = made("createTier", named("tier"), "tier").await;
        made("setTeamTier", json!({ "teamId": team, "tierId": tier }), "team").await;
        let policy = made("createPolicy", named("policy"), "policy").await;
        let group = json!({ "name": format!("{name} reviewers"), "memberIds": [reviewer.id.to_string()] });
        let group = made("createApprovalGroup", group, "group").await;
        made("assignProduct", json!({ "productId": product, "teamId": team }), "product").await;
        let plan = json!({
            "approval": "STANDARD", "approvalGroupId": group, "description": format!("For {name}"),
            "scopes": [{ "name": "ship:write", "grant": "OPTIONAL" }, { "name": "ship:read", "grant": "DEFAULT" }],
            "sandboxTestData": [{ "name": "Order", "type": "id", "value": format!("{name}-17") }],
            "customProperties": [{ "key": "use", "label": "Use", "type": "STRING", "required": false }],
            "submissionForm": { "steps": [{ "title": "Your use", "fields": [
                { "key": "why", "label": "Why", "type": "TEXT", "required": false }] }] },
            "reviewChecklist": [{ "kind": "SUCCESSFUL_CALLS", "threshold": 1.0 }],
        });
        let plan = app.plan(admin, &product, &format!("{name}-plan"), true, plan).await;
        let ids = [
            ("User", json!(dev.id.to_string())),
            ("Reviewer", json!(reviewer.id.to_string())),
            ("Slug", json!(name)),
            ("Team", team),
            ("Product", product),
            ("Category", category),
            ("Tier", tier),
            ("Policy", policy),
            ("ApprovalGroup", group),
            ("Plan", plan),
        ];
        Self { app, admin, dev, name, ids: ids.into() }
    }

    /// Subscribed, submitted, invited, called, asked: the team's own doing.
    async fn settle(mut self, secrets: &mut Vec<String>) -> (Person, Ids) {
        let (app, name, dev, admin) = (self.app, self.name, Some(&self.dev), Some(self.admin));
        let (team, plan) = (self.ids["Team"].clone(), self.ids["Plan"].clone());
        let mut held = app.subscribed(&self.dev, &team, &plan).await;
        let subscription = held.id.clone();
        let about = |more: Value| {
            let mut input = json!({ "subscriptionId": subscription });
            input.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            input
        };
        let answer = |key: &str| json!([{ "key": key, "value": format!("for {name}") }]);
        let input = about(json!({ "name": format!("{name} calls"), "customProperties": answer("use") }));
        app.mutate(dev, "updateSubscription", input, "subscription { id }").await;
        let input = json!({ "profileId": held.sandbox, "name": format!("{name} key") });
        let mut made = app.mutate(dev, "createCredential", input, "credential { id } issued { secret }").await;
        let select = "subscription { pipeline { submission { id } } }";
        let mut done = app.mutate(dev, "submitForReview", about(json!({ "answers": answer("why") })), select).await;
        let input = about(json!({ "scopes": ["ship:write"], "reason": format!("{name} writes") }));
        let request = app.mutate(dev, "requestScopes", input, "requests { id }").await["requests"][0]["id"].take();
        // Told of to its members.
        for field in ["suspendSubscription", "reinstateSubscription"] {
            app.mutate_as(admin, field, "DecideSubscriptionInput", about(json!({})), "subscription { id }").await;
        }
        let access = json!({ "team": "READ", "credentials": "READ", "billing": "NONE" });
        let input = json!({ "teamId": team, "email": format!("next@{name}.example"), "access": access });
        let invitation = app.mutate(dev, "inviteMember", input, "invitation { id }").await["invitation"]["id"].take();
        let emails = json!([{ "email": format!("authorised@{name}.example") }]);
        let input = json!({ "clientId": held.client, "enabled": true, "authorizedEmails": emails });
        app.mutate(admin, "setPortalAccess", input, "client { id }").await;
        let input = json!({ "clientId": held.client, "policyId": self.ids["Policy"] });
        app.mutate(admin, "attachPolicy", input, "client { id }").await;
        let call = logs::Call::fine(&team, &self.ids["Product"], &held).log(app).await.to_string();
        let about_it = format!("{name} asks");
        let input = json!({ "teamId": team, "topic": "OTHER", "subject": about_it, "body": about_it, "requestId": call });
        app.mutate(dev, "contactSupport", input, "reference").await;
        let token = app.mutate(dev, "createAccessToken", json!({ "name": format!("{name} token") }), "secret accessToken { id }");
        let mut token = token.await;
        secrets.push(upstream_secret(name));
        secrets.extend(
            [&held.secret, &made["issued"]["secret"], &token["secret"]].map(|text| text.as_str().expect("a secret").to_owned()),
        );
        self.ids.extend([
            ("Subscription", held.id.take()),
            ("Client", held.client.take()),
            ("Profile", held.sandbox.take()),
            ("Credential", made["credential"]["id"].take()),
            ("Submission", done["subscription"]["pipeline"]["submission"]["id"].take()),
            ("ScopeRequest", request),
            ("Invitation", invitation),
            ("TeamDomain", domain_of(app, &team, &format!("mail.{name}.example")).await),
            ("SsoProvider", provider_of(app, &team, name).await),
            ("AccessToken", token["accessToken"]["id"].take()),
            ("RequestId", json!(call)),
        ]);
        self.look_up().await;
        (self.dev, self.ids)
    }

    /// The ids that no mutation answered.
    async fn look_up(&mut self) {
        let variables = json!({ "team": self.ids["Team"], "slug": self.ids["Slug"] });
        let query = "query($team: ID!, $slug: String!) {
            viewer { sessions { id } notifications(first: 1) { nodes { id } } }
            team(id: $team) { members(first: 1) { nodes { id } } auditLog(first: 1) { nodes { id } } requestLog(first: 1) { nodes { id } } }
            product(slug: $slug) { endpoints(first: 1) { nodes { id } } specs(first: 1) { nodes { id } } } }";
        let seen = self.app.data(Some(&self.dev), query, variables).await;
        let (viewer, team, product) = (&seen["viewer"], &seen["team"], &seen["product"]);
        let node = |list: &Value| list["nodes"][0]["id"].clone();
        self.ids.extend([
            ("Session", viewer["sessions"][0]["id"].clone()),
            ("Notification", node(&viewer["notifications"])),
            ("Membership", node(&team["members"])),
            ("AuditEvent", node(&team["auditLog"])),
            ("RequestLogEntry", node(&team["requestLog"])),
            ("Endpoint", node(&product["endpoints"])),
            ("SpecVersion", node(&product["specs"])),
        ]);
        let variables = json!({ "team": self.ids["Team"], "slug": self.ids["Slug"] });
        let query = "query($team: ID!, $slug: String!) {
            product(slug: $slug) { assignments(first: 1) { nodes { id } } }
            provider { supportRequests(first: 1, teamId: $team) { nodes { id } } queue(first: 5) { nodes { id kind team { id } } } } }";
        let seen = self.app.data(Some(self.admin), query, variables).await;
        let waits = seen["provider"]["queue"]["nodes"].as_array().expect("a list");
        let item = waits.iter().find(|item| item["team"]["id"] == self.ids["Team"]).expect("what waits");
        self.ids.extend([
            ("Assignment", node(&seen["product"]["assignments"])),
            ("SupportRequest", node(&seen["provider"]["supportRequests"])),
            ("QueueItem", item["id"].clone()),
        ]);
        for (kind, id) in &self.ids {
            assert!(id.is_string(), "the world has no {kind}");
        }
    }
}
