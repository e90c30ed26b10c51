//! The gateway beside what it is measured against, in turn, in interleaved rounds, over loopback:
//!
//! `cargo bench -p api --bench gateway -- [--rounds 5] [--seconds 4] [--connections 64] [--credentials 1000]`
//!
//! Each contender is a process of its own before the same upstream: the upstream itself, a bare pass-through on the same HTTP
//! stack, the gateway with key, rate limit, quota and log (to standard output, as nginx logs to a file, and to the database),
//! nginx with a plain `proxy_pass`, and nginx with a key map, `limit_req` and an access log. The load is `wrk`, where it is
//! installed, and a generator of this program's else. All processes end with the program.

#![allow(clippy::unwrap_used, reason = "a bench ends where something is not as it expects")]

#[path = "../tests/gateway/catalog.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod catalog;
#[path = "gateway/contenders.rs"]
mod contenders;
#[path = "gateway/load.rs"]
mod load;
#[path = "gateway/report.rs"]
mod report;

use contenders::Contender;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a run is asked to do.
pub struct Plan {
    pub rounds: usize,
    pub seconds: u64,
    pub connections: usize,
    pub credentials: usize,
}

impl Plan {
    fn read(arguments: &[String]) -> Self {
        let after = |name: &str, default: usize| {
            let at = arguments.iter().position(|a| a == name);
            at.and_then(|at| arguments.get(at + 1)?.parse().ok()).unwrap_or(default)
        };
        Self {
            rounds: after("--rounds", 5),
            seconds: after("--seconds", 4) as u64,
            connections: after("--connections", 64),
            credentials: after("--credentials", contenders::KEYS),
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("serve") => contenders::serve(&arguments[1..]),
        Some("load") => load::child(&arguments[1..]),
        _ => run(&Plan::read(&arguments)),
    }
}

fn run(plan: &Plan) {
    let stage = contenders::Stage::set(plan);
    let contenders = stage.contenders();
    report::about(plan, &contenders);
    contenders.iter().for_each(|contender| load::warm(contender, stage.keys()));
    let mut results: Vec<Vec<load::Result>> = contenders.iter().map(|_| Vec::new()).collect();
    for round in 0..plan.rounds {
        // Each begins a round in its turn, so that none is always the one after the idle pause.
        for step in 0..contenders.len() {
            let at = (round + step) % contenders.len();
            results[at].push(load::full(&contenders[at], stage.keys(), plan));
        }
    }
    report::full(&contenders, &results);
    let half = report::half_of(&contenders, &results);
    let steady: Vec<Vec<load::Result>> = contenders
        .iter()
        .map(|contender| (0..plan.rounds.min(3)).map(|_| load::steady(contender, stage.keys(), plan, half)).collect())
        .collect();
    report::steady(half, &contenders, &steady);
    contenders.iter().for_each(Contender::report);
}
