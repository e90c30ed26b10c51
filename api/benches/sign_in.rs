//! Whether the answer to a request for a sign-in link tells known addresses from unknown ones by its time: medians over
//! interleaved requests on a fresh instance. `cargo bench -p api --bench sign_in`.

use std::time::{Duration, Instant};

use api::{
    app::{App, Parts, Role},
    config::Config,
};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    env::{Clock, Env, System},
    ops::staff,
};
use entities::magic_link;
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::json;

/// Requests for each kind of address.
const ROUNDS: usize = 500;

/// The system's clock, ten minutes further with each reading: no throttle gets in the way.
struct Hasty {
    start: DateTime<Utc>,
    readings: std::sync::atomic::AtomicI32,
}

impl Clock for Hasty {
    fn now(&self) -> DateTime<Utc> {
        let readings = self.readings.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.start + TimeDelta::minutes(10) * readings
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let data = tempfile::tempdir()?;
    let config = Config {
        data_dir: data.path().to_owned(),
        listen: ([127, 0, 0, 1], 0).into(),
        stranger_requests: 0,
        gateway_listen: ([127, 0, 0, 1], 0).into(),
        ..Config::default()
    };
    let clock = Hasty { start: Env::system().now(), readings: 0.into() };
    let env = Env::new(std::sync::Arc::new(clock), std::sync::Arc::new(System));
    // Without a worker, which would delete links that are a day old by this clock.
    let app = App::start_with(config, env, Parts::of(Role::Api)).await?;
    staff::ensure_owner(&app.domain, "known@provider.example").await?;
    let client = reqwest::Client::new();
    let url = format!("{}/graphql", app.site.base_url);
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        known.push(ask(&client, &url, "known@provider.example").await?);
        unknown.push(ask(&client, &url, "other@provider.example").await?);
    }
    let links = magic_link::Entity::find().count(&app.domain.db).await?;
    assert_eq!(links, 2 * ROUNDS as u64, "every request made its link: none was throttled");
    let (known, unknown) = (median(known), median(unknown));
    println!("median of {ROUNDS}: known {known:.3} ms, unknown {unknown:.3} ms, apart {:.3} ms", (known - unknown).abs());
    app.stop().await;
    Ok(())
}

async fn ask(client: &reqwest::Client, url: &str, email: &str) -> Result<Duration, Box<dyn std::error::Error>> {
    let query = "mutation($email: EmailAddress!) { requestMagicLink(input: { email: $email }) { sent } }";
    let body = json!({ "query": query, "variables": { "email": email } });
    let start = Instant::now();
    let answer = client.post(url).json(&body).send().await?.text().await?;
    let took = start.elapsed();
    if answer.contains("\"errors\"") { Err(answer.into()) } else { Ok(took) }
}

/// Milliseconds.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1000.0
}
