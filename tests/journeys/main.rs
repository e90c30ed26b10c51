//! Journeys through the front door: real HTTP on port 0, as named actors.

mod app;
mod architecture;
mod crash;
mod catalog;
mod credentials;
mod first_errors;
mod hostile;
mod instance;
mod isolation;
mod manners;
mod offer;
mod onboard_partner;
mod plans;
mod portal;
mod portal;
mod schema;
mod schema;
mod sign_in;
mod socket;
mod specs;
mod staff;
mod starting;
mod subscriptions;
mod teams;
