//! The commands of the one binary.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
    Serve,
    /// Print the GraphQL schema.
    Sdl,
}

pub fn run(cli: Cli) -> ExitCode {
    match cli.command {
        Command::Sdl => {
            print!("{}", crate::graphql::sdl());
            ExitCode::SUCCESS
        }
        Command::Serve => match crate::app::serve_until_signal(crate::config::Config::default()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("portico: {error}");
                ExitCode::FAILURE
            }
        },
    }
}
