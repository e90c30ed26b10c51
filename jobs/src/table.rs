//! The queue as text, for the command line.

use chrono::{DateTime, TimeDelta, Utc};
use entities::{enums::JobState, outbox_job};

const HEAD: [&str; 6] = ["ID", "STATE", "KIND", "ATTEMPTS", "DUE", "LAST ERROR"];

/// A row per job, columns aligned, without a final line end; one sentence where there is none.
pub fn table(jobs: &[outbox_job::Model], now: DateTime<Utc>) -> String {
    if jobs.is_empty() {
        return "The queue is empty.".to_owned();
    }
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(jobs.iter().map(|job| row(job, now)));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; 6] = std::array::from_fn(width);
    let line = |row: &[String; 6]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn row(job: &outbox_job::Model, now: DateTime<Utc>) -> [String; 6] {
    let (state, due) = match job.state {
        JobState::Ready => ("waiting", when(job.due_at - now)),
        JobState::Running => ("running", "-".to_owned()),
        JobState::Dead => ("dead", "-".to_owned()),
        JobState::Done => ("done", "-".to_owned()),
    };
    [
        job.id.to_string(),
        state.to_owned(),
        job.kind.clone(),
        format!("{}/{}", job.attempts, job.max_attempts),
        due,
        job.last_error.clone().unwrap_or_else(|| "-".to_owned()),
    ]
}

/// The two largest units of a time from now.
fn when(left: TimeDelta) -> String {
    let seconds = left.num_seconds();
    match seconds {
        ..=0 => "now".to_owned(),
        1..60 => format!("in {seconds} s"),
        60..3_600 => format!("in {} min {} s", seconds / 60, seconds % 60),
        _ => format!("in {} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}
