//! The commands of the one binary.

use std::{fmt::Display, io::ErrorKind, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use domain::{
    Domain, DomainError,
    env::Env,
    ops::{access_tokens, second_factor, staff},
    queue,
};
use entities::{enums::StaffRole, id::JobId};
use jobs::table::table;
use secrecy::ExposeSecret;

use crate::{
    app::{self, Role, StartError, storage},
    backup, check,
    config::Config,
    demo, logging, output,
};

/// A self-hosted API developer portal: GraphQL API, background workers and gateway in one program.
#[derive(Parser)]
#[command(name = "portico", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the portal, the workers and the gateway.
    Serve {
        /// Which parts this process runs.
        #[arg(long, value_enum, default_value = "all")]
        role: Role,
    },
    /// Bring the database up to date (serve does so too).
    Migrate {
        #[command(subcommand)]
        what: Option<Migrate>,
    },
    /// Walk a partner's whole journey on a throw-away instance, then serve it until Ctrl-C.
    Demo {
        /// End after the walk; an error where a step failed.
        #[arg(long)]
        once: bool,
    },
    /// Print the GraphQL schema.
    Sdl,
    /// Staff members.
    Staff {
        #[command(subcommand)]
        what: Staff,
    },
    /// Make an access token for a person, and print it alone on one line.
    Token {
        email: String,
        /// What the token is listed as.
        #[arg(long, default_value = "command line")]
        name: String,
    },
    /// What is waiting, running, dead.
    Jobs {
        #[command(subcommand)]
        what: Option<Jobs>,
    },
    /// Say of each part that the program depends on whether it is reachable and how it is set.
    Check {
        /// Take a database that was copied back from before for what it is: what was revoked since has been revoked again.
        #[arg(long)]
        accept_restore: bool,
    },
    /// Make a consistent copy of a running SQLite database. The key is not in it.
    Backup { file: PathBuf },
}

#[derive(Subcommand)]
enum Migrate {
    /// List what is not applied yet.
    Status,
}

#[derive(Subcommand)]
enum Staff {
    /// Make or change a staff member.
    Add {
        email: String,
        /// OWNER, ADMIN, EDITOR, REVIEWER, AUDITOR or VIEWER.
        #[arg(value_parser = role)]
        role: StaffRole,
    },
    /// Take away the second factor of somebody who has lost it, and end their sessions.
    ResetSecondFactor { email: String },
}

#[derive(Subcommand)]
enum Jobs {
    /// The dead first, then what is due soonest.
    List,
    /// Make a dead or waiting job due now.
    Retry { id: JobId },
    /// Set a waiting or running job aside.
    Park { id: JobId },
}

/// Rows that `jobs list` shows.
const LISTED_JOBS: u64 = 200;

fn role(text: &str) -> Result<StaffRole, String> {
    serde_json::from_value(text.to_uppercase().into())
        .map_err(|_| "a role is OWNER, ADMIN, EDITOR, REVIEWER, AUDITOR or VIEWER".to_owned())
}

pub fn run(cli: Cli) -> ExitCode {
    let code = match execute(cli.command) {
        Ok(code) => code,
        // The reader has heard enough, as `head` has: what a shell says of a program that SIGPIPE ends.
        Err(StartError::Output(error)) if error.kind() == ErrorKind::BrokenPipe => ExitCode::from(141),
        Err(error) => {
            logging::fatal(Config::log_format_alone(), &error);
            ExitCode::FAILURE
        }
    };
    output::finish();
    code
}

fn execute(command: Command) -> Result<ExitCode, StartError> {
    match command {
        Command::Sdl => {
            print(crate::graphql::sdl().trim_end())?;
            Ok(ExitCode::SUCCESS)
        }
        // A throw-away instance has settings of its own.
        Command::Demo { once } => Ok(app::runtime()?.block_on(demo::run(once))),
        configured => execute_configured(configured),
    }
}

fn execute_configured(command: Command) -> Result<ExitCode, StartError> {
    let config = Config::load()?;
    logging::start(&config);
    match command {
        Command::Serve { role } => app::serve_until_signal(config, role)?,
        Command::Check { accept_restore } => return app::runtime()?.block_on(say_check(&config, accept_restore)),
        Command::Backup { file } => print(app::runtime()?.block_on(backup::run(&config, &file))?)?,
        Command::Migrate { what } => app::runtime()?.block_on(migrate(&config, what))?,
        Command::Sdl | Command::Demo { .. } => {}
        Command::Staff { what: Staff::Add { email, role } } => in_domain(&config, async |domain| {
            let cmd = staff::SetStaffRole { email, role: Some(role) };
            let user = staff::set_role(domain, &domain::Actor::system(), cmd).await?;
            Ok(format!("{} is {}", user.email, word(&role)))
        })?,
        Command::Staff { what: Staff::ResetSecondFactor { email } } => in_domain(&config, async |domain| {
            let user = second_factor::reset_for(domain, &email).await?;
            Ok(format!("{} signs in without a second factor", user.email))
        })?,
        Command::Token { email, name } => in_domain(&config, async |domain| {
            let cmd = access_tokens::CreateAccessToken { name, expires_in_days: None };
            let made = access_tokens::create_for(domain, &email.to_lowercase(), cmd).await?;
            Ok(made.secret.expose_secret().to_owned())
        })?,
        Command::Jobs { what } => in_domain(&config, async |domain| jobs(domain, what).await)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn print(text: impl Display) -> Result<(), StartError> {
    output::print(text).map_err(StartError::Output)
}

/// Runs an operation on the opened database, and prints what it says.
fn in_domain(config: &Config, run: impl AsyncFnOnce(&Domain) -> Result<String, DomainError>) -> Result<(), StartError> {
    let said = app::runtime()?.block_on(async {
        let domain = storage::open(config, Env::system()).await?;
        Ok::<_, StartError>(run(&domain).await?)
    })?;
    print(said)
}

async fn say_check(config: &Config, accept_restore: bool) -> Result<ExitCode, StartError> {
    if accept_restore {
        check::accept_restore(config).await?;
    }
    let findings = check::run(config).await;
    for finding in &findings {
        match &finding.said {
            Ok(said) => print(format_args!("ok     {:<17} {said}", finding.part))?,
            Err(wrong) => print(format_args!("wrong  {:<17} {wrong}", finding.part))?,
        }
    }
    let fine = findings.iter().all(|finding| finding.said.is_ok());
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn migrate(config: &Config, what: Option<Migrate>) -> Result<(), StartError> {
    storage::prepare(config)?;
    let db = storage::connect(config, true).await.map_err(StartError::Database)?;
    let pending = migration::pending(&db).await.map_err(StartError::Migration)?;
    drop(db);
    match what {
        Some(Migrate::Status) if pending.is_empty() => print("up to date"),
        Some(Migrate::Status) => pending.iter().try_for_each(|name| print(format_args!("to apply  {name}"))),
        None => {
            storage::up_to_date(config).await?;
            pending.iter().try_for_each(|name| print(format_args!("applied  {name}")))?;
            print("up to date")
        }
    }
}

async fn jobs(domain: &Domain, what: Option<Jobs>) -> Result<String, DomainError> {
    let jobs = match what.unwrap_or(Jobs::List) {
        Jobs::List => queue::list(domain, LISTED_JOBS).await?,
        Jobs::Retry { id } => vec![queue::retry(domain, id).await?],
        Jobs::Park { id } => vec![queue::park(domain, id).await?],
    };
    Ok(table(&jobs, domain.now()))
}

/// An enum's value as the contract writes it.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
