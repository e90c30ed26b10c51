//! How often who is not signed in may ask: by address, by /64, and without a way to lock anybody out.

use chrono::TimeDelta;
use entities::enums::AccessLevel;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::{
    app::{Person, TestApp},
    sign_in::{ASK, REDEEM, header},
    socket::Socket,
};

/// Asks for a link from an address, by way of a proxy.
async fn ask_from(app: &TestApp, ip: &str, email: &str) -> Response {
    let body = json!({ "query": ASK, "variables": { "input": { "email": email } } });
    app.http.post(app.url("/graphql")).header("x-forwarded-for", ip).json(&body).send().await.expect("an answer")
}

async fn behind_a_proxy(change: impl FnOnce(&mut api::config::Config)) -> TestApp {
    TestApp::start_with(|config| {
        config.trusted_proxies = vec!["127.0.0.1/32".parse().expect("a network")];
        change(config);
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_throttled_without_a_word() {
    let app = TestApp::start().await;
    for round in 0..12 {
        assert_eq!(app.ask("ada@acme.example").await["sent"], true, "{round}");
    }
    assert_eq!(app.links().await, 10);
    for other in 0..20 {
        app.ask(&format!("person{other}@acme.example")).await;
    }
    assert_eq!(app.links().await, 30);
    for other in 0..20 {
        app.ask(&format!("person{other}@acme.example")).await;
    }
    assert_eq!(app.links().await, 30, "from one source no second one, while the first works");
    app.ask("bob@acme.example").await;
    assert_eq!(app.links().await, 31, "nobody is kept out by others at their address");
    app.clock.advance(TimeDelta::hours(1));
    app.ask("ada@acme.example").await;
    assert_eq!(app.links().await, 32);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_locked_out_by_others_who_ask_for_their_address() {
    let app = behind_a_proxy(|_| {}).await;
    let ada = app.person("ada@acme.example", None).await;
    for i in 0..12 {
        ask_from(&app, &format!("198.51.100.{i}"), &ada.email).await;
    }
    assert_eq!(app.links().await, 10, "whoever asks, a mailbox is not flooded");
    let own = || ask_from(&app, "192.0.2.7", &ada.email);
    own().await;
    assert_eq!(app.links().await, 10);
    assert_eq!(app.redeem(&app.magic_token(&ada.email).await).await, "fine", "the last one works");
    // Links live for a quarter of an hour, and the hour is not over.
    app.clock.advance(TimeDelta::minutes(15));
    for i in 0..3 {
        ask_from(&app, &format!("198.51.100.{i}"), &ada.email).await;
        own().await;
    }
    assert_eq!(app.links().await, 11, "one more, whoever asked for it");
    assert_eq!(app.redeem(&app.magic_token(&ada.email).await).await, "fine");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_of_ipv6_is_one_source() {
    let app = behind_a_proxy(|_| {}).await;
    for i in 0..32 {
        ask_from(&app, &format!("2001:db8:7:1::{i:x}"), &format!("person{}@acme.example", i % 30)).await;
    }
    assert_eq!(app.links().await, 30);
    ask_from(&app, "2001:db8:7:2::1", "person0@acme.example").await;
    assert_eq!(app.links().await, 31);
    let guess = async |ip: &str| {
        let body = json!({ "query": REDEEM, "variables": { "input": { "token": "guess" } } });
        let answer = app.http.post(app.url("/graphql")).header("x-forwarded-for", ip).json(&body).send().await;
        let answer: Value = answer.expect("an answer").json().await.expect("JSON");
        answer["errors"][0]["extensions"]["code"].clone()
    };
    for i in 0..30 {
        assert_eq!(guess(&format!("2001:db8::{i:x}:0:0:1")).await, Value::Null);
    }
    assert_eq!(guess("2001:db8::ff").await, "RATE_LIMITED");
    assert_eq!(guess("2001:db8:0:1::ff").await, Value::Null, "another one");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_tries_bad_links_over_and_over_is_put_off_but_good_links_work() {
    let app = TestApp::start().await;
    let ada = app.person("ada@acme.example", None).await;
    app.ask(&ada.email).await;
    for _ in 0..30 {
        assert_eq!(app.redeem("guess").await, "INVALID");
    }
    let answer = app.graphql(None, REDEEM, json!({ "input": { "token": "guess" } })).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "RATE_LIMITED");
    assert_eq!(app.press("/auth/magic-link", &[("token", "guess")]).await.status(), StatusCode::TOO_MANY_REQUESTS);
    let token = app.magic_token(&ada.email).await;
    assert_eq!(app.redeem(&token).await, "fine");
    assert_eq!(app.redeem(&token).await, "ALREADY_DONE", "who brings what was ours is told what is wrong with it");
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_put_off_who_ask_too_often_and_who_signs_in_is_not() {
    let app = behind_a_proxy(|config| config.stranger_requests = 5).await;
    let ada = app.person("ada@acme.example", None).await;
    let get = |path: &str, ip: &'static str| app.http.get(app.url(path)).header("x-forwarded-for", ip);
    let query = "/graphql?query=%7Bportal%7Bname%7D%7D";
    for path in [query, query, "/auth/sign-in", "/products/none/openapi/current.json", "/audit.jsonl"] {
        assert_ne!(get(path, "192.0.2.1").send().await.unwrap().status(), StatusCode::TOO_MANY_REQUESTS, "{path}");
    }
    for path in [query, "/auth/sign-in", "/auth/invitation?token=x", "/products/none/openapi/current.json", "/audit.jsonl"] {
        assert_eq!(get(path, "192.0.2.1").send().await.unwrap().status(), StatusCode::TOO_MANY_REQUESTS, "{path}");
    }
    let refused = get(query, "192.0.2.1").send().await.unwrap();
    let wait: u64 = header(&refused, "retry-after").parse().expect("seconds");
    assert!((1..=60).contains(&wait));
    let said: Value = refused.json().await.unwrap();
    assert_eq!(said["errors"][0]["extensions"]["code"], "RATE_LIMITED");
    assert_eq!(get("/healthz", "192.0.2.1").send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(get(query, "192.0.2.2").send().await.unwrap().status(), StatusCode::OK, "somebody else");
    let cookie = format!("{}={}", api::auth::SESSION_COOKIE, ada.session);
    for _ in 0..10 {
        let seen = get(query, "192.0.2.1").header("cookie", &cookie).send().await.unwrap();
        assert_eq!(seen.status(), StatusCode::OK, "signed in, beside who asks too often");
    }
    app.enrol(&ada).await;
    let half = app.signs_in(&ada).await;
    let cookie = format!("{}={}", api::auth::SESSION_COOKIE, half.session);
    for _ in 0..10 {
        let seen = get(query, "192.0.2.1").header("cookie", &cookie).send().await.unwrap();
        assert_eq!(seen.status(), StatusCode::OK, "nobody keeps others from proving their second factor");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_stranger_takes_all_the_connections() {
    let app = TestApp::start().await;
    let ada = app.person("ada@acme.example", None).await;
    let mut open = Vec::new();
    for _ in 0..200 {
        open.push(Socket::open(&app, None).await);
    }
    assert_eq!(Socket::handshake(&app, &[]).await, Err(429));
    let cookie = format!("{}={}", api::auth::SESSION_COOKIE, ada.session);
    assert_eq!(Socket::handshake(&app, &[("cookie", &cookie)]).await, Ok(()));
    open.pop();
    // The server notices in its own time.
    for _ in 0..200 {
        if Socket::handshake(&app, &[]).await == Ok(()) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the place of a connection that ended is not free again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_a_team_and_a_source_have_so_many_websockets() {
    let app = behind_a_proxy(|_| {}).await;
    let (ada, team) = app.partner("acme").await;
    let token = |person: &Person| format!("Bearer {}", person.session);
    let from = async |person: &Person, address: &str| {
        Socket::open_with(&app, &[("authorization", &token(person)), ("x-forwarded-for", address)]).await
    };
    let mut open = Vec::new();
    for _ in 0..20 {
        open.push(from(&ada, "192.0.2.1").await.unwrap());
    }
    assert_eq!(from(&ada, "192.0.2.1").await.err(), Some(429));
    assert_eq!(from(&ada, "198.51.100.1").await.err(), Some(429), "from wherever they come");
    // Who says it later is told so later.
    let init = json!({ "type": "connection_init", "payload": { "authorization": token(&ada) } });
    assert_eq!(Socket::closed_after(&app, "graphql-transport-ws", init).await, 1013);
    // Their team's members have a hundred together.
    let mut members = Vec::new();
    for n in 0..5 {
        members.push(app.member(&team, &format!("member{n}@acme.example"), AccessLevel::Read).await);
    }
    for member in &members[..4] {
        for _ in 0..20 {
            open.push(from(member, "192.0.2.1").await.unwrap());
        }
    }
    assert_eq!(from(&members[4], "203.0.113.1").await.err(), Some(429), "of the team");
    // A hundred more of others fill the source.
    for n in 0..5 {
        let (other, _) = app.partner(&format!("other{n}")).await;
        for _ in 0..20 {
            open.push(from(&other, "192.0.2.1").await.unwrap());
        }
    }
    let (last, _) = app.partner("last").await;
    assert_eq!(from(&last, "192.0.2.1").await.err(), Some(429), "of the source");
    let elsewhere = from(&last, "192.0.2.2").await;
    assert!(elsewhere.is_ok(), "another one");
    open.clear();
    for _ in 0..400 {
        if from(&ada, "192.0.2.1").await.is_ok() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the places of connections that ended are not free again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_trickles_is_cut_on_every_route() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let app = TestApp::start().await;
    let address = app.app.api.expect("the API is served");
    let trickle = async |path: &str, kind: &str| {
        let mut stream = tokio::net::TcpStream::connect(address).await.expect("a connection");
        let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nContent-Length: 1000\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("it is taken");
        let mut answer = Vec::new();
        for _ in 0..200 {
            // It may have been closed meanwhile.
            let _ = stream.write_all(b"x").await;
            let pause = std::time::Duration::from_millis(300);
            if let Ok(Ok(0) | Err(_)) = tokio::time::timeout(pause, stream.read_buf(&mut answer)).await {
                return String::from_utf8(answer).expect("text");
            }
        }
        panic!("{path} waits for ever");
    };
    let form = "application/x-www-form-urlencoded";
    let (graphql, token, page) =
        tokio::join!(trickle("/graphql", "application/json"), trickle("/oauth2/token", form), trickle("/auth/magic-link", form));
    for answer in [graphql, token, page] {
        assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("REQUEST_TIMEOUT"), "{answer}");
        assert!(answer.contains("connection: close") && answer.contains("x-request-id: "), "{answer}");
    }
}
