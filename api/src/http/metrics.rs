//! Counters of this process, in Prometheus' text format.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{Mutex, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
    time::Duration,
};

use chrono::{DateTime, Utc};
use entities::enums::JobState;

use crate::{gateway::Counts, output};

/// Upper bounds of the time classes, in seconds.
const BOUNDS: [f64; 8] = [0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0];

pub struct Metrics {
    started: DateTime<Utc>,
    /// By route and status. Routes are those of the router, never a path as it was sent.
    requests: Mutex<BTreeMap<(String, u16), Times>>,
    statements: Mutex<Times>,
}

/// How many, and how long they took.
#[derive(Default)]
struct Times {
    count: u64,
    seconds: f64,
    /// Of each time class, without those below.
    classes: [u64; BOUNDS.len()],
}

impl Metrics {
    pub fn new(started: DateTime<Utc>) -> Self {
        Self { started, requests: Mutex::default(), statements: Mutex::default() }
    }

    pub fn request(&self, route: &str, status: u16, took: Duration) {
        lock(&self.requests).entry((route.to_owned(), status)).or_default().add(took);
    }

    /// A statement that the database answered.
    pub fn statement(&self, took: Duration) {
        lock(&self.statements).add(took);
    }

    pub fn text(&self) -> String {
        let mut out = String::new();
        family(&mut out, "process_start_time_seconds", "gauge", "When the process started, in seconds since 1970.");
        let _ = writeln!(out, "process_start_time_seconds {}", self.started.timestamp());
        let name = "portico_http_request_duration_seconds";
        family(&mut out, name, "histogram", "Requests to the API listener, by route and status.");
        for ((route, status), times) in lock(&self.requests).iter() {
            times.write(&mut out, name, &format!("route=\"{route}\",status=\"{status}\","));
        }
        let name = "portico_database_statement_duration_seconds";
        family(&mut out, name, "histogram", "Statements to the database.");
        lock(&self.statements).write(&mut out, name, "");
        let name = "portico_output_lines_lost_total";
        family(
            &mut out,
            name,
            "counter",
            "Lines that could not be written: their reader stopped or went away, or the disk is full.",
        );
        for (output, lines) in ["stdout", "stderr"].iter().zip(output::lost()) {
            let _ = writeln!(out, "{name}{{output=\"{output}\"}} {lines}");
        }
        out
    }
}

impl Times {
    fn add(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        self.count += 1;
        self.seconds += seconds;
        if let Some(class) = BOUNDS.iter().position(|bound| seconds <= *bound) {
            self.classes[class] += 1;
        }
    }

    /// `labels` end in a comma where there are any.
    fn write(&self, out: &mut String, name: &str, labels: &str) {
        let mut below = 0;
        for (bound, class) in BOUNDS.iter().zip(self.classes) {
            below += class;
            let _ = writeln!(out, "{name}_bucket{{{labels}le=\"{bound}\"}} {below}");
        }
        let _ = writeln!(out, "{name}_bucket{{{labels}le=\"+Inf\"}} {}", self.count);
        let labels = match labels.strip_suffix(',') {
            Some(labels) => format!("{{{labels}}}"),
            None => String::new(),
        };
        let _ = writeln!(out, "{name}_sum{labels} {}", self.seconds);
        let _ = writeln!(out, "{name}_count{labels} {}", self.count);
    }
}

fn lock<T>(counted: &Mutex<T>) -> MutexGuard<'_, T> {
    counted.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The gateway's part, where this process runs one.
pub fn gateway(out: &mut String, counts: &Counts) {
    family(out, "portico_gateway_calls_total", "counter", "Calls that the gateway answered, by the status' class.");
    for (class, calls) in (1..).zip(&counts.calls) {
        let _ = writeln!(out, "portico_gateway_calls_total{{status=\"{class}xx\"}} {}", calls.load(Relaxed));
    }
    family(
        out,
        "portico_request_log_rows_total",
        "counter",
        "Calls for the request log: written, and given up for want of room.",
    );
    for (outcome, rows) in [("written", &counts.logged), ("dropped", &counts.log_dropped)] {
        let _ = writeln!(out, "portico_request_log_rows_total{{outcome=\"{outcome}\"}} {}", rows.load(Relaxed));
    }
}

/// The queue's part.
pub fn jobs(out: &mut String, counts: &[(JobState, i64)], oldest_seconds: i64) {
    family(out, "portico_jobs", "gauge", "Jobs by state.");
    for (name, state) in
        [("waiting", JobState::Ready), ("running", JobState::Running), ("dead", JobState::Dead), ("done", JobState::Done)]
    {
        let count = counts.iter().find(|(counted, _)| *counted == state).map_or(0, |(_, count)| *count);
        let _ = writeln!(out, "portico_jobs{{state=\"{name}\"}} {count}");
    }
    family(out, "portico_jobs_oldest_due_seconds", "gauge", "How long the oldest due job has waited.");
    let _ = writeln!(out, "portico_jobs_oldest_due_seconds {oldest_seconds}");
}

/// A family's head.
fn family(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_is_counted() {
        let metrics = Metrics::new(DateTime::from_timestamp(1_767_603_600, 0).unwrap());
        metrics.request("/graphql", 200, Duration::from_millis(20));
        metrics.request("/graphql", 200, Duration::from_secs(60));
        metrics.statement(Duration::from_millis(1));
        let mut text = metrics.text();
        let counts = Counts::default();
        counts.calls[3].store(7, Relaxed);
        gateway(&mut text, &counts);
        for line in [
            "process_start_time_seconds 1767603600",
            "portico_http_request_duration_seconds_bucket{route=\"/graphql\",status=\"200\",le=\"0.005\"} 0",
            "portico_http_request_duration_seconds_bucket{route=\"/graphql\",status=\"200\",le=\"15\"} 1",
            "portico_http_request_duration_seconds_bucket{route=\"/graphql\",status=\"200\",le=\"+Inf\"} 2",
            "portico_http_request_duration_seconds_sum{route=\"/graphql\",status=\"200\"} 60.02",
            "portico_database_statement_duration_seconds_bucket{le=\"0.005\"} 1",
            "portico_database_statement_duration_seconds_count 1",
            "portico_gateway_calls_total{status=\"4xx\"} 7",
            "portico_request_log_rows_total{outcome=\"dropped\"} 0",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
    }
}
