//! Whatever becomes of its output, the program serves; and a command whose reader has heard enough ends quietly.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    process::Stdio,
};

use reqwest::StatusCode;
use serde_json::json;

use crate::{
    home::Home,
    instance::{Instance, Settings},
};

fn verbose(home: &Home) -> Settings {
    let mut settings = Settings::new(home.path(), home.database_url());
    settings.0.retain(|(name, _)| name != "PORTICO_LOG");
    settings.0.push(("PORTICO_LOG".to_owned(), "trace".to_owned()));
    settings
}

fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").expect("a full device")
}

async fn serves(instance: &mut Instance) {
    let http = reqwest::Client::new();
    for _ in 0..20 {
        let body = json!({ "query": "{ portal { name } }" });
        let answer = http.post(format!("{}/graphql", instance.api)).json(&body).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK);
    }
    assert!(instance.lives());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_written_ends_nothing() {
    let home = Home::new().await;
    let settings = verbose(&home);
    let mut instance = Instance::serve_logging(&settings, full());
    serves(&mut instance).await;
    assert!(instance.terminate().success());
    // A reader that goes away.
    let mut instance = Instance::serve_logging(&settings, Stdio::piped());
    drop(instance.log());
    serves(&mut instance).await;
    assert!(instance.terminate().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_reads_holds_nobody_up() {
    let home = Home::new().await;
    let (reader, log) = std::io::pipe().expect("a pipe");
    let mut filling = log.try_clone().expect("its other end");
    // Until it holds no more, and then for as long as somebody could read it.
    let full = std::thread::spawn(move || while filling.write_all(&[b'x'; 4096]).is_ok() {});
    let mut instance = Instance::serve_logging(&verbose(&home), log);
    serves(&mut instance).await;
    assert!(instance.terminate().success());
    drop(reader);
    full.join().expect("nobody reads any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_whose_reader_goes_away_ends_quietly() {
    let home = Home::new().await;
    let settings = Settings::new(home.path(), home.database_url());
    settings.print(&["migrate"]);
    for arguments in [&["check"][..], &["sdl"], &["jobs"], &["migrate", "status"]] {
        let ended = settings.read_nothing_of(arguments);
        assert_eq!(ended.status.code(), Some(141), "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&ended.stderr), "", "{arguments:?}");
        let ended = settings.run_into(arguments, full());
        assert_eq!(ended.status.code(), Some(1), "{arguments:?}");
        assert!(String::from_utf8_lossy(&ended.stderr).contains("the output cannot be written"), "{arguments:?}");
    }
}
