//! What came out, as medians over the rounds and as ratios to what it is measured against.

use super::{Plan, contenders::Contender, load::Result};

const PASS_THROUGH: &str = "pass-through";
const NGINX: &str = "nginx key, limit, log";

pub fn about(plan: &Plan, contenders: &[Contender]) {
    println!(
        "{} contenders, {} rounds of {} s each, {} connections, {} keys in use of {} credentials",
        contenders.len(),
        plan.rounds,
        plan.seconds,
        plan.connections,
        super::contenders::KEYS,
        plan.credentials
    );
}

fn median(results: &[Result], of: impl Fn(&Result) -> f64) -> f64 {
    let mut values: Vec<f64> = results.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn named<'a>(contenders: &[Contender], results: &'a [Vec<Result>], name: &str) -> &'a [Result] {
    contenders.iter().position(|c| c.name == name).map_or(&[], |at| &results[at])
}

/// The median of the ratios round by round: what slowed a round slowed both.
fn ratio(of: &[Result], to: &[Result]) -> f64 {
    let mut ratios: Vec<f64> = of.iter().zip(to).map(|(a, b)| a.rate / b.rate).collect();
    ratios.sort_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN)
}

pub fn full(contenders: &[Contender], results: &[Vec<Result>]) {
    println!(
        "\nas fast as it goes: medians\n{:<26} {:>9} {:>8} {:>8} {:>14} {:>10}",
        "", "req/s", "p50 ms", "p99 ms", "/pass-through", "/nginx"
    );
    let (bare, nginx) = (named(contenders, results, PASS_THROUGH), named(contenders, results, NGINX));
    for (contender, results) in contenders.iter().zip(results) {
        println!(
            "{:<26} {:>9.0} {:>8.2} {:>8.2} {:>14.2} {:>10.2}{}",
            contender.name,
            median(results, |r| r.rate),
            median(results, |r| r.p50),
            median(results, |r| r.p99),
            ratio(results, bare),
            ratio(results, nginx),
            wrong(results)
        );
    }
}

/// Half of what the gateway takes, in requests a second.
pub fn half_of(contenders: &[Contender], results: &[Vec<Result>]) -> usize {
    let portico = contenders.iter().zip(results).filter(|(c, _)| c.name.starts_with("portico"));
    let slowest = portico.map(|(_, results)| median(results, |r| r.rate)).fold(f64::INFINITY, f64::min);
    (slowest / 2.0) as usize
}

pub fn steady(rate: usize, contenders: &[Contender], results: &[Vec<Result>]) {
    println!(
        "\nat {rate} requests a second: medians\n{:<26} {:>9} {:>8} {:>8} {:>12}",
        "", "req/s", "p50 ms", "p99 ms", "p99 added"
    );
    let direct = results.first().map_or(0.0, |r| median(r, |r| r.p99));
    for (contender, results) in contenders.iter().zip(results) {
        let p99 = median(results, |r| r.p99);
        println!(
            "{:<26} {:>9.0} {:>8.2} {:>8.2} {:>12.2}{}",
            contender.name,
            median(results, |r| r.rate),
            median(results, |r| r.p50),
            p99,
            p99 - direct,
            wrong(results)
        );
    }
}

fn wrong(results: &[Result]) -> String {
    match results.iter().map(|r| r.wrong).sum::<usize>() {
        0 => String::new(),
        wrong => format!("  {wrong} wrong"),
    }
}
