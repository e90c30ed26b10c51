//! How long the portal's lists take with many partners, beside the same with few, in one run: `cargo bench -p api --bench portal`.
//! Takes the number of teams as its argument, 10,000 unless given, and the requests for each list, 400 unless given. Each team has five subscriptions, and there is a request in the queue
//! for every second team. On SQLite, or on PostgreSQL where `PORTICO_TEST_DATABASE_URL` names a server: there each instance makes
//! a database of its own, and leaves it.

use std::time::{Duration, Instant};

use api::{
    app::{App, Parts, Role},
    config::Config,
};
use domain::{
    env::Env,
    ops::{
        access_tokens::{self, CreateAccessToken},
        staff,
    },
};
use sea_orm::{ConnectionTrait, Database};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

#[path = "portal/partners.rs"]
mod partners;

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

const FEW: usize = 10;
/// Requests for each list.
const ROUNDS: usize = 400;
/// Clients that ask at a time.
const AT_ONCE: usize = 4;

/// What a list is called here, and its query.
const LISTS: [(&str, &str); 9] = [
    (
        "the queue, 50 of it",
        "{ provider { queue(first: 50) { totalCount pageInfo { hasNextPage } nodes { kind state dueAt overdue viewerCanDecide
            plan { name } product { name } team { name } requestedBy { name } subject { id } } } } }",
    ),
    ("the queue's counts", "{ provider { queueCounts { kind pending } } }"),
    ("the queue's last page", "{ provider { queue(last: 50) { nodes { kind team { name } subject { id } } } } }"),
    (
        "subscriptions in review, with lanes",
        "{ provider { subscriptions(first: 50, phase: IN_REVIEW) { totalCount nodes { name status team { name } plan { name }
            pipeline { phase submission { status dueAt } } lanes { environment locked credentials { masked } } } } } }",
    ),
    (
        "subscriptions by part of a name",
        "{ provider { subscriptions(first: 50, search: \"77\") { totalCount nodes { name team { name } } } } }",
    ),
    ("teams by part of a name", "{ provider { teams(first: 50, search: \"partner 9\") { totalCount nodes { name slug } } } }"),
    (
        "the onboarding pipeline",
        "{ provider { onboardingPipeline(first: 50) { totalCount nodes { team { name } stage reached { stage at } supportRequests } } } }",
    ),
    (
        "of it one stage",
        "{ provider { onboardingPipeline(first: 50, stage: SUBMITTED) { totalCount nodes { team { name } stage } } } }",
    ),
    (
        "clients",
        "{ provider { clients(first: 50) { totalCount nodes { name team { name } profiles { environment authMethod } } } } }",
    ),
];

/// What a partner's developer sees of their own.
const OWN: (&str, &str) = (
    "a partner's own subscriptions",
    "{ viewer { teams { name subscriptions(first: 20) { totalCount nodes { name nextSteps plan { name } pipeline { phase canSubmit }
        lanes { locked credentials { masked status } } } } } } }",
);

#[tokio::main]
async fn main() -> Outcome {
    let mut given = std::env::args().skip(1).filter_map(|arg| arg.parse().ok());
    let (teams, rounds) = (given.next().unwrap_or(10_000), given.next().unwrap_or(ROUNDS));
    let few = measure(FEW, rounds).await?;
    let many = measure(teams, rounds).await?;
    println!("{:<38} {:>18}   {:>18}", "milliseconds: p50, p99", format!("{FEW} teams"), format!("{teams} teams"));
    for ((name, few), (_, many)) in few.iter().zip(&many) {
        println!("{name:<38} {:>8.1} {:>9.1}   {:>8.1} {:>9.1}", few.0, few.1, many.0, many.1);
    }
    let slowest = many.iter().map(|(_, (_, p99))| *p99).fold(0.0, f64::max);
    println!("the slowest at p99: {slowest:.1} ms");
    Ok(())
}

type Times = Vec<(&'static str, (f64, f64))>;

async fn measure(teams: usize, rounds: usize) -> Outcome<Times> {
    let data = tempfile::tempdir()?;
    let config = Config {
        data_dir: data.path().to_owned(),
        database_url: database(teams).await?.map(Into::into),
        listen: ([127, 0, 0, 1], 0).into(),
        stranger_requests: 0,
        secret_key: Some("a-key-for-benchmarks-of-thirty-two".to_owned().into()),
        ..Config::default()
    };
    let parts = Parts { gateway: false, worker: false, ..Parts::of(Role::All) };
    let app = App::start_with(config, Env::system(), parts).await?;
    let begun = Instant::now();
    let developer = partners::fill(&app.domain, teams).await?;
    println!("{:?}: {teams} teams written in {:.1?}", app.domain.db.get_database_backend(), begun.elapsed());
    staff::ensure_owner(&app.domain, "owner@provider.example").await?;
    let staff_token = token(&app, "owner@provider.example").await?;
    let own_token = token(&app, &developer).await?;
    let url = format!("{}/graphql", app.site.base_url);
    let mut times = Vec::new();
    for ((name, query), token) in LISTS.iter().map(|list| (list, &staff_token)).chain([(&OWN, &own_token)]) {
        times.push((*name, list(&url, token, query, rounds).await?));
    }
    app.stop().await;
    Ok(times)
}

async fn token(app: &App, email: &str) -> Outcome<String> {
    let cmd = CreateAccessToken { name: "benchmark".to_owned(), expires_in_days: None };
    Ok(access_tokens::create_for(&app.domain, email, cmd).await?.secret.expose_secret().to_owned())
}

/// The median and the 99th percentile, in milliseconds.
async fn list(url: &str, token: &str, query: &str, rounds: usize) -> Outcome<(f64, f64)> {
    let http = reqwest::Client::new();
    let ask = async || -> Result<Duration, String> {
        let begun = Instant::now();
        let answer = http.post(url).bearer_auth(token).json(&json!({ "query": query })).send().await;
        let body: Value = answer.map_err(|e| e.to_string())?.json().await.map_err(|e| e.to_string())?;
        let took = begun.elapsed();
        if body.get("errors").is_some() { Err(format!("{query}: {body}")) } else { Ok(took) }
    };
    ask().await?;
    let client = async || -> Result<Vec<Duration>, String> {
        let mut times = Vec::new();
        for _ in 0..rounds.div_ceil(AT_ONCE) {
            times.push(ask().await?);
        }
        Ok(times)
    };
    let mut times = Vec::new();
    for some in futures_util::future::join_all((0..AT_ONCE).map(|_| client())).await {
        times.extend(some?);
    }
    times.sort();
    let at = |part: usize| times[(times.len() * part / 100).min(times.len() - 1)].as_secs_f64() * 1000.0;
    Ok((at(50), at(99)))
}

#[expect(clippy::disallowed_methods, reason = "the one setting that benchmarks have")]
async fn database(teams: usize) -> Outcome<Option<String>> {
    let Ok(base) = std::env::var("PORTICO_TEST_DATABASE_URL") else { return Ok(None) };
    let name = format!("bench_{}_{teams}", std::process::id());
    let admin = Database::connect(&base).await?;
    admin.execute_unprepared(&format!("create database {name}")).await?;
    admin.close().await?;
    let (server, _) = base.rsplit_once('/').ok_or("a database in the URL")?;
    Ok(Some(format!("{server}/{name}")))
}
