//! What strangers and people of another team get: nothing of a team's, and nothing done to it.

use std::{cell::RefCell, time::Duration};

use async_graphql::parser::types::OperationType;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{
    answers::{Outcome, outcome},
    rights::refusal,
    values::{Call, Maker, optional_ids},
    world::{World, of},
};
use crate::{app::Person, socket::Socket};

/// How many objects deep an answer is asked for.
const LEVELS: usize = 2;

/// Mutations that are anybody's who is signed in: about themselves, or what a link's bearer may. In the order they are tried.
const FOR_ALL: &[&str] = &[
    "acceptInvitation",
    "beginSecondFactor",
    "confirmSecondFactor",
    "createAccessToken",
    "createTeam",
    "markNotificationsRead",
    "proveSecondFactor",
    "regenerateRecoveryCodes",
    "removeSecondFactor",
    "requestMagicLink",
    "revokeOtherSessions",
    "signInWithMagicLink",
    "startSso",
    "updateViewer",
    "signOut",
];

/// Of these, what needs no session.
const FOR_STRANGERS: &[&str] = &["acceptInvitation", "requestMagicLink", "signInWithMagicLink", "signOut", "startSso"];

/// Ids that are kept as they were given, by a team about itself: nothing is looked up by them.
const NOT_LOOKED_UP: &[&str] = &["ConfigureSsoInput.clientId", "ContactSupportInput.requestId"];

impl World {
    /// All ways to call a field: with the first team's ids, with and without each optional one; and, where it takes
    /// several ids, with one of the first team's among the second's.
    fn calls(&self, operation: OperationType, field: &str) -> Vec<(Call, bool)> {
        let (root, fields) = self.sdl.root(operation);
        let definition = fields.into_iter().find(|known| known.name.node == field).expect("a field");
        let optional = optional_ids(&self.sdl, root, definition);
        let mut calls = Vec::new();
        for with in std::iter::once(None).chain(optional.iter().map(|id| Some(id.place.as_str()))) {
            let places = RefCell::new(Vec::new());
            let all = |place: &str, kind: &'static str| {
                places.borrow_mut().push(place.to_owned());
                of(&self.theirs, kind)
            };
            calls.push((Maker { sdl: &self.sdl, pick: &all, with }.call(operation, definition, LEVELS), true));
            let places = places.take();
            for only in places.iter().filter(|place| places.len() > 1 && !NOT_LOOKED_UP.contains(&place.as_str())) {
                let one = |place: &str, kind: &'static str| of(if place == only { &self.theirs } else { &self.own }, kind);
                calls.push((Maker { sdl: &self.sdl, pick: &one, with }.call(operation, definition, LEVELS), false));
            }
        }
        calls
    }

    fn names(&self, operation: OperationType) -> Vec<String> {
        self.sdl.root(operation).1.iter().map(|field| field.name.node.to_string()).collect()
    }

    async fn asked(&self, who: Option<&Person>, call: &Call) -> Value {
        let answer = self.app.graphql(who, &call.query, call.variables.clone()).await;
        if let Some(known) = self.told(&answer.to_string()) {
            panic!("{known} is told to {}: {} {} answers {answer}", name(who), call.query, call.variables);
        }
        for error in answer["errors"].as_array().into_iter().flatten() {
            let code = error["extensions"]["code"].as_str().unwrap_or("none");
            let refusal = ["UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND", "RATE_LIMITED"].contains(&code);
            assert!(refusal, "{} {} answers {answer}", call.query, call.variables);
        }
        answer
    }
}

fn name(who: Option<&Person>) -> &str {
    who.map_or("a stranger", |person| person.email.as_str())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_query_tells_others_anything_of_a_team() {
    let world = World::new().await;
    let names = world.names(OperationType::Query);
    for who in [None, Some(&world.other)] {
        for field in names.iter().filter(|field| *field != "node") {
            for (call, _) in world.calls(OperationType::Query, field) {
                world.asked(who, &call).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_with_an_id_is_there_for_others_and_what_they_see_tells_nothing_of_a_team() {
    let world = World::new().await;
    let admin = world.askers().await.pop().and_then(|asker| asker.person).expect("an owner");
    for kind in world.sdl.nodes() {
        let (theirs, own) = (of(&world.theirs, kind), of(&world.own, kind));
        let query = "query($id: ID!) { node(id: $id) { __typename } }";
        let seen = async |who, id: &Value| world.app.data(who, query, json!({ "id": id })).await["node"]["__typename"].take();
        let known = [seen(Some(&world.dev), &theirs).await, seen(Some(&admin), &theirs).await];
        assert!(known.iter().any(|name| *name == kind), "{kind} {theirs} is there for nobody: {known:?}");
        for who in [None, Some(&world.other)] {
            assert_eq!(seen(who, &theirs).await, Value::Null, "{kind} for {}", name(who));
            for field in world.sdl.fields(kind) {
                // As it is, and narrowed to what is the first team's.
                let narrowed = optional_ids(&world.sdl, kind, field);
                let narrowed = narrowed.iter().map(|id| id.literal(|kind| of(&world.theirs, kind)));
                for more in std::iter::once(None).chain(narrowed.map(Some)) {
                    let select = world.sdl.select(kind, field, LEVELS, more.as_deref());
                    let query = format!("query($id: ID!) {{ node(id: $id) {{ ... on {kind} {{ {select} }} }} }}");
                    let call = Call { query, variables: json!({ "id": own }) };
                    let answer = world.asked(who, &call).await;
                    assert_eq!(answer.get("errors"), None, "{}", call.query);
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_and_no_file_tells_others_anything_of_a_team() {
    let world = World::new().await;
    let id = |kind: &str| of(&world.theirs, kind).as_str().expect("an id").to_owned();
    let (slug, team, told) = (id("Slug"), id("Team"), id("Notification"));
    let version = "1.0";
    for path in [
        format!("/products/{slug}/openapi/{version}.json"),
        format!("/products/{slug}/openapi/{version}.yaml"),
        format!("/audit.jsonl?team={team}"),
        format!("/notifications/{told}"),
        "/auth/signed-in".to_owned(),
    ] {
        for who in [None, Some(&world.other), Some(&world.dev)] {
            let mut request = world.app.http.get(world.app.url(&path));
            if let Some(person) = who {
                request = request.header("cookie", format!("{}={}", api::auth::SESSION_COOKIE, person.session));
            }
            let answer = request.send().await.expect("an answer");
            let (status, text) = (answer.status(), answer.text().await.expect("text"));
            assert!(!status.is_server_error(), "{path} is {status}");
            match who {
                Some(person) if person.id == world.dev.id => assert!(status.is_success(), "{path} is {status} for its own"),
                _ => assert_eq!(world.told(&text), None, "{path} for {}", name(who)),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_mutation_of_others_does_anything_to_a_team() {
    let world = World::new().await;
    let before = world.app.stored().await;
    let names = world.names(OperationType::Mutation);
    let unknown: Vec<_> = FOR_ALL.iter().filter(|name| !names.iter().any(|field| field == *name)).collect();
    assert!(unknown.is_empty(), "no such mutations: {unknown:?}");
    for who in [None, Some(&world.other)] {
        for field in names.iter().filter(|field| !FOR_ALL.contains(&field.as_str())) {
            for (call, all) in world.calls(OperationType::Mutation, field) {
                let seen = outcome(field, &world.asked(who, &call).await);
                let told = format!("{field} {} by {} is {seen:?}", call.variables, name(who));
                match who {
                    None => assert_eq!(seen, Outcome::Unauthenticated, "{told}"),
                    Some(_) if all => assert!(matches!(seen, Outcome::NotFound | Outcome::Forbidden), "{told}"),
                    // With ids of their own they may ask: what is the other's stays unknown to the rule.
                    Some(_) => assert_ne!(seen, Outcome::Done, "{told}"),
                }
            }
        }
    }
    assert!(world.app.stored().await == before, "something was changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_everybody_may_do_touches_no_other_team() {
    let world = World::new().await;
    let before = world.their_rows().await;
    assert!(before.len() > 50, "the first team has rows");
    for who in [None, Some(&world.other)] {
        for field in FOR_ALL {
            for (call, _) in world.calls(OperationType::Mutation, field) {
                let seen = outcome(field, &world.asked(who, &call).await);
                let known = who.is_some() || FOR_STRANGERS.contains(field);
                let right =
                    if known { matches!(seen, Outcome::Done | Outcome::Refused) } else { seen == Outcome::Unauthenticated };
                assert!(right, "{field} {} by {} is {seen:?}", call.variables, name(who));
            }
        }
    }
    assert_eq!(world.their_rows().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_news_of_a_team_reach_others() {
    let world = World::new().await;
    let mut listening = Vec::new();
    let (_, fields) = world.sdl.root(OperationType::Subscription);
    for field in fields {
        let pick = |_: &str, kind: &'static str| of(&world.theirs, kind);
        let call = Maker { sdl: &world.sdl, pick: &pick, with: None }.call(OperationType::Subscription, field, LEVELS);
        for who in [None, Some(&world.other), Some(&world.dev)] {
            let mut socket = Socket::open(&world.app, who).await;
            socket.begin(&json!({ "query": call.query, "variables": call.variables })).await;
            listening.push((field.name.node.to_string(), who, socket));
        }
    }
    // Refusals come at once; who is not refused is told later.
    let answers = listening.into_iter().map(async |(field, who, mut socket)| {
        let answer = refusal(&mut socket).await;
        (field, who, socket, answer)
    });
    let mut open = Vec::new();
    for (field, who, socket, answer) in join_all(answers).await {
        let Some(answer) = answer else {
            assert!(who.is_some(), "{field} is open to a stranger");
            open.push((field, who, socket));
            continue;
        };
        let refusals = [Outcome::Unauthenticated, Outcome::Forbidden, Outcome::NotFound];
        assert!(refusals.contains(&outcome(&field, &answer)), "{field}: {answer}");
        assert!(world.told(&answer.to_string()).is_none(), "{field}: {answer}");
    }
    let input = json!({ "subscriptionId": world.theirs["Subscription"] });
    let admin = world.askers().await.pop().and_then(|asker| asker.person);
    let select = "subscription { id }";
    world.app.mutate_as(admin.as_ref(), "suspendSubscription", "DecideSubscriptionInput", input, select).await;
    // The team's own hear of it first; by then the others would have.
    open.sort_by_key(|(_, who, _)| who.is_none_or(|person| person.id != world.dev.id));
    let mut heard = 0;
    for (field, who, mut socket) in open {
        let theirs = who.is_some_and(|person| person.id == world.dev.id);
        let wait = if theirs { Duration::from_secs(10) } else { Duration::from_millis(300) };
        match tokio::time::timeout(wait, socket.next()).await {
            Ok((_, answer)) if theirs => heard += usize::from(world.told(&answer.to_string()).is_some()),
            Ok((_, answer)) => assert!(world.told(&answer.to_string()).is_none(), "{field}: {answer}"),
            Err(_) => assert!(!theirs, "{field} tells the team nothing: its members hear of a suspension"),
        }
    }
    assert!(heard >= 2, "the team itself hears of it");
}
