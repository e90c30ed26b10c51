//! Processes of several roles on one instance: how each says that it is well, and what is said where they do not fit together.

use crate::{
    first_errors::with,
    home::Home,
    instance::{Instance, Settings},
};

async fn ready(url: String) -> (u16, String) {
    let answer = reqwest::get(url).await.expect("an answer");
    (answer.status().as_u16(), answer.text().await.expect("text"))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_says_that_it_lives_and_that_it_is_ready() {
    let home = Home::new().await;
    let settings = Settings::new(home.path(), home.database_url());
    let api = Instance::serve_as(&settings, "api");
    let gateway = Instance::serve_as(&settings, "gateway");
    let worker = Instance::serve_as(&settings, "worker");
    assert!(api.gateway.is_empty() && gateway.api.is_empty() && worker.api.is_empty() && worker.gateway.is_empty());
    for place in [&api.api, &worker.worker] {
        assert_eq!(ready(format!("{place}/healthz")).await.0, 200);
    }
    assert_eq!(ready(format!("{}/readyz", api.api)).await.0, 200);
    for path in ["healthz", "readyz"] {
        assert_eq!(ready(format!("{}/_portico/{path}", gateway.gateway)).await, (200, "ok\n".to_owned()));
    }
    // The worker has looked at the queue once it is ready.
    let mut said = ready(format!("{}/readyz", worker.worker)).await;
    while said.0 != 200 {
        assert_eq!(said.0, 503, "{}", said.1);
        said = ready(format!("{}/readyz", worker.worker)).await;
    }
    assert!(said.1.contains("\"queue\":\"up\""), "{}", said.1);
    assert_eq!(ready(format!("{}/graphql", worker.worker)).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_counts_where_the_settings_say() {
    let home = Home::new().await;
    let settings = Settings::new(home.path(), home.database_url());
    let listens = with(&settings, &[("PORTICO_METRICS_LISTEN", "127.0.0.1:0")]);
    for (role, counter) in [("api", "portico_http"), ("gateway", "portico_gateway"), ("worker", "portico_jobs")] {
        let process = Instance::serve_as(&listens, role);
        let (status, counters) = ready(format!("{}/metrics", process.metrics)).await;
        assert!(status == 200 && counters.contains(counter), "{role}: {counters}");
    }
    let http = reqwest::Client::new();
    let read = async |process: &Instance, token: &str| {
        let asked = http.get(format!("{}/metrics", process.worker)).bearer_auth(token).send().await;
        asked.expect("an answer").status().as_u16()
    };
    let worker = Instance::serve_as(&with(&settings, &[("PORTICO_METRICS_TOKEN", "of-the-counters")]), "worker");
    assert_eq!([read(&worker, "of-the-counters").await, read(&worker, "another").await], [200, 404]);
    assert_eq!(read(&Instance::serve_as(&settings, "worker"), "").await, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_that_nobody_can_open_or_that_differ_are_told() {
    let home = Home::new().await;
    let settings = Settings::new(home.path(), home.database_url());
    let said = |settings: &Settings| String::from_utf8(settings.run(&["check"]).stdout).expect("text");
    let line = |text: &str, part: &str| text.lines().find(|line| line[7..].starts_with(part)).expect("its line").to_owned();

    let everywhere = with(&settings, &[("PORTICO_LISTEN", "0.0.0.0:18080"), ("PORTICO_GATEWAY_LISTEN", "[::]:18081")]);
    let addresses = line(&said(&everywhere), "addresses");
    assert!(addresses.starts_with("wrong  ") && addresses.contains("set PORTICO_BASE_URL"), "{addresses}");
    assert!(addresses.contains("set PORTICO_GATEWAY_URL"), "{addresses}");

    let named =
        with(&settings, &[("PORTICO_BASE_URL", "https://portal.example"), ("PORTICO_GATEWAY_URL", "https://api.example")]);
    assert_eq!(line(&said(&named), "processes"), "ok     processes         none serves now");
    let serving = Instance::serve(&named);
    let mut same = line(&said(&named), "processes");
    while same.contains("none serves") {
        same = line(&said(&named), "processes");
    }
    assert_eq!(same, "ok     processes         one serves, with the same addresses");
    let other = with(&named, &[("PORTICO_GATEWAY_URL", "https://gateway.example")]);
    let told = line(&said(&other), "processes");
    assert_eq!(
        told,
        "wrong  processes         https://gateway.example here is https://api.example for a process that serves (all): give every process the same PORTICO_GATEWAY_URL"
    );
    assert!(!other.run(&["check"]).status.success());
    assert!(serving.terminate().success());
    assert_eq!(line(&said(&other), "processes"), "ok     processes         none serves now");
}
