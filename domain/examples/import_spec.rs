//! Publishes a document on a new SQLite database and says how long each step took:
//! `cargo run --release -p domain --example import_spec -- FILE...`

use std::{sync::Arc, time::Instant};

use domain::{
    Actor, Domain,
    actor::Origin,
    env::Env,
    keyring::Keyring,
    ops::{
        products::{self, CreateProduct},
        specs::{self, PublishSpec},
    },
    read::{
        endpoints,
        page::PageRequest,
        specs::{DownloadRequest, download},
    },
    rules::openapi::Format,
};
use entities::{
    enums::{StaffRole, Visibility},
    id::TypedId,
};
use sea_orm::{ConnectOptions, Database, sqlx::sqlite::SqliteJournalMode};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Outcome {
    let dir = std::env::temp_dir().join(format!("portico-import-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let ctx = open(&dir).await?;
    println!("start: {} MB resident", resident());
    for (n, path) in std::env::args().skip(1).enumerate() {
        if let Err(error) = measure(&ctx, n, &path).await {
            println!("{path}: {error}");
        }
    }
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

async fn open(dir: &std::path::Path) -> Outcome<Domain> {
    let mut options = ConnectOptions::new(format!("sqlite://{}?mode=rwc", dir.join("portico.db").display()));
    options.max_connections(4).sqlx_logging(false);
    options.map_sqlx_sqlite_opts(|sqlite| sqlite.journal_mode(SqliteJournalMode::Wal));
    let db = Database::connect(options).await?;
    migration::up(&db).await?;
    let keys = Keyring::parse(&"a-key-for-measuring-of-32-letters".to_owned().into())?;
    Ok(Domain::new(db, Env::system(), keys))
}

async fn measure(ctx: &Domain, n: usize, path: &str) -> Outcome {
    let staff = Actor::user(entities::id::UserId::from_uuid(ctx.env.uuid()), Some(StaffRole::Owner), Origin::default());
    let anyone = Actor::nobody(Origin::default());
    let cmd = CreateProduct {
        slug: format!("p{n}"),
        name: path.chars().rev().take(40).collect(),
        summary: "measured".to_owned(),
        description: None,
        base_path: format!("p{n}"),
        encoded_slashes: false,
        visibility: Visibility::Public,
        categories: Vec::new(),
    };
    let product = products::create(ctx, &staff, cmd).await?;
    products::set_status(ctx, &staff, product.id, entities::enums::ProductStatus::Published).await?;
    let document: Arc<str> = std::fs::read_to_string(path)?.into();
    let size = document.len();
    let clock = Instant::now();
    let cmd = PublishSpec {
        product: product.id,
        document,
        version: Some(format!("m{n}")),
        path_prefix: None,
        served_by: None,
        release_notes: None,
        publish_endpoints: true,
    };
    specs::publish(ctx, &staff, cmd).await?;
    let imported = clock.elapsed();
    let mut page = PageRequest { first: Some(100), with_total: true, ..PageRequest::default() };
    let list = async |search: Option<&str>, page: &PageRequest| {
        let clock = Instant::now();
        endpoints::of_product(ctx, &anyone, product.id, search, page).await.map(|page| (page, clock.elapsed()))
    };
    let (first, listed) = list(None, &page).await?;
    let (found, searched) = list(Some("get list id"), &page).await?;
    page.after = first.rows.last().map(|row| row.id.to_string());
    let (_, second) = list(None, &page).await?;
    let mut reading = [0.0; 2];
    for slot in &mut reading {
        let clock = Instant::now();
        if let Some(row) = first.rows.last() {
            endpoints::operation(ctx, row).await?;
        }
        *slot = millis(clock.elapsed());
    }
    let mut downloads = Vec::new();
    for format in [Format::Json, Format::Json, Format::Yaml, Format::Yaml] {
        let request = DownloadRequest { slug: &product.slug, version: "latest", format, gateway_url: "https://gw.example" };
        let clock = Instant::now();
        let body = download(ctx, &anyone, &request).await?.body(ctx).await?;
        downloads.push(format!("{:.0} ms ({} KB)", millis(clock.elapsed()), body.len() >> 10));
    }
    println!(
        "{path}\n  {:.1} MB, {} operations: imported in {:.2} s; {} MB resident, {} MB at most\n  page {:.1} ms, second {:.1} ms, search {:.1} ms ({} found); operation {:.1} then {:.1} ms\n  json, again, yaml, again: {}",
        size as f64 / 1e6,
        first.total.unwrap_or_default(),
        imported.as_secs_f64(),
        resident(),
        status("VmHWM"),
        millis(listed),
        millis(second),
        millis(searched),
        found.total.unwrap_or_default(),
        reading[0],
        reading[1],
        downloads.join(", "),
    );
    Ok(())
}

fn millis(time: std::time::Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Megabytes.
fn resident() -> u64 {
    status("VmRSS")
}

fn status(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|line| line.split_whitespace().nth(1)).and_then(|kb| kb.parse::<u64>().ok()).unwrap_or_default() >> 10
}
