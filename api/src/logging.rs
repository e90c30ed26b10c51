//! Logs go to stderr: text for people, JSON for programs. Nothing waits for them, and nothing ends where they cannot be written.

use std::{
    fmt::Display,
    io::{self, IsTerminal},
};

use chrono::SecondsFormat;
use domain::env::Env;
use tracing_subscriber::{EnvFilter, fmt};

use crate::{
    config::{Config, LogFormat},
    output::{self, LogLines},
};

/// Starts logging for the process. A second start is without effect: tests share one process.
pub fn start(config: &Config) {
    // What is brought up to date is said once, and not a line for each step.
    let filter = EnvFilter::new(format!("sea_orm_migration=warn,sqlx::postgres::notice=warn,{}", config.log));
    let log =
        fmt().with_env_filter(filter).with_writer(LogLines).log_internal_errors(false).with_ansi(io::stderr().is_terminal());
    let started = match config.log_format {
        LogFormat::Text => log.with_target(false).try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    if started.is_ok() {
        // A panic is one line of the log, whichever format it has.
        std::panic::set_hook(Box::new(|panic| {
            let what = panic.payload_as_str().unwrap_or("no message");
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            tracing::error!(panic.message = what, panic.place = place, "a panic");
        }));
    }
}

/// What ends the program: one line, in the log's format, whatever the log leaves out.
pub fn fatal(format: LogFormat, error: &impl Display) {
    let line = match format {
        LogFormat::Text => format!("portico: {error}"),
        LogFormat::Json => serde_json::json!({
            "timestamp": Env::system().now().to_rfc3339_opts(SecondsFormat::Micros, true),
            "level": "ERROR",
            "message": error.to_string(),
        })
        .to_string(),
    };
    output::stderr().say(line);
}
