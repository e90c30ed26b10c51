//! How many statements a query costs: as many for three rows as for one, whatever is selected of them.

use std::collections::VecDeque;

use entities::enums::{AccessLevel, StaffRole};
use serde_json::{Value, json};

use crate::{
    app::{METRICS_TOKEN, Person, TestApp},
    logs,
};

/// The types of the schema, as introspection tells them.
struct Types(Vec<Value>);

const TYPES: &str = "{ __schema { types { name kind fields { name args { type { kind } }
    type { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } }";

/// Fields that lead further below a row.
const BELOW: usize = 1;
/// A page inside of a row is read for each row: the page, its total, and who may read it.
const PAGE_BELOW: u64 = 4;

impl Types {
    fn fields(&self, of: &str) -> impl Iterator<Item = (&str, &str)> {
        let found = self.0.iter().find(|t| t["name"] == of).and_then(|t| t["fields"].as_array());
        let free = found.into_iter().flatten().filter(|field| {
            field["args"].as_array().into_iter().flatten().all(|argument| argument["type"]["kind"] != "NON_NULL")
        });
        free.map(|field| (field["name"].as_str().expect("a name"), named(&field["type"])))
    }

    fn kind(&self, of: &str) -> &str {
        self.0.iter().find(|t| t["name"] == of).and_then(|t| t["kind"].as_str()).expect("a known type")
    }

    /// Everything that a row of this type leads to; lists that are paged stay out below the first.
    fn selection(&self, of: &str, below: usize) -> String {
        let mut text = "__typename".to_owned();
        for (field, to) in self.fields(of).filter(|(_, to)| !to.ends_with("Connection")) {
            match self.kind(to) {
                "OBJECT" if below > 0 => text += &format!(" {field} {{ {} }}", self.selection(to, below - 1)),
                "SCALAR" | "ENUM" => text += &format!(" {field}"),
                _ => {}
            }
        }
        text
    }

    /// For each paged list of the type: its name and what its rows lead to, a field at a time.
    fn lists(&self, of: &str) -> Vec<(&str, Vec<Below<'_>>)> {
        let paged = self.fields(of).filter_map(|(list, to)| Some((list, to.strip_suffix("Connection")?)));
        let below = |row| self.objects(row).map(|(field, to)| Below { path: vec![field], to, below: BELOW }).collect();
        paged.map(|(list, row)| (list, below(row))).collect()
    }

    fn objects(&self, of: &str) -> impl Iterator<Item = (&str, &str)> {
        self.fields(of).filter(|(_, to)| self.kind(to) == "OBJECT")
    }

    /// The same in parts, for what costs too much to be asked at once.
    fn parts<'a>(&'a self, whole: &Below<'a>) -> impl Iterator<Item = Below<'a>> {
        let fields = self.objects(whole.to).filter(|(_, to)| whole.below > 0 && !to.ends_with("Connection"));
        let path = whole.path.clone();
        let below = whole.below.saturating_sub(1);
        fields.map(move |(field, to)| Below { path: path.iter().copied().chain([field]).collect(), to, below })
    }

    fn text(&self, asked: &Below<'_>) -> String {
        let path = asked.path.join(" { ");
        let inner = match asked.to.strip_suffix("Connection") {
            Some(_) => format!("{path}(first: 2) {{ totalCount nodes {{ __typename }} }}"),
            None => format!("{path} {{ {} }}", self.selection(asked.to, asked.below)),
        };
        inner + &" }".repeat(asked.path.len() - 1)
    }
}

/// What a field of a row, or a field of that, leads to.
struct Below<'a> {
    path: Vec<&'a str>,
    to: &'a str,
    below: usize,
}

/// The type below lists and `NON_NULL`.
fn named(of: &Value) -> &str {
    of["name"].as_str().unwrap_or_else(|| named(&of["ofType"]))
}

impl TestApp {
    /// Statements so far, and those of asking.
    async fn statements(&self) -> u64 {
        let asked = self.http.get(self.url("/metrics")).bearer_auth(METRICS_TOKEN);
        let text = asked.send().await.expect("an answer").text().await.expect("text");
        let count = text.lines().find_map(|line| line.strip_prefix("portico_database_statement_duration_seconds_count "));
        count.and_then(|count| count.parse().ok()).expect("a count")
    }

    async fn cost(&self, who: &Person, query: &str) -> u64 {
        let before = self.statements().await;
        self.data(Some(who), query, json!({})).await;
        self.statements().await - before
    }

    /// Whether a query is refused for the size of its answer.
    async fn too_costly(&self, who: &Person, query: &str) -> bool {
        self.graphql(Some(who), query, json!({})).await["errors"][0]["extensions"]["limit"] == "cost"
    }

    /// What `more` costs beyond `less`. Which loads fall together is a matter of time where fields side by side lead to the same
    /// kind of row: what is allowed once is allowed.
    async fn extra(&self, who: &Person, less: &str, more: &str, allowed: u64) -> u64 {
        let mut least = u64::MAX;
        for _ in 0..25 {
            let less = self.cost(who, less).await;
            least = least.min(self.cost(who, more).await.saturating_sub(less));
            if least <= allowed {
                break;
            }
        }
        least
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_rows_cost_as_many_statements_as_one() {
    let app = TestApp::start_without_gateway().await;
    let (editor, owner) = (app.editor().await, app.staff(StaffRole::Owner).await);
    let (dev, team) = app.partner("acme").await;
    for n in 0..3 {
        let product = app.product(&editor, &format!("ship-{n}"), "PUBLIC").await;
        let plan = app.plan(&editor, &product, "free", true, json!({ "features": [{ "name": "Calls", "value": "Many" }] })).await;
        let held = app.subscribed(&dev, &team, &plan).await;
        logs::calls(&app, &team, &product, &held, 2).await;
        app.member(&team, &format!("dev-{n}@acme.example"), AccessLevel::Full).await;
        let input = json!({ "teamId": team, "email": format!("new-{n}@acme.example"),
            "access": { "team": "READ", "credentials": "NONE", "billing": "NONE" } });
        app.mutate(Some(&dev), "inviteMember", input, "invitation { id }").await;
        let input = json!({ "teamId": team, "topic": "OTHER", "subject": "Hours", "body": "When?" });
        app.mutate(Some(&dev), "contactSupport", input, "reference").await;
        let policy = json!({ "name": format!("policy-{n}"), "rateLimit": { "requests": 200, "window": "MINUTE" } });
        let policy = app.mutate(Some(&owner), "createPolicy", policy, "policy { id }").await["policy"]["id"].take();
        let input = json!({ "clientId": held.client, "policyId": policy });
        app.mutate(Some(&owner), "attachPolicy", input, "client { id }").await;
        app.partner(&format!("other-{n}")).await;
    }
    let types = app.data(Some(&owner), TYPES, json!({})).await["__schema"]["types"].take();
    let types = Types(serde_json::from_value(types).expect("types"));
    let of_team = format!("team(id: {team}) {{");
    let (mut asked, mut found) = (0, Vec::new());
    for (who, root, of) in
        [(&owner, "provider {", "Provider"), (&owner, &*of_team, "Team"), (&dev, "{", "Query"), (&dev, &*of_team, "Team")]
    {
        for (list, selections) in types.lists(of) {
            let mut selections = VecDeque::from(selections);
            while let Some(below) = selections.pop_front() {
                let selection = types.text(&below);
                let query = |first: usize| match root {
                    "{" => format!("{{ {list}(first: {first}) {{ totalCount nodes {{ {selection} }} }} }}"),
                    root => format!("{{ {root} {list}(first: {first}) {{ totalCount nodes {{ {selection} }} }} }} }}"),
                };
                if app.too_costly(who, &query(3)).await {
                    selections.extend(types.parts(&below));
                    continue;
                }
                asked += 1;
                let allowed = if selection.contains("(first:") { 2 * PAGE_BELOW } else { 0 };
                let more = app.extra(who, &query(1), &query(3), allowed).await;
                if more > allowed {
                    found.push(format!("{more} statements more for three rows than for one: {}", query(3)));
                }
            }
        }
    }
    assert!(asked > 50, "only {asked} queries came of the schema");
    assert!(found.is_empty(), "{}", found.join("\n"));
}
