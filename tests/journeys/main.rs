//! Journeys through the front door: real HTTP on port 0, as named actors.

mod app;
mod first_errors;
mod hostile;
mod instance;
mod manners;
mod credentials;
mod isolation;
mod offer;
mod onboard_partner;
mod plans;
mod portal;
mod schema;
mod sign_in;
mod staff;
mod subscriptions;
mod teams;
mod socket;
mod starting;
