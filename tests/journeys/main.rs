//! Journeys through the front door: real HTTP on port 0, as named actors.

mod app;
mod architecture;
mod catalog;
mod crash;
mod credentials;
mod first_errors;
mod hostile;
mod instance;
mod isolation;
mod logs;
mod manners;
mod offer;
mod onboard_partner;
mod onboarding;
mod plans;
mod portal;
mod schema;
mod sign_in;
mod socket;
mod specs;
mod staff;
mod starting;
mod statements;
mod subscriptions;
mod support;
mod teams;
