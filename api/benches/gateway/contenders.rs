//! Who is measured: processes that are started here, and that end when this program does.

use std::{
    cell::RefCell,
    fs::{self, File},
    io::{BufRead, BufReader, Read},
    net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    rc::Rc,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use api::{
    gateway::{self, Settings},
    listen,
};
use bytes::Bytes;
use domain::{limits::Keeper, snapshot::Live};
use entities::enums::{LogSink, QuotaPeriod, RateWindow};
use http::{HeaderValue, Request, Response, header::HOST};
use http_body_util::Full;
use hyper::{body::Incoming, client::conn::http1::SendRequest, service::service_fn};
use hyper_util::rt::TokioIo;
use sea_orm::{ConnectionTrait, EntityTrait};
use tokio::{
    net::TcpStream,
    task::{LocalSet, spawn_local},
};

use super::{
    Plan,
    catalog::{self, Behind, Catalog, PlanLimits},
};

/// Keys that the load uses in turn, each of a client of its own; credentials beyond these are only there.
pub const KEYS: usize = 1000;

/// Something that listens.
pub struct Contender {
    pub name: &'static str,
    pub address: SocketAddr,
    /// Its processes.
    pids: Vec<u32>,
    /// What it said when it was ready.
    said: String,
}

/// Everything that runs. Dropped, it ends the processes and deletes the files.
pub struct Stage {
    children: RefCell<Vec<Child>>,
    folder: PathBuf,
    keys: Vec<String>,
    upstream: SocketAddr,
}

impl Drop for Stage {
    fn drop(&mut self) {
        for child in self.children.borrow_mut().iter_mut() {
            // nginx's master takes its workers with it on SIGTERM only.
            let _ = Command::new("kill").arg(child.id().to_string()).status();
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Stage {
    pub fn set(plan: &Plan) -> Self {
        let folder = std::env::temp_dir().join(format!("portico-bench-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let mut stage = Self { children: RefCell::default(), folder, keys: Vec::new(), upstream: ([127, 0, 0, 1], 0).into() };
        stage.upstream = stage.start("upstream", &["upstream"], Stdio::null()).address;
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let began = Instant::now();
        // Both hold the same, but for where the log goes.
        let (to_stdout, to_database) = (stage.folder.join("stdout"), stage.folder.join("database"));
        stage.keys = runtime.block_on(fill(&to_stdout, stage.upstream, plan.credentials));
        fs::create_dir_all(&to_database).unwrap();
        fs::copy(to_stdout.join("portico.db"), to_database.join("portico.db")).unwrap();
        runtime.block_on(log_to_database(&to_database));
        println!("{} credentials in {:.1} s", plan.credentials, began.elapsed().as_secs_f64());
        stage
    }

    pub fn keys(&self) -> &[String] {
        &self.keys
    }

    pub fn contenders(&self) -> Vec<Contender> {
        let upstream = self.upstream.to_string();
        let log = File::create(self.folder.join("portico.log")).unwrap();
        let mut all = vec![
            Contender { name: "upstream", address: self.upstream, pids: Vec::new(), said: String::new() },
            self.start("pass-through", &["bare", &upstream], Stdio::null()),
            self.start("portico, log to stdout", &["portico", &self.folder.join("stdout").to_string_lossy()], log.into()),
            self.start("portico, log to database", &["portico", &self.folder.join("database").to_string_lossy()], Stdio::null()),
        ];
        all.extend(self.nginx("nginx plain", false));
        all.extend(self.nginx("nginx key, limit, log", true));
        all
    }

    fn start(&self, name: &'static str, arguments: &[&str], output: Stdio) -> Contender {
        let program = std::env::current_exe().unwrap();
        let mut command = Command::new(program);
        let mut child =
            command.arg("serve").args(arguments).stdin(Stdio::piped()).stdout(output).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut said).unwrap();
        let address = said.split_whitespace().next().and_then(|a| a.parse().ok()).unwrap_or_else(|| panic!("{name}: {said}"));
        let contender = Contender { name, address, pids: vec![child.id()], said: said.trim().to_owned() };
        self.children.borrow_mut().push(child);
        contender
    }

    fn nginx(&self, name: &'static str, full: bool) -> Option<Contender> {
        let address = StdListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?;
        let folder = self.folder.join(if full { "nginx-full" } else { "nginx-plain" });
        fs::create_dir_all(folder.join("logs")).unwrap();
        let configuration = folder.join("nginx.conf");
        fs::write(&configuration, nginx_conf(address, self.upstream, full.then_some(&self.keys[..]))).unwrap();
        let mut command = Command::new("nginx");
        command.arg("-p").arg(&folder).arg("-c").arg(&configuration).arg("-e").arg(folder.join("logs/error.log"));
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        let pid = child.id();
        self.children.borrow_mut().push(child);
        for _ in 0..100 {
            if StdStream::connect(address).is_ok() {
                return Some(Contender { name, address, pids: vec![pid], said: String::new() });
            }
            thread::sleep(Duration::from_millis(20));
        }
        println!("{name} did not start: {}", fs::read_to_string(folder.join("logs/error.log")).unwrap_or_default());
        None
    }
}

impl Contender {
    /// What it said and how much memory it has, at the end.
    pub fn report(&self) {
        if let Some(pid) = self.pids.first().filter(|_| self.name.starts_with("portico")) {
            println!("{}: {}; {} MB after the load", self.name, self.said, resident(*pid) >> 20);
        }
    }
}

/// Resident memory of a process, in bytes.
fn resident(pid: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse::<usize>().ok()).unwrap_or_default() * 1024
}

fn nginx_conf(address: SocketAddr, upstream: SocketAddr, keys: Option<&[String]>) -> String {
    let (map, check, log) = match keys {
        None => (String::new(), "", "access_log off;"),
        Some(keys) => {
            let entries: String = (0..).zip(keys).map(|(i, key)| format!("    {key} client{i};\n")).collect();
            let map = format!(
                "map_hash_bucket_size 128;\nmap_hash_max_size 65536;\nmap $http_x_api_key $client {{\n    default \"\";\n{entries}}}\n\
                 limit_req_zone $client zone=calls:16m rate=1000000r/s;\n"
            );
            let check = "if ($client = \"\") { return 401; }\n limit_req zone=calls burst=1000000 nodelay;\n proxy_set_header X-Client $client;";
            (map, check, "access_log logs/access.log combined;")
        }
    };
    format!(
        "daemon off;\nworker_processes 2;\npid nginx.pid;\nevents {{ worker_connections 4096; }}\nhttp {{\n{log}\n{map}\
         keepalive_requests 100000000;\nclient_body_temp_path body;\nproxy_temp_path proxy;\nfastcgi_temp_path fastcgi;\n\
         uwsgi_temp_path uwsgi;\nscgi_temp_path scgi;\n\
         upstream up {{ server {upstream}; keepalive 256; keepalive_requests 100000000; }}\n\
         server {{ listen {address} reuseport;\n location /pay/ {{ {check}\n proxy_http_version 1.1;\n proxy_set_header Connection \"\";\n\
         proxy_pass http://up/; }} }}\n}}\n"
    )
}

async fn fill(folder: &Path, upstream: SocketAddr, credentials: usize) -> Vec<String> {
    fs::create_dir_all(folder).unwrap();
    let ctx = catalog::open(folder).await;
    let behind = Behind { log_sink: LogSink::Stdout, ..Behind::at(upstream) };
    let limits = PlanLimits { rate: Some((1_000_000, RateWindow::Second)), quota: Some((1_000_000_000_000, QuotaPeriod::Month)) };
    let catalog = Catalog::fill(&ctx, behind, limits).await;
    let mut keys = Vec::new();
    for _ in 0..KEYS {
        keys.push(catalog.another_key(&ctx).await);
    }
    if let Some(more @ 1..) = credentials.checked_sub(KEYS) {
        for statement in multiply(more) {
            ctx.db.execute_unprepared(&statement).await.unwrap();
        }
    }
    ctx.db.execute_unprepared("pragma wal_checkpoint(truncate)").await.unwrap();
    ctx.db.close().await.unwrap();
    keys
}

async fn log_to_database(folder: &Path) {
    let ctx = catalog::open(folder).await;
    use entities::product_environment as environment;
    let sink = sea_orm::sea_query::Expr::value(LogSink::Database);
    environment::Entity::update_many().col_expr(environment::Column::LogSink, sink).exec(&ctx.db).await.unwrap();
    ctx.db.close().await.unwrap();
}

/// Statements that add so many credentials: clients like the last one, each with a profile and a credential in it for sandbox and
/// production, as a subscription makes them.
fn multiply(more: usize) -> Vec<String> {
    let columns = |names: &str, copies: &str, from: &str| {
        format!("select {names} from {copies}, (select * from {from} order by rowid desc limit 1) as one")
    };
    // As ids are: in the order of their making, and random behind it.
    let id = "unhex(printf('%012x7000', 1767603600000 + i) || hex(randomblob(8)))";
    vec![
        format!(
            "create table copies as with recursive n(i) as (select 1 union all select i + 1 from n where i < {}) \
             select i, {id} as subscription, {id} as client from n",
            more / 2
        ),
        format!(
            "create table lanes as select client, lane, {id} as profile, {id} as credential, {id} as secret \
             from copies, (select 'sandbox' as lane union all select 'production') order by i"
        ),
        format!(
            "insert into subscriptions (id, team_id, plan_id, product_id, name, status, created_at, activated_at, version) {}",
            columns(
                "subscription, team_id, plan_id, product_id, name, status, created_at, activated_at, version",
                "copies",
                "subscriptions"
            )
        ),
        format!(
            "insert into clients (id, team_id, subscription_id, name, enabled, portal_access, created_at, version) {}",
            columns("client, team_id, subscription, name, enabled, portal_access, created_at, version", "copies", "clients")
        ),
        format!(
            "insert into profiles (id, team_id, client_id, name, environment, auth_method, allowed_methods, ip_allowlist, enabled, created_at, version) {}",
            columns(
                "profile, team_id, client, lane, lane, auth_method, allowed_methods, ip_allowlist, enabled, created_at, version",
                "lanes",
                "profiles"
            )
        ),
        format!(
            "insert into credentials (id, team_id, client_id, profile_id, kind, environment, status, masked, created_at, version) {}",
            columns(
                "credential, team_id, client, profile, kind, lane, status, masked, created_at, version",
                "lanes",
                "credentials"
            )
        ),
        format!(
            "insert into credential_secrets (id, credential_id, lookup, hash, valid_from) {}",
            columns("secret, credential, lower(hex(randomblob(6))), randomblob(32), valid_from", "lanes", "credential_secrets")
        ),
        "drop table copies".to_owned(),
        "drop table lanes".to_owned(),
    ]
}

/// A contender's own process: serves until its standard input ends.
pub fn serve(arguments: &[String]) {
    match arguments[0].as_str() {
        "upstream" => on_each_core(|| service_fn(|_| async { Ok::<_, hyper::Error>(reply()) })),
        "bare" => {
            let upstream: SocketAddr = arguments[1].parse().unwrap();
            on_each_core(move || {
                let pool = Rc::new(Pool { upstream, idle: RefCell::default() });
                service_fn(move |request| pass(pool.clone(), request))
            });
        }
        "portico" => portico(Path::new(&arguments[1])),
        other => panic!("no contender {other}"),
    }
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

fn reply() -> Response<Full<Bytes>> {
    static BODY: [u8; 1024] = [b'x'; 1024];
    Response::new(Full::new(Bytes::from_static(&BODY)))
}

/// hyper's HTTP/1 server on a runtime a core, as the gateway has it.
fn on_each_core<S, B>(service: impl Fn() -> S + Clone + Send + 'static)
where
    S: hyper::service::Service<Request<Incoming>, Response = Response<B>, Error = hyper::Error> + Clone + 'static,
    B: hyper::body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + 'static,
{
    let first = socket(([127, 0, 0, 1], 0).into());
    let address = first.local_addr().unwrap();
    let mut sockets = vec![first];
    sockets.extend((1..cores().get()).map(|_| socket(address)));
    for socket in sockets {
        let service = service.clone();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(LocalSet::new().run_until(async move {
                let socket = tokio::net::TcpListener::from_std(socket).unwrap();
                let service = service();
                loop {
                    let (stream, _) = socket.accept().await.unwrap();
                    stream.set_nodelay(true).unwrap();
                    spawn_local(
                        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone()),
                    );
                }
            }));
        });
    }
    eprintln!("{address}");
}

fn socket(address: SocketAddr) -> StdListener {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    runtime.block_on(async { listen::bind(address, true).unwrap().into_std().unwrap() })
}

fn cores() -> NonZeroUsize {
    thread::available_parallelism().unwrap()
}

/// The pass-through's connections to the upstream.
struct Pool {
    upstream: SocketAddr,
    idle: RefCell<Vec<SendRequest<Incoming>>>,
}

async fn pass(pool: Rc<Pool>, mut request: Request<Incoming>) -> Result<Response<Incoming>, hyper::Error> {
    let path = request.uri().path_and_query().map_or("/", |p| p.as_str());
    *request.uri_mut() = path.strip_prefix("/pay").unwrap_or("/").parse().unwrap();
    request.headers_mut().insert(HOST, HeaderValue::from_static("upstream"));
    let kept = pool.idle.borrow_mut().pop();
    let mut sender = match kept {
        Some(sender) => sender,
        None => {
            let stream = TcpStream::connect(pool.upstream).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            spawn_local(connection);
            sender
        }
    };
    sender.ready().await?;
    let response = sender.send_request(request).await?;
    pool.idle.borrow_mut().push(sender);
    Ok(response)
}

fn portico(folder: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let began = Instant::now();
    let gateway = runtime.block_on(async {
        let ctx = catalog::open(folder).await;
        let live = Live::start(ctx.clone()).await.unwrap();
        let keeper = Arc::new(Keeper::start(ctx.clone()));
        gateway::start(ctx, live, keeper, Settings::new(([127, 0, 0, 1], 0).into())).unwrap()
    });
    let ready = began.elapsed().as_secs_f64();
    eprintln!("{} ready in {ready:.2} s with {} MB", gateway.address(), resident(std::process::id()) >> 20);
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    runtime.block_on(gateway.stop());
}
