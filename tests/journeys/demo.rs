//! `portico demo` after its walk: the links that it prints.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Stdio},
};

use serde_json::{Value, json};

use crate::instance::{Settings, keep};

/// Ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Who a door signs in: the portal's address, the cookie, and the mail address that the portal has for it.
async fn enter(http: &reqwest::Client, door: &str) -> (String, String, String) {
    let opened = http.get(door).send().await.expect("an answer");
    assert_eq!(opened.status(), 303);
    let field = |name: &str| opened.headers()[name].to_str().expect("text").to_owned();
    let (to, cookie) = (field("location"), field("set-cookie"));
    let cookie = cookie.split(';').next().expect("a pair").to_owned();
    let portal = to.trim_end_matches('/').to_owned();
    let email = who(http, &portal, &cookie).await;
    (portal, cookie, email["email"].as_str().expect("somebody").to_owned())
}

async fn who(http: &reqwest::Client, portal: &str, cookie: &str) -> Value {
    let body = json!({ "query": "{ viewer { user { email } } }" });
    let asked = http.post(format!("{portal}/graphql")).header("cookie", cookie).header("origin", portal).json(&body);
    let mut answer: Value = asked.send().await.expect("an answer").json().await.expect("JSON");
    answer["data"]["viewer"]["user"].take()
}

#[tokio::test(flavor = "multi_thread")]
async fn its_links_work_as_often_as_they_are_opened_and_beside_each_other() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut command = Settings::new(data.path(), None).command(&["demo"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the demo starts");
    keep(child.stderr.take().expect("its log"));
    let lines = BufReader::new(child.stdout.take().expect("its output")).lines().map_while(Result::ok);
    let _running = Running(child);
    let said: Vec<String> = lines.take_while(|line| !line.starts_with("Ctrl-C ends it")).collect();
    let door = |name: &str| {
        let line = said.iter().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{said:#?}"));
        line.split(' ').next_back().expect("a link").to_owned()
    };
    let (provider, partner) = (door("as the provider"), door("as the partner"));
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");

    let (portal, first, email) = enter(&http, &provider).await;
    assert_eq!(email, "olga@harbour.example");
    let (other, _, email) = enter(&http, &partner).await;
    assert_eq!(email, "dev@acme.example");
    // Two names of one machine: a browser keeps both.
    assert!(portal.starts_with("http://127.0.0.1:") && other.starts_with("http://localhost:"), "{portal} {other}");
    assert_eq!(who(&http, &portal, &first).await["email"], "olga@harbour.example");
    assert_eq!(enter(&http, &provider).await.2, "olga@harbour.example");

    // Signed out, the link signs in anew.
    let out = http.post(format!("{portal}/auth/sign-out")).header("cookie", &first).send().await.expect("an answer");
    assert_eq!(out.status(), 303);
    assert_eq!(who(&http, &portal, &first).await, Value::Null);
    assert_eq!(enter(&http, &provider).await.2, "olga@harbour.example");
}
