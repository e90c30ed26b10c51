//! A disk without room, with the database and the log on it: what is answered as done is stored, the rest is refused as
//! unavailable, and once there is room again everything goes on by itself.

use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Write},
    path::Path,
    process::Command,
    time::Duration,
};

use entities::{id::TeamId, request_log, team};
use reqwest::StatusCode;
use sea_orm::{DatabaseConnection, EntityTrait, PaginatorTrait};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    crash::World,
    instance::{Instance, Settings},
};

/// A file system of its own, which only root may make.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let directory = tempfile::tempdir().expect("a directory");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=20m", "portico"]).arg(directory.path()).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(directory))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// To the last byte.
    fn fill(&self) {
        let mut filler = OpenOptions::new().append(true).create(true).open(self.path().join("filler")).expect("a file");
        for size in [1 << 20, 4096, 1] {
            let some = vec![b'.'; size];
            loop {
                match filler.write_all(&some) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }

    fn make_room(&self) {
        fs::remove_file(self.path().join("filler")).expect("the filler");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_nothing_is_answered_that_is_not_stored_and_with_room_all_goes_on() {
    let Some(disk) = SmallDisk::mount() else {
        println!("skipped: only root can mount a small file system");
        return;
    };
    let settings = Settings::new(disk.path(), None);
    let world = World::set_up(&settings).await;
    let log = File::create(disk.path().join("log")).expect("a log");
    let mut instance = Instance::serve_logging(&settings, log);
    let mut stored = vec![make_team(&world, &instance, "before").await.expect("room for a team")];
    // Twice: the first time may leave connections that the second meets.
    for round in 0..2 {
        disk.fill();
        refused_while_full(&world, &instance, round, &mut stored).await;
        assert!(instance.lives());
        disk.make_room();
        eventually("it can be written again", async || ready(&world, &instance).await == StatusCode::OK).await;
        stored.push(make_team(&world, &instance, &format!("after {round}")).await.expect("room again"));
    }
    let db = open(disk.path()).await;
    let calls = request_log::Entity::find().count(&db).await.expect("a count");
    assert_eq!(call(&world, &instance).await, StatusCode::OK);
    eventually("calls are logged again", async || request_log::Entity::find().count(&db).await.expect("a count") > calls).await;
    assert!(instance.terminate().success());

    let instance = Instance::serve(&settings);
    for id in &stored {
        let id: TeamId = id.parse().expect("an id");
        assert!(team::Entity::find_by_id(id).one(&db).await.expect("a look").is_some(), "{id} was answered and is gone");
    }
    drop(db);
    assert!(instance.terminate().success());
}

/// Changes and calls until enough of them were refused; each change is either stored or said to be unavailable.
async fn refused_while_full(world: &World, instance: &Instance, round: u32, stored: &mut Vec<String>) {
    let mut refused = 0;
    for n in 0..2_000 {
        match make_team(world, instance, &format!("full {round} {n}")).await {
            Ok(id) => stored.push(id),
            Err(code) => {
                assert_eq!(code, "UNAVAILABLE");
                refused += 1;
            }
        }
        // Some calls, as a plan's quota has an end.
        if n % 5 == 0 {
            let called = call(world, instance).await;
            assert!([StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE].contains(&called), "{called}");
        }
        if refused == 20 {
            break;
        }
    }
    assert_eq!(refused, 20, "the disk had room");
    eventually("it says that it is not ready", async || ready(world, instance).await == StatusCode::SERVICE_UNAVAILABLE).await;
}

/// Its id, or the error's code.
async fn make_team(world: &World, instance: &Instance, name: &str) -> Result<String, String> {
    let query =
        "mutation($input: CreatePartnerTeamInput!) { createPartnerTeam(input: $input) { team { id } userErrors { message } } }";
    let body = json!({ "query": query, "variables": { "input": { "name": name } } });
    let request = world.http.post(format!("{}/graphql", instance.api)).bearer_auth(&world.owner).json(&body);
    let answer = request.send().await.expect("an answer");
    let retry_after = answer.headers().get("retry-after").cloned();
    let answer: Value = answer.json().await.expect("JSON");
    match answer["data"]["createPartnerTeam"]["team"]["id"].as_str() {
        Some(id) => Ok(id.to_owned()),
        None => {
            assert_eq!(retry_after.expect("when to come again"), "1", "{answer}");
            Err(answer["errors"][0]["extensions"]["code"].as_str().unwrap_or_default().to_owned())
        }
    }
}

async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    for _ in 0..600 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("not within a minute: {what}");
}

async fn call(world: &World, instance: &Instance) -> StatusCode {
    let call = world.http.get(format!("{}/t/ping", instance.gateway)).header("x-api-key", &world.key);
    call.send().await.expect("an answer").status()
}

async fn ready(world: &World, instance: &Instance) -> StatusCode {
    let answer = world.http.get(format!("{}/readyz", instance.api)).send().await.expect("an answer");
    let status = answer.status();
    assert_eq!(answer.headers().contains_key("retry-after"), status == StatusCode::SERVICE_UNAVAILABLE);
    status
}

async fn open(directory: &Path) -> DatabaseConnection {
    let mut options = sea_orm::ConnectOptions::new(format!("sqlite://{}", directory.join("portico.db").display()));
    options.max_connections(1).sqlx_logging(false);
    options.map_sqlx_sqlite_opts(|sqlite| sqlite.busy_timeout(Duration::from_secs(30)));
    sea_orm::Database::connect(options).await.expect("the instance's database")
}
