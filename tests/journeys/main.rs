//! Journeys through the front door: real HTTP on port 0, as named actors.

mod app;
mod catalog;
mod portal;
mod schema;
mod specs;
