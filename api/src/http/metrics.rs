//! Counters of this process, in Prometheus' text format.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use entities::enums::JobState;

/// Upper bounds of the time classes, in seconds.
const BOUNDS: [f64; 8] = [0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0];

pub struct Metrics {
    started: DateTime<Utc>,
    /// By route and status. Routes are those of the router, never a path as it was sent.
    requests: Mutex<BTreeMap<(String, u16), Requests>>,
}

#[derive(Default)]
struct Requests {
    count: u64,
    seconds: f64,
    /// Of each time class, without those below.
    classes: [u64; BOUNDS.len()],
}

impl Metrics {
    pub fn new(started: DateTime<Utc>) -> Self {
        Self { started, requests: Mutex::default() }
    }

    pub fn request(&self, route: &str, status: u16, took: Duration) {
        let mut all = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let requests = all.entry((route.to_owned(), status)).or_default();
        let seconds = took.as_secs_f64();
        requests.count += 1;
        requests.seconds += seconds;
        if let Some(class) = BOUNDS.iter().position(|bound| seconds <= *bound) {
            requests.classes[class] += 1;
        }
    }

    pub fn text(&self) -> String {
        let mut out = String::new();
        family(&mut out, "process_start_time_seconds", "gauge", "When the process started, in seconds since 1970.");
        let _ = writeln!(out, "process_start_time_seconds {}", self.started.timestamp());
        family(
            &mut out,
            "portico_http_request_duration_seconds",
            "histogram",
            "Requests to the API listener, by route and status.",
        );
        let all = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        for ((route, status), requests) in all.iter() {
            let labels = format!("route=\"{route}\",status=\"{status}\"");
            let name = "portico_http_request_duration_seconds";
            let mut below = 0;
            for (bound, class) in BOUNDS.iter().zip(requests.classes) {
                below += class;
                let _ = writeln!(out, "{name}_bucket{{{labels},le=\"{bound}\"}} {below}");
            }
            let _ = writeln!(out, "{name}_bucket{{{labels},le=\"+Inf\"}} {}", requests.count);
            let _ = writeln!(out, "{name}_sum{{{labels}}} {}", requests.seconds);
            let _ = writeln!(out, "{name}_count{{{labels}}} {}", requests.count);
        }
        out
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
    fn requests_are_counted_by_route_status_and_time() {
        let metrics = Metrics::new(DateTime::from_timestamp(1_767_603_600, 0).unwrap());
        metrics.request("/graphql", 200, Duration::from_millis(20));
        metrics.request("/graphql", 200, Duration::from_secs(60));
        let text = metrics.text();
        for line in [
            "process_start_time_seconds 1767603600",
            "portico_http_request_duration_seconds_bucket{route=\"/graphql\",status=\"200\",le=\"0.005\"} 0",
            "portico_http_request_duration_seconds_bucket{route=\"/graphql\",status=\"200\",le=\"15\"} 1",
            "portico_http_request_duration_seconds_bucket{route=\"/graphql\",status=\"200\",le=\"+Inf\"} 2",
            "portico_http_request_duration_seconds_sum{route=\"/graphql\",status=\"200\"} 60.02",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
    }
}
