//! Says what changed between two documents: `cargo run --release -p domain --example spec_changes -- OLD NEW`

use std::{fs::read_to_string, time::Instant};

use domain::rules::{
    openapi::{self, Document},
    patience::Patience,
    spec_changes::compare,
};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1);
    let (Some(old), Some(new)) = (arguments.next(), arguments.next()) else { return Err("usage: spec_changes OLD NEW".into()) };
    let (old, new) = (document(&old)?, document(&new)?);
    let clock = Instant::now();
    let changes = compare(&old, &new, &Patience::endless()).ok_or("not compared")?;
    let took = clock.elapsed();
    for change in &changes {
        let mark = if change.breaking { "breaking" } else { "        " };
        println!("{mark} {:?}\t{}\t{}", change.kind, change.operation.as_deref().unwrap_or("-"), change.text);
    }
    let breaking = changes.iter().filter(|change| change.breaking).count();
    eprintln!("{} changes, {breaking} breaking, in {:.2} s; {} MB at most", changes.len(), took.as_secs_f64(), most_memory());
    Ok(())
}

fn document(path: &str) -> Outcome<Document> {
    let imported = openapi::read(&read_to_string(path)?).map_err(|faults| {
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        format!("{path}: {}", faults.join("; "))
    })?;
    Ok(Document::index(imported.json)?)
}

/// Megabytes that were resident at most.
fn most_memory() -> u64 {
    let status = read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or_default() >> 10
}
