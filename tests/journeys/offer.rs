//! What most journeys begin with: a product on offer, a team, its people.

use domain::{Actor, actor::Origin};
use entities::{
    enums::{AccessLevel, JoinMethod, StaffRole},
    id::TeamId,
    membership,
};
use sea_orm::{ActiveValue::Set, ConnectionTrait, DatabaseBackend, EntityTrait, Statement};
use serde_json::{Value, json};

use crate::app::{Person, TestApp};

const DOCUMENT: &str = r#"{
  "openapi": "3.1.0", "info": { "title": "Shipments", "version": "1.0" },
  "paths": {
    "/track/{id}": { "get": { "responses": { "200": { "description": "where it is" } } } },
    "/shipments": {
      "get": { "responses": { "200": { "description": "a list" } } },
      "post": { "responses": { "201": { "description": "made" } } }
    }
  }
}"#;

impl TestApp {
    pub async fn editor(&self) -> Person {
        self.staff(StaffRole::Editor).await
    }

    /// A published product with a document; its id.
    pub async fn product(&self, editor: &Person, slug: &str, visibility: &str) -> Value {
        let who = Some(editor);
        let input = json!({ "slug": slug, "name": slug, "summary": "One line", "basePath": slug, "visibility": visibility });
        let id = self.mutate(who, "createProduct", input, "product { id }").await["product"]["id"].take();
        for environment in ["SANDBOX", "PRODUCTION"] {
            let url = format!("http://{slug}.example");
            let input = json!({ "productId": id, "environment": environment, "backend": "UPSTREAM", "upstreamUrl": url });
            self.mutate(who, "setProductEnvironment", input, "product { id }").await;
        }
        let input = json!({ "productId": id, "document": DOCUMENT, "publishEndpoints": true });
        self.mutate(who, "publishSpec", input, "product { id }").await;
        let input = json!({ "productId": id, "status": "PUBLISHED" });
        self.mutate(who, "setProductStatus", input, "product { id }").await;
        id
    }

    /// An ACTIVE free plan with API keys; its id. `more` is laid over the input.
    pub async fn plan(&self, editor: &Person, product: &Value, slug: &str, sandbox: bool, more: Value) -> Value {
        let environment = |name: &str| json!({ "environment": name, "authMethod": "API_KEY" });
        let mut environments = vec![environment("PRODUCTION")];
        if sandbox {
            environments.push(environment("SANDBOX"));
        }
        let mut input = json!({
            "productId": product, "slug": slug, "name": slug, "pricing": { "model": "FREE" },
            "hasSandbox": sandbox, "environments": environments,
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            input[key] = value.clone();
        }
        let id = self.mutate(Some(editor), "createPlan", input, "plan { id }").await["plan"]["id"].take();
        let input = json!({ "planId": id, "status": "ACTIVE" });
        self.mutate(Some(editor), "setPlanStatus", input, "plan { id }").await;
        id
    }

    /// A team that this person founds; its id.
    pub async fn team(&self, founder: &Person, name: &str) -> Value {
        let actor = Actor::user(founder.id, None, Origin::default());
        let team = domain::ops::teams::create(self.domain(), &actor, name).await.expect("a new team");
        json!(team.id.to_string())
    }

    /// Somebody in the team with this access to its credentials area.
    pub async fn member(&self, team: &Value, email: &str, credentials: AccessLevel) -> Person {
        let person = self.person(email, None).await;
        let domain = self.domain();
        let row = membership::ActiveModel {
            id: Set(domain.env.id()),
            team_id: Set(team_id(team)),
            user_id: Set(person.id),
            access_team: Set(AccessLevel::None),
            access_credentials: Set(credentials),
            access_billing: Set(AccessLevel::None),
            joined_by: Set(JoinMethod::Invitation),
            joined_at: Set(domain.now()),
        };
        membership::Entity::insert(row).exec_without_returning(&domain.db).await.expect("a new member");
        person
    }

    /// Someone with a team of their own: the person and the team's id.
    pub async fn partner(&self, name: &str) -> (Person, Value) {
        let person = self.person(&format!("dev@{name}.example"), None).await;
        let team = self.team(&person, name).await;
        (person, team)
    }

    /// `subscribe`: the subscription's id, the client's, its profiles by environment, and the issued secret.
    pub async fn subscribed(&self, who: &Person, team: &Value, plan: &Value) -> Held {
        let input = json!({ "planId": plan, "teamId": team, "name": "Ours" });
        let select = "subscription { id client { id profiles { id environment } } } issued { secret }";
        let mut made = self.mutate(Some(who), "subscribe", input, select).await;
        let client = made["subscription"]["client"].take();
        let profile = |environment: &str| {
            let all = client["profiles"].as_array().expect("profiles");
            all.iter().find(|p| p["environment"] == environment).map_or(Value::Null, |p| p["id"].clone())
        };
        Held {
            id: made["subscription"]["id"].clone(),
            sandbox: profile("SANDBOX"),
            production: profile("PRODUCTION"),
            secret: made["issued"]["secret"].take(),
            client: client["id"].clone(),
        }
    }

    /// The refusal of a mutation: its top-level code, or its user errors as `CODE path`.
    pub async fn refused(&self, who: Option<&Person>, field: &str, input_type: &str, input: Value) -> String {
        let query =
            format!("mutation($input: {input_type}!) {{ {field}(input: $input) {{ userErrors {{ code message path }} }} }}");
        let answer = self.graphql(who, &query, json!({ "input": input })).await;
        if let Some(error) = answer["errors"].get(0) {
            return error["extensions"]["code"].as_str().unwrap_or("an error without a code").to_owned();
        }
        let errors = answer["data"][field]["userErrors"].as_array().expect("a list").clone();
        let path =
            |e: &Value| e["path"].as_array().expect("a path").iter().filter_map(Value::as_str).collect::<Vec<_>>().join(".");
        let shown = |e: &Value| format!("{} {}", e["code"].as_str().unwrap_or("?"), path(e)).trim().to_owned();
        errors.iter().map(shown).collect::<Vec<_>>().join(", ")
    }

    /// Whether a part of a secret is in any row, as text or in bytes.
    pub async fn is_stored(&self, secret: &str) -> bool {
        let (rows, hex) = (self.stored().await, secret.bytes().map(|b| format!("{b:02X}")).collect::<String>());
        rows.contains(secret) || rows.contains(&hex) || rows.contains(&hex.to_lowercase())
    }

    /// Every row of every table, as text; but for what gateways note of themselves now and then.
    pub async fn stored(&self) -> String {
        let db = &self.domain().db;
        let backend = db.get_database_backend();
        /// The statement that reads a table's rows, given its name and its columns.
        type Lines = fn(&str, &[String]) -> String;
        let (names, rows): (&str, Lines) = match backend {
            DatabaseBackend::Sqlite => ("SELECT name FROM sqlite_master WHERE type = 'table'", |table, columns| {
                let hex = columns.iter().map(|c| format!("quote(\"{c}\")")).collect::<Vec<_>>().join(" || ' ' || ");
                format!("SELECT {hex} AS line FROM \"{table}\"")
            }),
            _ => ("SELECT table_name::text AS name FROM information_schema.tables WHERE table_schema = 'public'", |table, _| {
                format!("SELECT t::text AS line FROM \"{table}\" t")
            }),
        };
        let query = async |sql: String, column: &str| {
            let found = db.query_all_raw(Statement::from_string(backend, sql)).await.expect("rows");
            found.iter().map(|row| row.try_get::<String>("", column).expect("text")).collect::<Vec<_>>()
        };
        let mut text = String::new();
        for table in query(names.to_owned(), "name").await.into_iter().filter(|table| table != "gateway_nodes") {
            let columns = match backend {
                DatabaseBackend::Sqlite => query(format!("SELECT name FROM pragma_table_info('{table}')"), "name").await,
                _ => Vec::new(),
            };
            for line in query(rows(&table, &columns), "line").await {
                text.push_str(&line);
                text.push('\n');
            }
        }
        text
    }
}

/// A subscription, by the ids that tests need.
pub struct Held {
    pub id: Value,
    pub client: Value,
    pub sandbox: Value,
    pub production: Value,
    pub secret: Value,
}

pub fn team_id(id: &Value) -> TeamId {
    id.as_str().and_then(|id| id.parse().ok()).expect("a team's id")
}
