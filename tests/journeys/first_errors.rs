//! The first errors that a newcomer meets: one line each, that says what to do; and the commands that help.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt, process::Output};

use crate::{
    home::Home,
    instance::{Instance, Settings},
};

pub fn sqlite(data: &std::path::Path) -> Settings {
    if data.is_dir() {
        // Else it is closed to others, and that is told.
        fs::set_permissions(data, fs::Permissions::from_mode(0o700)).expect("permissions");
    }
    let mut settings = Settings::new(data, None);
    settings.0.retain(|(name, _)| name != "PORTICO_SECRET_KEY");
    settings
}

pub fn with(settings: &Settings, pairs: &[(&str, &str)]) -> Settings {
    let mut settings = settings.clone();
    settings.0.retain(|(name, _)| pairs.iter().all(|(changed, _)| changed != name));
    settings.0.extend(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    settings
}

/// What a start that fails says: one line on stderr, nothing on stdout.
fn refused(settings: &Settings) -> String {
    let Output { status, stdout, stderr } = settings.run(&["serve"]);
    let said = String::from_utf8(stderr).expect("text");
    assert!(!status.success() && stdout.is_empty(), "{said}");
    assert!(said.starts_with("portico: ") && said.lines().count() == 1, "{said}");
    said.trim().to_owned()
}

#[test]
fn a_wrong_setting_or_file() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let settings = sqlite(data.path());
    assert_eq!(
        refused(&with(&settings, &[("PORTICO_LISTEN", "80")])),
        "portico: PORTICO_LISTEN is \"80\": it takes an address and a port, such as 127.0.0.1:8080 or [::]:8080"
    );
    let said = refused(&with(&settings, &[("PORTICO_SECRET_KEY", "hunter2")]));
    assert!(
        said.starts_with("portico: PORTICO_SECRET_KEY is set to something else (not shown): it takes 32 random")
            && !said.contains("hunter2")
    );
    let said = refused(&with(&settings, &[("PORTICO_CA_FILE", "/no/such/file.pem")]));
    assert!(said.starts_with("portico: PORTICO_CA_FILE: /no/such/file.pem cannot be read: "), "{said}");
    assert_eq!(
        refused(&with(&settings, &[("PORTICO_LISTN", "127.0.0.1:0")])),
        "portico: PORTICO_LISTN is no setting: did you mean PORTICO_LISTEN?"
    );
    fs::write(data.path().join("portico.toml"), "listen = \"127.0.0.1:0\"\nlisen = 1\n").expect("a file");
    let said = settings.at(data.path()).run(&["serve"]);
    assert!(String::from_utf8_lossy(&said.stderr).starts_with("portico: portico.toml has lisen, which is no setting"));
}

#[test]
fn a_program_that_reads_json_hears_of_the_end_in_json() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let json = with(&sqlite(data.path()), &[("PORTICO_LOG_FORMAT", "json"), ("PORTICO_LOG", "off")]);
    fs::write(data.path().join("secret.key"), "short").expect("a file");
    fs::set_permissions(data.path().join("secret.key"), fs::Permissions::from_mode(0o600)).expect("permissions");
    for (settings, said) in [
        (with(&json, &[("PORTICO_LISTEN", "80")]), "PORTICO_LISTEN is \"80\": it takes"),
        (with(&json, &[("PORTICO_LISTN", "x")]), "PORTICO_LISTN is no setting"),
        (json, "the key file"),
    ] {
        let Output { status, stderr, .. } = settings.run(&["serve"]);
        let line = String::from_utf8(stderr).expect("text");
        let read: serde_json::Value = serde_json::from_str(&line).expect("one line of JSON");
        assert!(!status.success() && read["level"] == "ERROR" && read["timestamp"].is_string(), "{line}");
        assert!(read["message"].as_str().is_some_and(|message| message.starts_with(said)), "{line}");
    }
}

#[test]
fn a_data_directory_of_any_name_keeps_what_it_has() {
    let data = tempfile::tempdir().expect("a temporary directory");
    for name in ["a%20b", "a?b", "a#b", "a b", "ä"] {
        let place = data.path().join(name);
        let settings = sqlite(&place);
        assert_eq!(settings.print(&["staff", "add", "ada@example.com", "OWNER"]), "ada@example.com is OWNER");
        assert!(place.join("portico.db").is_file(), "{name}");
        settings.print(&["token", "ada@example.com"]);
    }
    let beside: Vec<_> = fs::read_dir(data.path()).expect("a directory").collect();
    assert_eq!(beside.len(), 5, "{beside:?}");
}

#[test]
fn a_first_start_says_one_line_and_a_second_none() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let settings = with(&sqlite(data.path()), &[("PORTICO_LOG", "info")]);
    let said = |_| {
        let Output { status, stderr, .. } = settings.run(&["jobs"]);
        let said = String::from_utf8(stderr).expect("text");
        assert!(status.success(), "{said}");
        said
    };
    let first = said(());
    assert!(first.lines().count() == 1 && first.contains("the database is up to date"), "{first}");
    assert_eq!(said(()), "");
}

#[test]
fn a_port_that_is_taken() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    for setting in ["PORTICO_LISTEN", "PORTICO_GATEWAY_LISTEN"] {
        let said = refused(&with(&sqlite(data.path()), &[(setting, &address)]));
        let expected = format!(
            "portico: cannot listen on {address} (Address already in use (os error 98)): stop what uses it or set {setting}"
        );
        assert_eq!(said, expected);
    }
    // Another instance's gateway, whose threads share their port.
    let running = Instance::serve(&sqlite(data.path()));
    let other = tempfile::tempdir().expect("a temporary directory");
    let said =
        refused(&with(&sqlite(other.path()), &[("PORTICO_GATEWAY_LISTEN", running.gateway.trim_start_matches("http://"))]));
    assert!(said.ends_with("stop what uses it or set PORTICO_GATEWAY_LISTEN"), "{said}");
}

#[test]
fn a_data_directory_that_cannot_be_written() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let file = data.path().join("file");
    fs::write(&file, "").expect("a file");
    let said = refused(&sqlite(&file.join("data")));
    assert!(said.starts_with(&format!("portico: the data directory {}/data cannot be written (", file.display())), "{said}");
    assert!(said.ends_with("): make it writable or set PORTICO_DATA_DIR"), "{said}");
}

#[test]
fn a_key_file_that_others_can_read_or_that_is_broken() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let settings = sqlite(data.path());
    settings.print(&["migrate"]);
    settings.print(&["jobs"]);
    let key = data.path().join("secret.key");
    assert_eq!(fs::metadata(&key).expect("the key").permissions().mode() & 0o777, 0o600);
    let held = fs::read_to_string(&key).expect("the key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("permissions");
    assert_eq!(refused(&settings), format!("portico: the key file {0} can be read by others: run chmod 600 {0}", key.display()));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("permissions");
    fs::write(&key, "").expect("a file");
    let said = refused(&settings);
    assert!(said.contains("holds a key of 0 characters") && said.ends_with("or set PORTICO_SECRET_KEY"), "{said}");
    // The key is lost: another one does not open what this database holds.
    fs::remove_file(&key).expect("a file");
    let said = refused(&settings);
    assert!(said.contains("is another key than this database was set up with"), "{said}");
    fs::remove_file(&key).expect("a file");
    let other = "another-key-of-more-than-32-letters";
    let said = refused(&with(&settings, &[("PORTICO_SECRET_KEY", other)]));
    assert!(said.starts_with("portico: PORTICO_SECRET_KEY is another key"), "{said}");
    // Replaced with the old one beside it, the new one takes over.
    with(&settings, &[("PORTICO_SECRET_KEY", &format!("{other},{held}"))]).print(&["jobs"]);
    with(&settings, &[("PORTICO_SECRET_KEY", other)]).print(&["jobs"]);
}

#[test]
fn a_database_that_does_not_answer() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let settings = with(&sqlite(data.path()), &[("PORTICO_DATABASE_URL", "postgres://portico:hidden@127.0.0.1:1/portico")]);
    assert!(refused(&settings).starts_with("portico: PORTICO_SECRET_KEY must be given with PostgreSQL"));
    let said = refused(&with(&settings, &[("PORTICO_SECRET_KEY", crate::app::TEST_KEY)]));
    assert!(
        said.starts_with("portico: the database cannot be reached (")
            && said.contains("PORTICO_DATABASE_URL")
            && !said.contains("hidden"),
        "{said}"
    );
}

#[test]
fn check_says_of_each_part_how_it_stands() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let place = data.path().join("new");
    let settings = sqlite(&place);
    let said = settings.print(&["check"]);
    assert!(said.lines().all(|line| line.starts_with("ok     ")), "{said}");
    assert!(!place.exists(), "check changes nothing");

    let running = Instance::serve(&settings);
    let served = with(&settings, &[("PORTICO_LISTEN", running.api.trim_start_matches("http://"))]);
    let said = served.print(&["check"]);
    assert!(said.contains("is served already") && said.contains("up to date"), "{said}");
    assert!(running.terminate().success());

    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let broken = with(&settings, &[("PORTICO_GATEWAY_LISTEN", &address), ("PORTICO_SMTP_URL", "smtp://127.0.0.1:1")]);
    let output = broken.run(&["check"]);
    let said = String::from_utf8(output.stdout).expect("text");
    let wrong: Vec<_> = said.lines().filter(|line| line.starts_with("wrong")).collect();
    assert!(!output.status.success() && wrong.len() == 2, "{said}");
    assert!(wrong[0].contains("PORTICO_SMTP_URL") && wrong[1].contains("PORTICO_GATEWAY_LISTEN"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_make_staff_and_tokens_that_work() {
    let home = Home::new().await;
    let settings = Settings::new(home.path(), home.database_url());
    assert_eq!(settings.print(&["staff", "add", "Ada@Example.com", "owner"]), "ada@example.com is OWNER");
    let token = settings.print(&["token", "ada@example.com", "--name", "first"]);
    assert_eq!(settings.print(&["jobs", "list"]), "The queue is empty.");
    let instance = Instance::serve(&settings);
    let http = reqwest::Client::new();
    let input = serde_json::json!({ "name": "Harbour" });
    let done = instance.change(&http, &token, "updatePortal", "UpdatePortalInput", input, "portal { name }").await;
    assert_eq!(done.expect("an answer")["portal"]["name"], "Harbour");
    assert!(instance.terminate().success(), "SIGTERM ends it with 0");
    let unknown = settings.run(&["token", "nobody@example.com"]);
    assert_eq!(String::from_utf8_lossy(&unknown.stderr).trim(), "portico: no such person");
    let role = settings.run(&["staff", "add", "ada@example.com", "king"]);
    assert!(String::from_utf8_lossy(&role.stderr).contains("OWNER, ADMIN, EDITOR"));
}
