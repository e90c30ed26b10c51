//! What a decision costs, and how long a gateway takes to know a million credentials: `cargo bench -p domain --bench decision`.
//! Takes the number of credentials as its argument. On SQLite, or on PostgreSQL where `PORTICO_TEST_DATABASE_URL` names one: then
//! the database must be empty.

mod scratch;

use std::time::{Duration, Instant};

use domain::{
    Domain, Tx,
    limits::Keeper,
    rules::{
        admission::{Call, admit},
        credential::{RANDOM_BYTES, SecretKind, issue},
        jose::access_token::Expected,
        limits::{Limits, RateLimit},
    },
    snapshot::Live,
    tx::{Touch, Unaudited},
};
use entities::{
    enums::{Environment, RateWindow},
    id::ClientId,
};
use sea_orm::{ConnectionTrait, DatabaseBackend};
use secrecy::ExposeSecret;
use uuid::Uuid;

use self::scratch::{Outcome, Scratch};

#[tokio::main]
async fn main() -> Outcome<()> {
    let credentials = scratch::asked(1_000_000);
    let scratch = Scratch::new().await?;
    let ctx = &scratch.ctx;
    let backend = ctx.db.get_database_backend();
    let begun = Instant::now();
    let (key, token) = fill(ctx, credentials / 2).await?;
    println!("{backend:?}: {credentials} credentials of {} clients written in {:.1?}", credentials / 2, begun.elapsed());

    let before = resident();
    let begun = Instant::now();
    let live = Live::start(ctx.clone()).await?;
    println!("loaded in {:.2?}: {:?}", begun.elapsed(), live.snapshot().size());
    println!("memory: {} MiB before, {} MiB after, {} MiB at its highest", before, resident(), peak());

    let client = client(1).to_string();
    let now = ctx.now();
    let blank = Call {
        method: "GET",
        path: "/pay/charges/42",
        framing: None,
        client_id: None,
        profile_id: None,
        api_key: None,
        bearer: None,
        certificate: None,
        peer: "192.0.2.1".parse()?,
        now,
        tokens: Expected { issuer: "https://portal.example", audience: "https://gateway.example" },
    };
    let by_key = Call { api_key: Some(&key), ..blank };
    let by_token = Call { client_id: Some(&client), bearer: Some(&token), ..blank };
    time("admit by API key", || admit(live.snapshot(), &by_key).is_ok());
    time("admit by token", || admit(live.snapshot(), &by_token).is_ok());
    let wrong = key.replace("ptk_live", "ptk_test");
    let refused = Call { api_key: Some(&wrong), ..blank };
    time("refuse a mistyped key", || admit(live.snapshot(), &refused).is_err());

    let keeper = Keeper::start(ctx.clone());
    let limits = Limits { rate: Some(RateLimit { requests: u32::MAX, window: RateWindow::Minute }), quota: None };
    time("take a rate limit", || {
        matches!(keeper.try_take(ctx.now(), self::client(1), Environment::Production, &limits), domain::limits::Take::Taken(_))
    });

    let mut delays = Vec::new();
    for n in 0..50 {
        let tx = Tx::begin(ctx).await?;
        tx.touch_gateway(Touch::Client(self::client(1 + n * 97 % (credentials / 2))));
        tx.commit_unaudited(Unaudited::Mark).await?;
        let (committed, before) = (Instant::now(), live.applied_revision());
        while live.applied_revision() == before {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        delays.push(committed.elapsed());
    }
    delays.sort();
    println!("a change of one client in force after {:.2?} (median of 50), {:.2?} at most", delays[25], delays[49]);
    Ok(())
}

fn time(what: &str, mut call: impl FnMut() -> bool) {
    const ROUNDS: u32 = 200_000;
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let begun = Instant::now();
        assert!((0..ROUNDS).all(|_| std::hint::black_box(call())), "{what}");
        best = best.min(begun.elapsed());
    }
    println!("{what}: {} ns", best.as_nanos() / u128::from(ROUNDS));
}

fn status(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
    line.split_whitespace().next().and_then(|kb| kb.parse().ok()).unwrap_or(0)
}

/// MiB.
fn resident() -> u64 {
    status("VmRSS:") / 1024
}

fn peak() -> u64 {
    status("VmHWM:") / 1024
}

/// The id of the nth row of a kind: in order, with a scattered end, as UUIDv7 are.
fn uuid(kind: u64, n: u64) -> Uuid {
    Uuid::from_u128(u128::from(n) << 64 | u128::from(kind) << 32 | u128::from(n * 2_654_435_761 % (1 << 32)))
}

fn client(n: u64) -> ClientId {
    ClientId(uuid(4, n))
}

/// SQL of the same id.
fn sql_id(backend: DatabaseBackend, kind: u64, n: &str) -> String {
    match backend {
        DatabaseBackend::Postgres => {
            let part = |value: String, width| format!("lpad(to_hex({value}), {width}, '0')");
            let scattered = format!("(({n})::bigint * 2654435761) % 4294967296");
            format!(
                "({} || {} || {})::uuid",
                part(format!("({n})::bigint"), 16),
                part(format!("{kind}::bigint"), 8),
                part(scattered, 8)
            )
        }
        _ => format!("unhex(printf('%016x%08x%08x', {n}, {kind}, (({n}) * 2654435761) % 4294967296))"),
    }
}

/// One product and plan, `clients` clients with a profile and a credential each for sandbox and production; the first client's
/// production key, and its sandbox profile's token, are returned.
async fn fill(ctx: &Domain, clients: u64) -> Outcome<(String, String)> {
    let backend = ctx.db.get_database_backend();
    let postgres = backend == DatabaseBackend::Postgres;
    let series = |to: u64| match backend {
        DatabaseBackend::Postgres => format!("(select generate_series(1, {to}) as n) as s"),
        _ => format!("(with recursive s(n) as (select 1 union all select n + 1 from s where n < {to}) select n from s) as s"),
    };
    let id = |kind: u64, n: &str| sql_id(backend, kind, n);
    let at = if postgres { "'2026-01-01T00:00:00Z'::timestamptz" } else { "'2026-01-01T00:00:00+00:00'" };
    let list = if postgres { "'[]'::jsonb" } else { "'[]'" };
    let (yes, no) = if postgres { ("true", "false") } else { ("1", "0") };
    let random = |n: &str| match backend {
        DatabaseBackend::Postgres => format!("decode(md5(({n})::text) || md5('x' || ({n})::text), 'hex')"),
        _ => "randomblob(32)".to_owned(),
    };
    let lookup = |n: &str| if postgres { format!("lpad(({n})::text, 12, '0')") } else { format!("printf('%012d', {n})") };
    let (team, product, plan, spec) = (id(0, "1"), id(1, "1"), id(2, "1"), id(8, "1"));
    let served = if postgres { r#"'["SANDBOX","PRODUCTION"]'::jsonb"# } else { r#"'["SANDBOX","PRODUCTION"]'"# };
    let pricing = if postgres { r#"'{"model":"FREE"}'::jsonb"# } else { r#"'{"model":"FREE"}'"# };
    // Odd profiles and credentials are production's, even ones the sandbox's.
    let lane = "case when s.n % 2 = 1 then 'production' else 'sandbox' end";
    let owner = id(4, "(s.n + 1) / 2");
    let statements = [
        format!("insert into teams (id, name, slug, internal, status, created_at, version) select {team}, 't', 't', {no}, 'active', {at}, 1"),
        format!(
            "insert into products (id, slug, name, summary, status, visibility, base_path, created_at, version)
             select {product}, 'pay', 'Pay', '', 'published', 'public', 'pay', {at}, 1"
        ),
        format!(
            "insert into product_environments (id, product_id, environment, backend, upstream_url, headers, timeout_ms, log_sink)
             select {}, {product}, {lane}, 'upstream', 'http://127.0.0.1:9/', {list}, 1000, 'database' from {}",
            id(9, "s.n"),
            series(2)
        ),
        format!(
            "insert into spec_versions (id, product_id, version, openapi, status, path_prefix, served_by, digest, published_at)
             select {spec}, {product}, '1', '3.1.0', 'current', '', {served}, '', {at}"
        ),
        format!(
            "insert into endpoints (id, product_id, spec_id, position, method, path, document_path, tags, scopes, deprecated, status, search_text)
             select {}, {product}, {spec}, s.n, 'GET', case when s.n = 1 then '/charges/{{id}}' else '/things/' || s.n || '/{{id}}' end, '', {list}, {list}, {no}, 'published', ''
             from {}",
            id(10, "s.n"),
            series(200)
        ),
        format!(
            "insert into plans (id, product_id, slug, name, status, version, pricing, approval, has_sandbox, scopes, features, created_at)
             select {plan}, {product}, 'free', 'Free', 'active', 1, {pricing}, 'automatic', {no}, {list}, {list}, {at}"
        ),
        format!(
            "insert into subscriptions (id, team_id, plan_id, product_id, name, status, created_at, version)
             select {}, {team}, {plan}, {product}, 's', 'active', {at}, 1 from {}",
            id(3, "s.n"),
            series(clients)
        ),
        format!(
            "insert into clients (id, team_id, subscription_id, name, enabled, portal_access, created_at, version)
             select {}, {team}, {}, 'c', {yes}, {no}, {at}, 1 from {}",
            id(4, "s.n"),
            id(3, "s.n"),
            series(clients)
        ),
        format!(
            "insert into profiles (id, team_id, client_id, name, environment, auth_method, allowed_methods, ip_allowlist, enabled, created_at, version)
             select {}, {team}, {owner}, {lane}, {lane}, case when s.n = 2 then 'token' else 'api_key' end, {list}, {list}, {yes}, {at}, 1 from {}",
            id(5, "s.n"),
            series(clients * 2)
        ),
        format!(
            "insert into credentials (id, team_id, client_id, profile_id, kind, environment, status, created_at, version)
             select {}, {team}, {owner}, {}, case when s.n = 2 then 'token' else 'api_key' end, {lane}, 'active', {at}, 1 from {}",
            id(6, "s.n"),
            id(5, "s.n"),
            series(clients * 2)
        ),
        format!(
            "insert into credential_secrets (id, credential_id, lookup, hash, valid_from)
             select {}, {}, {}, {}, {at} from {}",
            id(7, "s.n"),
            id(6, "s.n"),
            lookup("s.n"),
            random("s.n"),
            series(clients * 2)
        ),
    ];
    for statement in &statements {
        ctx.db.execute_unprepared(statement).await.map_err(|e| format!("{e}\n{statement}"))?;
    }
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let blob = |bytes: &[u8]| if postgres { format!("'\\x{}'", hex(bytes)) } else { format!("x'{}'", hex(bytes)) };
    let key = issue(SecretKind::ApiKey, Environment::Production, &ctx.env.random::<RANDOM_BYTES>());
    let token = issue(SecretKind::Token, Environment::Sandbox, &ctx.env.random::<RANDOM_BYTES>());
    for (n, issued) in [("1", &key), ("2", &token)] {
        let lookup = issued.lookup.as_ref().map_or("null".to_owned(), |lookup| format!("'{lookup}'"));
        let (hash, row) = (blob(&issued.hash), id(7, n));
        ctx.db
            .execute_unprepared(&format!("update credential_secrets set lookup = {lookup}, hash = {hash} where id = {row}"))
            .await?;
    }
    ctx.db.execute_unprepared("analyze").await?;
    Ok((key.secret.expose_secret().to_owned(), token.secret.expose_secret().to_owned()))
}
