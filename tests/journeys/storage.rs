//! The database as a file: who may read it, copies of it, and what is told when it is locked or comes back from before.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use entities::enums::StaffRole;
use reqwest::StatusCode;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::{
    app::TestApp,
    crash::World,
    instance::{Instance, Settings},
};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).mode() & 0o777
}

/// SQLite, whatever else the suite runs on, with a key of its own making.
fn on_sqlite(directory: &Path) -> Settings {
    let mut settings = Settings::new(directory, None);
    settings.0.retain(|(name, _)| name != "PORTICO_SECRET_KEY");
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_reads_what_is_kept() {
    let home = tempfile::tempdir().expect("a directory");
    let data = home.path().join("data");
    let settings = on_sqlite(&data);
    let instance = Instance::serve(&settings);
    let body = json!({ "query": "mutation { requestMagicLink(input: { email: \"a@b.example\" }) { userErrors { code } } }" });
    let asked = reqwest::Client::new().post(format!("{}/graphql", instance.api)).json(&body).send().await.expect("an answer");
    assert_eq!(asked.status(), StatusCode::OK);
    let files = || fs::read_dir(&data).expect("files").map(|entry| entry.expect("a file").path()).collect::<Vec<_>>();
    assert_eq!(mode(&data), 0o700);
    for path in files() {
        let wanted = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&path), wanted, "{}", path.display());
    }
    instance.kill();

    // As an earlier version left them.
    let (database, wal, mail) = (data.join("portico.db"), data.join("portico.db-wal"), data.join("mail"));
    for (path, open) in [(&data, 0o755), (&database, 0o644), (&wal, 0o644), (&mail, 0o755)] {
        fs::set_permissions(path, Permissions::from_mode(open)).expect("a mode");
    }
    let check = settings.run(&["check"]);
    assert!(String::from_utf8_lossy(&check.stdout).contains("is open to others: serve closes it, or run chmod 700"));
    let output = settings.run(&["migrate"]);
    assert!(output.status.success());
    let told = String::from_utf8_lossy(&output.stderr).matches("was open to others, and is no more").count();
    assert_eq!(told, 1);
    assert_eq!([&data, &mail].map(|path| mode(path)), [0o700; 2]);
    assert_eq!(mode(&database), 0o600);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_running_instance_is_whole_and_opens() {
    let home = tempfile::tempdir().expect("a directory");
    let settings = on_sqlite(&home.path().join("data"));
    let world = World::set_up(&settings).await;
    let instance = Instance::serve(&settings);
    let to = home.path().join("copy.db");
    let to = to.to_str().expect("text");
    // While it is written to.
    let writing = async {
        for n in 0..20 {
            let team = format!("mutation {{ createPartnerTeam(input: {{ name: \"T{n}\" }}) {{ team {{ id }} }} }}");
            let request = world.http.post(format!("{}/graphql", instance.api)).bearer_auth(&world.owner);
            request.json(&json!({ "query": team })).send().await.expect("an answer");
        }
    };
    let (copying, copied) = (settings.clone(), to.to_owned());
    let copying = tokio::task::spawn_blocking(move || copying.print(&["backup", &copied]));
    let ((), said) = tokio::join!(writing, copying);
    let said = said.expect("a copy");
    assert!(said.contains("The key is not in it") && said.contains("secret.key"), "{said}");
    assert_eq!(mode(Path::new(to)), 0o600);
    let again = settings.run(&["backup", to]);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("exists already: give another name"));
    instance.kill();
    let left: Vec<_> = fs::read_dir(home.path()).expect("files").map(|entry| entry.expect("a file").file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");

    // In another place, with the key of before.
    let other = home.path().join("other");
    fs::create_dir(&other).expect("a directory");
    fs::rename(to, other.join("portico.db")).expect("a move");
    fs::copy(home.path().join("data/secret.key"), other.join("secret.key")).expect("the key");
    let restored = on_sqlite(&other);
    let instance = Instance::serve(&restored);
    let call = world.http.get(format!("{}/t/ping", instance.gateway)).header("x-api-key", &world.key);
    assert_eq!(call.send().await.expect("an answer").status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_says_what_to_do_where_it_makes_none() {
    let home = tempfile::tempdir().expect("a directory");
    let mut settings = on_sqlite(&home.path().join("data"));
    let said = |settings: &Settings, to: &str| {
        let output = settings.run(&["backup", to]);
        assert_eq!(output.status.code(), Some(1));
        assert!(!Path::new(to).exists() || to == "/dev/null");
        String::from_utf8(output.stderr).expect("text")
    };
    let to = home.path().join("copy.db");
    let to = to.to_str().expect("text");
    assert!(said(&settings, to).contains("there is no database at"));
    settings.print(&["migrate"]);
    assert!(said(&settings, "/dev/null").contains("exists already"));
    assert!(said(&settings, &format!("{to}/in/nothing")).contains("cannot be written"));
    settings.0.push(("PORTICO_DATABASE_URL".to_owned(), "postgres://user:secret@127.0.0.1:1/none".to_owned()));
    settings.0.push(("PORTICO_SECRET_KEY".to_owned(), crate::app::TEST_KEY.to_owned()));
    let postgres = said(&settings, to);
    assert!(postgres.contains("run pg_dump --format=custom") && !postgres.contains("secret@"), "{postgres}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_from_before_is_told_until_it_is_accepted() {
    let home = tempfile::tempdir().expect("a directory");
    let data = home.path().join("data");
    let settings = on_sqlite(&data);
    settings.print(&["staff", "add", "owner@provider.example", "OWNER"]);
    let check = |settings: &Settings| {
        let output = settings.run(&["check"]);
        let text = String::from_utf8(output.stdout).expect("text");
        text.lines().find(|line| line.contains("history")).expect("the line of the history").to_owned()
    };
    let warned = |settings: &Settings| {
        let mut instance = Instance::serve_logging(settings, std::process::Stdio::piped());
        let mut log = instance.log().expect("its log");
        assert!(instance.terminate().success());
        let mut text = String::new();
        std::io::Read::read_to_string(&mut log, &mut text).expect("text");
        text.contains("the database is a copy from before")
    };
    assert!(!warned(&settings));
    assert!(check(&settings).starts_with("ok"));
    let copy = home.path().join("copy.db");
    settings.print(&["backup", copy.to_str().expect("text")]);
    // Something that the copy knows nothing of, as a revocation would be.
    settings.print(&["staff", "add", "editor@provider.example", "EDITOR"]);
    assert!(!warned(&settings));

    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(data.join(format!("portico.db{end}")));
    }
    fs::copy(&copy, data.join("portico.db")).expect("the copy in its place");
    assert!(check(&settings).starts_with("wrong"));
    assert!(warned(&settings));
    // What is done on it hides nothing.
    for name in ["a", "b", "c"] {
        settings.print(&["staff", "add", &format!("{name}@provider.example"), "EDITOR"]);
    }
    assert!(warned(&settings));
    let told = check(&settings);
    assert!(told.starts_with("wrong") && told.contains("portico check --accept-restore"), "{told}");
    settings.run(&["check", "--accept-restore"]);
    assert!(check(&settings).starts_with("ok"));
    assert!(!warned(&settings));

    // Another database altogether is none that comes from before.
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(data.join(format!("portico.db{end}")));
    }
    assert!(!warned(&settings));
    assert!(check(&settings).starts_with("ok"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_another_program_holds_is_away_and_nobody_changed_anything() {
    let app = TestApp::start().await;
    let owner = app.staff(StaffRole::Owner).await;
    if app.home().database_url().is_some() {
        return; // Writers on PostgreSQL do not wait for one lock.
    }
    let file = app.home().path().join("portico.db");
    let mut options = sea_orm::ConnectOptions::new(format!("sqlite://{}", file.display()));
    options.max_connections(1).sqlx_logging(false);
    let holder = sea_orm::Database::connect(options).await.expect("another program");
    holder.execute_unprepared("begin immediate").await.expect("the lock");
    let query = "mutation { updatePortal(input: { name: \"N\" }) { portal { name } userErrors { code } } }";
    let request = app.http.post(app.url("/graphql")).json(&json!({ "query": query }));
    let cookie = format!("{}={}", api::auth::SESSION_COOKIE, owner.session);
    let answer = request.header("cookie", cookie).send().await.expect("an answer");
    assert_eq!(answer.headers()["retry-after"], "1");
    let answer: Value = answer.json().await.expect("JSON");
    assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAVAILABLE", "{answer}");
    assert_eq!(answer["errors"][0]["extensions"]["retryAfter"], 1);
    let ready = app.http.get(app.url("/readyz")).send().await.expect("an answer");
    assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ready.headers()["retry-after"], "1");
    assert_eq!(ready.text().await.expect("text"), r#"{"database":"cannot be written"}"#);
    holder.execute_unprepared("rollback").await.expect("the lock back");
    app.mutate_as(Some(&owner), "updatePortal", "UpdatePortalInput", json!({ "name": "N" }), "portal { name }").await;
}
