//! Who may do and see what: every mutation, every query, everything that has an id, and every field that not everybody sees
//! who sees what it is a field of. Compare with the tables of rights in the documentation before accepting a change.

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use async_graphql::parser::types::OperationType;
use entities::{audit_event, enums::AccessLevel};
use futures_util::future::join_all;
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::{Value, json};

use super::{
    answers::{Outcome, is_filled, outcome},
    sdl::name_of,
    values::{Given, Maker},
    world::{Asker, Ids, UNPROVEN, World, domain_of, of, open_to, provider_of},
};
use crate::socket::Socket;

/// Who is not refused hears nothing, as nothing happens: a refusal comes within this time, on a busy machine too.
const REFUSED_WITHIN: Duration = Duration::from_secs(3);

/// What a subscription is refused with.
pub async fn refusal(socket: &mut Socket) -> Option<Value> {
    tokio::time::timeout(REFUSED_WITHIN, socket.next()).await.ok().map(|(_, answer)| answer)
}

const COLUMNS: &str =
    "! sign in first   2 second factor first   ? does not exist for them   - forbidden, or empty for them   yes: may

stranger          nobody signed in
unproven          a member with FULL access to all areas and an OWNER, who has not given their second factor
outsider          a member of another team
none              a member without access to any area
t:R t:F           a member with READ, FULL access to the team area alone
c:R c:F b:R b:F   so to the credentials area, to the billing area
founder           a member with FULL access to all areas, whose own things are asked for
withheld          an OWNER without the second factor that staff have to have
VIE to OWN        the roles of the provider's staff
";

const WIDTHS: [&str; 18] = [
    "stranger", "unproven", "outsider", "none", "t:R", "t:F", "c:R", "c:F", "b:R", "b:F", "founder", "withheld", "VIE", "AUD",
    "EDI", "REV", "ADM", "OWN",
];

/// A line a row, under the askers' names.
fn table(rows: &BTreeMap<String, Vec<&'static str>>) -> String {
    let widest = rows.keys().map(String::len).max().unwrap_or_default();
    let mut text = format!("{COLUMNS}\n{:widest$}", "");
    for column in WIDTHS {
        let _ = write!(text, "  {column}");
    }
    for (name, cells) in rows {
        let mut line = format!("{name:widest$}");
        for (cell, column) in cells.iter().zip(WIDTHS) {
            let _ = write!(line, "  {cell:width$}", width = column.len());
        }
        let _ = write!(text, "\n{}", line.trim_end());
    }
    text
}

impl World {
    /// The first team's ids, with something new in place of what the call would use up, and of the asker's own what is
    /// each person's.
    async fn for_call(&self, field: &str, asker: &Asker, admin: &Asker, turn: usize) -> Ids {
        let mut ids = self.theirs.clone();
        let name = format!("{field} {turn}");
        let made = async |who: &Asker, create: &str, select: &str, of: &str| {
            let input = json!({ "name": name });
            self.app.mutate(who.person.as_ref(), create, input, &format!("{select} {{ id }}")).await[of]["id"].take()
        };
        match (field, &asker.person) {
            ("removeMember" | "revokeAllSessions", _) => {
                let email = format!("leaving{turn}@elsewhere.example");
                let member = self.member(&email, [AccessLevel::None; 3]).await;
                ids.insert("User", json!(member.id.to_string()));
            }
            ("deleteCategory", _) => {
                ids.insert("Category", made(admin, "createCategory", "category", "category").await);
            }
            ("deletePolicy", _) => {
                ids.insert("Policy", made(admin, "createPolicy", "policy", "policy").await);
            }
            ("joinTeamByDomain", Some(person)) => {
                let team = made(admin, "createPartnerTeam", "team", "team").await;
                open_to(&self.app, &team, person).await;
                ids.insert("Team", team);
            }
            ("removeDomain", _) => {
                ids.insert("TeamDomain", domain_of(&self.app, &ids["Team"], &format!("d{turn}.example")).await);
            }
            ("removeSso", _) => {
                ids.insert("SsoProvider", provider_of(&self.app, &ids["Team"], &name).await);
            }
            ("revokeAccessToken", Some(_)) if asker.name != UNPROVEN => {
                ids.insert("AccessToken", made(asker, "createAccessToken", "accessToken", "accessToken").await);
            }
            ("revokeSession", Some(person)) => {
                ids.insert("Session", self.session(person.id).await);
            }
            _ => {}
        }
        ids
    }

    async fn audited(&self) -> u64 {
        audit_event::Entity::find().count(&self.app.domain().db).await.expect("the audit log")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_do_what() {
    let world = World::new().await;
    let askers = world.askers().await;
    let admin = askers.iter().find(|asker| asker.name == "ADMIN").expect("an admin");
    let (_, fields) = world.sdl.root(OperationType::Mutation);
    let mut rows: BTreeMap<String, Vec<&'static str>> = BTreeMap::new();
    // Those who may less go first; whoever signed out asks no more.
    let (last, most): (Vec<_>, Vec<_>) = fields.into_iter().partition(|field| field.name.node == "signOut");
    for (turn, asker, fields) in
        [most, last].iter().flat_map(|fields| askers.iter().enumerate().map(move |(i, asker)| (i, asker, fields)))
    {
        for definition in fields {
            let field = definition.name.node.as_str();
            let ids = world.for_call(field, asker, admin, turn).await;
            let pick = |_: &str, kind: &'static str| of(&ids, kind);
            let call = Maker { sdl: &world.sdl, pick: &pick, with: None }.call(OperationType::Mutation, definition, 1);
            let before = world.audited().await;
            let answer = world.app.graphql(asker.person.as_ref(), &call.query, call.variables).await;
            world.keeps_secrets(&answer, field);
            let seen = outcome(field, &answer);
            if !matches!(seen, Outcome::Done | Outcome::Refused) {
                assert_eq!(world.audited().await, before, "{field} by {} was refused and left a trace", asker.name);
            }
            rows.entry(field.to_owned()).or_default().push(seen.cell());
        }
    }
    let nobodys: Vec<_> = rows.iter().filter(|(_, cells)| !cells.contains(&"yes")).map(|(field, _)| field).collect();
    assert!(nobodys.is_empty(), "nobody may, so nothing is known of who may not: give them something that is there: {nobodys:?}");
    for (field, cells) in &rows {
        let open = cells[0] == "yes" || field == "proveSecondFactor";
        assert_eq!(cells[1], if open { "yes" } else { "2" }, "{field} before the second factor is given");
    }
    insta::assert_snapshot!("who_may_do_what", table(&rows));
}

/// Something to look into: a query, or a thing with an id.
struct Entry<'a> {
    name: String,
    ty: &'a str,
    /// How it is asked for, up to its selection.
    opened: String,
    given: Given,
    /// Whether its fields are rows too.
    fields: bool,
    on: Option<&'a str>,
}

impl World {
    fn entries(&self) -> Vec<Entry<'_>> {
        let pick = |_: &str, kind: &'static str| of(&self.theirs, kind);
        let maker = Maker { sdl: &self.sdl, pick: &pick, with: None };
        let mut entries = Vec::new();
        for field in self.sdl.root(OperationType::Query).1.into_iter().filter(|field| field.name.node != "node") {
            let (name, ty) = (field.name.node.as_str(), name_of(&field.ty.node));
            let given = maker.given(OperationType::Query, field);
            let opened = format!("{name}{}", given.given);
            let fields = !self.sdl.is_node(ty) && self.sdl.page_of(ty).is_none();
            entries.push(Entry { name: name.to_owned(), ty, opened, given, fields, on: None });
        }
        for ty in self.sdl.nodes() {
            let given = Given {
                defined: "($id: ID!)".to_owned(),
                given: String::new(),
                variables: json!({ "id": of(&self.theirs, ty) }),
            };
            let opened = "node(id: $id)".to_owned();
            entries.push(Entry { name: ty.to_owned(), ty, opened, given, fields: true, on: Some(ty) });
        }
        entries
    }

    /// Cells by path, of one asker.
    async fn look(&self, entry: &Entry<'_>, asker: &Asker) -> BTreeMap<String, &'static str> {
        let fields = self.sdl.fields(entry.ty);
        let of_page = self.sdl.page_of(entry.ty);
        let top = if of_page.is_some() { "nodes { __typename }" } else { "__typename" };
        let mut parts = vec![format!("top: {} {{ {top} }}", entry.opened)];
        for field in fields.iter().filter(|_| entry.fields) {
            let lean = self.sdl.lean(entry.ty, field);
            let on = entry.on.map_or(lean.clone(), |ty| format!("... on {ty} {{ {lean} }}"));
            parts.push(format!("of_{}: {} {{ {on} }}", field.name.node, entry.opened));
        }
        let mut cells = BTreeMap::new();
        // A request has so many root fields at most.
        for parts in parts.chunks(25) {
            let query = format!("query{} {{ {} }}", entry.given.defined, parts.join(" "));
            let answer = self.app.graphql(asker.person.as_ref(), &query, entry.given.variables.clone()).await;
            assert!(answer["data"].is_object() || answer["errors"][0]["path"].is_array(), "{query}: {answer}");
            self.keeps_secrets(&answer, &entry.name);
            let refused = |key: &str| {
                let errors = answer["errors"].as_array().into_iter().flatten();
                let code = errors.into_iter().find(|error| error["path"][0] == key)?["extensions"]["code"].as_str();
                Some(match code {
                    Some("UNAUTHENTICATED") => "!",
                    Some("SECOND_FACTOR_REQUIRED") => "2",
                    Some("FORBIDDEN") => "-",
                    _ => panic!("{query}: {answer}"),
                })
            };
            let cell = |key: &str, path: &[&str]| {
                let filled = is_filled(&answer["data"][key], path);
                if filled { "yes" } else { refused(key).unwrap_or("-") }
            };
            if parts[0].starts_with("top:") {
                let top = cell("top", &[]);
                cells.insert(String::new(), if top == "-" { "?" } else { top });
            }
            let asked = |name: &str| parts.iter().any(|part| part.starts_with(&format!("of_{name}: ")));
            for path in self.sdl.paths(entry.ty).into_iter().filter(|path| entry.fields && asked(path[0])) {
                cells.insert(path.join("."), cell(&format!("of_{}", path[0]), &path));
            }
        }
        cells
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sees_what() {
    let world = World::new().await;
    let askers = world.askers().await;
    let mut rows: BTreeMap<String, Vec<&'static str>> = BTreeMap::new();
    let mut empty = Vec::new();
    for entry in world.entries() {
        let mut of_entry: BTreeMap<String, Vec<&'static str>> = BTreeMap::new();
        for asker in &askers {
            for (path, cell) in world.look(&entry, asker).await {
                of_entry.entry(path).or_default().push(cell);
            }
        }
        let sees = |cells: &[&str]| cells.iter().map(|cell| *cell == "yes").collect::<Vec<_>>();
        for (path, cells) in &of_entry {
            let name = if path.is_empty() { entry.name.clone() } else { format!("{}.{path}", entry.name) };
            let above = path.rsplit_once('.').map_or("", |(above, _)| above);
            if path.is_empty() || (cells.contains(&"yes") && sees(cells) != sees(&of_entry[above])) {
                rows.insert(name, cells.clone());
            } else if !cells.contains(&"yes") {
                empty.push(name);
            }
        }
    }
    let unseen: Vec<_> = rows.iter().filter(|(_, cells)| !cells.contains(&"yes")).map(|(name, _)| name.as_str()).collect();
    assert!(
        unseen.iter().all(|name| *name == "invitation"),
        "there for nobody, so nothing is known of whom it is for: {unseen:?}"
    );
    let text = format!("{}\n\nNever filled here, so not looked at:\n{}", table(&rows), empty.join("\n"));
    insta::assert_snapshot!("who_sees_what", text);
}

/// Fields within others that have to be given an id: how each is asked for, by the first team's ids.
const BY_ID: &[(&str, &str)] = &[
    ("Endpoint.callable", "node(id: $Endpoint) { ... on Endpoint { callable(teamId: $Team) { because } } }"),
    ("Provider.accessOn", "provider { accessOn(teamId: $Team, at: \"2026-01-05T09:00:00Z\") { because: at } }"),
    ("Provider.catalogAs", "provider { catalogAs(teamId: $Team, first: 9) { nodes { because: id } } }"),
    ("Provider.explainAccess", "provider { explainAccess(teamId: $Team, productId: $Product) { because } }"),
];

#[tokio::test(flavor = "multi_thread")]
async fn who_sees_what_is_asked_by_id() {
    let world = World::new().await;
    assert_eq!(
        world.sdl.taking_ids(),
        BY_ID.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        "say in `BY_ID` how to ask for it"
    );
    let mut rows: BTreeMap<String, Vec<&'static str>> = BTreeMap::new();
    for asker in world.askers().await {
        for (name, query) in BY_ID {
            let mut query = format!("{{ {query} }}");
            for (kind, id) in &world.theirs {
                query = query.replace(&format!("${kind})"), &format!("{id})")).replace(&format!("${kind},"), &format!("{id},"));
            }
            let answer = world.app.graphql(asker.person.as_ref(), &query, json!({})).await;
            let seen = if answer["errors"].is_null() && !answer.to_string().contains("because") {
                // The thing itself is not there for them.
                Outcome::NotFound
            } else {
                outcome(name, &answer)
            };
            rows.entry((*name).to_owned()).or_default().push(seen.cell());
        }
    }
    insta::assert_snapshot!("who_sees_what_is_asked_by_id", table(&rows));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_told_what() {
    let world = World::new().await;
    let pick = |_: &str, kind: &'static str| of(&world.theirs, kind);
    let mut asked = Vec::new();
    for asker in world.askers().await {
        for field in world.sdl.root(OperationType::Subscription).1 {
            let call = Maker { sdl: &world.sdl, pick: &pick, with: None }.call(OperationType::Subscription, field, 1);
            let mut socket = Socket::open(&world.app, asker.person.as_ref()).await;
            socket.begin(&json!({ "query": call.query, "variables": call.variables })).await;
            asked.push(async move { (field.name.node.to_string(), refusal(&mut socket).await) });
        }
    }
    let mut rows: BTreeMap<String, Vec<&'static str>> = BTreeMap::new();
    for (field, refusal) in join_all(asked).await {
        let seen = refusal.map_or(Outcome::Done, |answer| outcome(&field, &answer));
        rows.entry(field).or_default().push(seen.cell());
    }
    insta::assert_snapshot!("who_is_told_what", table(&rows));
}
