//! Journeys through the front door: real HTTP on port 0, as named actors.

mod app;
mod credentials;
mod isolation;
mod logs;
mod offer;
mod onboard_partner;
mod plans;
mod portal;
mod schema;
mod sign_in;
mod staff;
mod subscriptions;
mod teams;
