//! Everything that listens: GraphQL, the HTTP routes, the gateway; and the commands of the one binary.

mod address;
pub mod app;
pub mod auth;
pub mod backup;
pub mod check;
pub mod cli;
pub mod config;
pub mod demo;
pub mod dial;
pub mod dns;
pub mod error;
pub mod explorer;
pub mod gateway;
pub mod graphql;
pub mod http;
pub mod identity;
pub mod listen;
pub mod logging;
mod oauth;
pub mod outgoing;
pub mod output;
mod seats;
pub mod site;
pub mod tls;
