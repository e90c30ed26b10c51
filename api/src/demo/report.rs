//! What the demo prints: a line a step, with its time and its result.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use super::person::Failure;

const STEP_WIDTH: usize = 46;

pub struct Report {
    colors: bool,
    started: Instant,
}

impl Report {
    pub fn new() -> Self {
        Self { colors: io::stdout().is_terminal(), started: Instant::now() }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colors { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// One line. Nobody reading any more is no reason to stop.
    pub fn line(&self, text: &str) {
        let _ = writeln!(io::stdout(), "{text}");
    }

    pub fn title(&self, text: &str) {
        self.line(&format!("\n{}", self.paint("1", text)));
    }

    /// Runs a step, prints it with its time and what it gave, and hands on its value.
    pub async fn step<T>(&self, what: &str, doing: impl Future<Output = Result<(String, T), Failure>>) -> Result<T, Failure> {
        let began = Instant::now();
        let done = doing.await;
        let time = millis(began.elapsed());
        match done {
            Ok((result, value)) => {
                let mark = self.paint("32", "✓");
                self.line(&format!("  {mark} {what:<STEP_WIDTH$} {:>9}  {result}", self.paint("2", &time)));
                Ok(value)
            }
            Err(error) => {
                let mark = self.paint("31", "✗");
                self.line(&format!("  {mark} {what:<STEP_WIDTH$} {time:>9}  {error}"));
                Err(error)
            }
        }
    }

    /// A row of the table of checks.
    pub fn check(&self, what: &str, status: u16, expected: u16, code: &str) {
        let color = if status == expected { "32" } else { "31" };
        self.line(&format!("  {} {what:<STEP_WIDTH$} {code}", self.paint(color, &status.to_string())));
    }

    pub fn total(&self) -> String {
        format!("{:.1} s", self.started.elapsed().as_secs_f64())
    }
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
