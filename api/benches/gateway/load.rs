//! The load: `wrk` at full speed, or this program's own generator, which can also keep a steady rate.

use std::{
    fs,
    net::SocketAddr,
    process::Command,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::sleep_until,
};

use super::{Plan, contenders::Contender};

/// What one round came to.
#[derive(Debug, Clone, Copy)]
pub struct Result {
    /// Answers a second.
    pub rate: f64,
    /// Milliseconds.
    pub p50: f64,
    pub p99: f64,
    /// Answers other than 2xx, and connections that broke.
    pub wrong: usize,
}

/// As much as the contender takes.
pub fn full(contender: &Contender, keys: &[String], plan: &Plan) -> Result {
    wrk(contender.address, keys, plan).unwrap_or_else(|| own(contender.address, keys, plan, 0))
}

/// So many requests a second, evenly; latency counts from when a request was due.
pub fn steady(contender: &Contender, keys: &[String], plan: &Plan, rate: usize) -> Result {
    own(contender.address, keys, plan, rate)
}

/// Uses every key once, so that what is made for a client's first call is there. A call that came too early is made again.
pub fn warm(contender: &Contender, keys: &[String]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut stream = TcpStream::connect(contender.address).await.unwrap();
        let mut buffer = Vec::with_capacity(8192);
        for request in keys.iter().map(|key| request(key)) {
            for _ in 0..50 {
                stream.write_all(&request).await.unwrap();
                if answered(&mut stream, &mut buffer).await {
                    break;
                }
            }
        }
    });
}

fn wrk(address: SocketAddr, keys: &[String], plan: &Plan) -> Option<Result> {
    let script = std::env::temp_dir().join(format!("portico-wrk-{}.lua", std::process::id()));
    let list: String = keys.iter().map(|key| format!("\"{key}\",")).collect();
    let text = format!(
        "local keys = {{{list}}}\nlocal requests = {{}}\nlocal at = 0\n\
         function init()\n for i, key in ipairs(keys) do requests[i] = wrk.format(\"GET\", nil, {{ [\"X-API-Key\"] = key }}) end\nend\n\
         function request()\n at = at % #requests + 1\n return requests[at]\nend\n"
    );
    fs::write(&script, text).ok()?;
    let mut command = Command::new("wrk");
    command.args(["-t1", "--latency", &format!("-c{}", plan.connections), &format!("-d{}s", plan.seconds), "-s"]);
    let output = command.arg(&script).arg(format!("http://{address}/pay/echo")).output();
    let _ = fs::remove_file(&script);
    let text = String::from_utf8(output.ok()?.stdout).ok()?;
    let after = |name: &str| text.lines().find_map(|line| line.trim().strip_prefix(name).map(str::trim));
    let wrong =
        after("Non-2xx or 3xx responses:").map_or(0, |n| n.parse().unwrap_or(1)) + usize::from(text.contains("Socket errors"));
    Some(Result {
        rate: after("Requests/sec:")?.parse().ok()?,
        p50: milliseconds(after("50%")?)?,
        p99: milliseconds(after("99%")?)?,
        wrong,
    })
}

fn milliseconds(text: &str) -> Option<f64> {
    let units = [("us", 0.001), ("ms", 1.0), ("s", 1000.0)];
    units.iter().find_map(|(unit, factor)| Some(text.strip_suffix(unit)?.parse::<f64>().ok()? * factor))
}

/// The generator in a process of its own, as wrk is.
fn own(address: SocketAddr, keys: &[String], plan: &Plan, rate: usize) -> Result {
    let list = std::env::temp_dir().join(format!("portico-keys-{}", std::process::id()));
    fs::write(&list, keys.join("\n")).unwrap();
    let arguments = [
        address.to_string(),
        list.display().to_string(),
        plan.connections.to_string(),
        plan.seconds.to_string(),
        rate.to_string(),
    ];
    let output = Command::new(std::env::current_exe().unwrap()).arg("load").args(&arguments).output().unwrap();
    let _ = fs::remove_file(&list);
    let text = String::from_utf8(output.stdout).unwrap();
    let numbers: Vec<f64> = text.split_whitespace().map(|n| n.parse().unwrap()).collect();
    Result { rate: numbers[0], p50: numbers[1], p99: numbers[2], wrong: numbers[3] as usize }
}

/// The generator's process: prints rate, p50, p99 and wrong answers.
pub fn child(arguments: &[String]) {
    let address = arguments[0].parse().unwrap();
    let keys: Vec<String> = fs::read_to_string(&arguments[1]).unwrap().lines().map(str::to_owned).collect();
    let [connections, seconds, rate] = [2, 3, 4].map(|at| arguments[at].parse::<usize>().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let end = Instant::now() + Duration::from_secs(seconds as u64);
    let began = Instant::now();
    let parts = runtime.block_on(futures_util::future::join_all((0..connections).map(|at| {
        let own: Vec<Vec<u8>> = keys.iter().skip(at).step_by(connections).map(|key| request(key)).collect();
        let pace = (rate > 0).then(|| Duration::from_secs_f64(connections as f64 / rate as f64));
        let start = began + pace.unwrap_or_default().mul_f64(at as f64 / connections as f64);
        converse(address, own, start, end, pace)
    })));
    let wrong: usize = parts.iter().map(|(_, wrong)| wrong).sum();
    let mut times: Vec<u64> = parts.into_iter().flat_map(|(times, _)| times).collect();
    times.sort_unstable();
    let at = |part: f64| times.get((times.len() as f64 * part) as usize).map_or(0.0, |t| *t as f64 / 1000.0);
    println!("{} {} {} {wrong}", times.len() as f64 / began.elapsed().as_secs_f64(), at(0.5), at(0.99));
}

fn request(key: &str) -> Vec<u8> {
    format!("GET /pay/echo HTTP/1.1\r\nHost: bench\r\nX-API-Key: {key}\r\n\r\n").into_bytes()
}

/// One connection's calls: their times in microseconds, and how many went wrong.
async fn converse(
    address: SocketAddr,
    requests: Vec<Vec<u8>>,
    start: Instant,
    end: Instant,
    pace: Option<Duration>,
) -> (Vec<u64>, usize) {
    let mut times = Vec::new();
    let Ok(mut stream) = TcpStream::connect(address).await else { return (times, 1) };
    let _ = stream.set_nodelay(true);
    let mut buffer = Vec::with_capacity(8192);
    for (n, request) in (0u32..).zip(requests.iter().cycle()) {
        let due = pace.map_or_else(Instant::now, |pace| start + pace * n);
        if due >= end {
            break;
        }
        sleep_until(due.into()).await;
        if stream.write_all(request).await.is_err() || !answered(&mut stream, &mut buffer).await {
            return (times, 1);
        }
        times.push(u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
    (times, 0)
}

/// Reads one answer; false where it is not a 200.
async fn answered(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> bool {
    buffer.clear();
    loop {
        if !matches!(stream.read_buf(buffer).await, Ok(1..)) {
            return false;
        }
        let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let head = buffer[..end].to_ascii_lowercase();
        let head = String::from_utf8_lossy(&head);
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
        if buffer.len() >= end + 4 + length.unwrap_or(0) {
            return head.starts_with("http/1.1 200");
        }
    }
}
