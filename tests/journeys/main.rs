//! Journeys through the front door: real HTTP on port 0, as named actors.

mod app;
mod portal;
mod schema;
