//! What is another team's does not exist: null, or NOT_FOUND, whatever asks for it. What there is to ask comes from the
//! schema that is served, so that a new field is asked as well, and fails here until it is known
//!
//! - what to give its arguments: a line in `values` (`IDS` for ids, `named` for the rest, `ALWAYS` for optional fields
//!   without which an input says nothing);
//! - which object of a new type with an id to ask for: a line in `world`, where `Partner` makes everything a team has;
//! - that it is there for everybody: a line in `others::FOR_ALL`, and in `FOR_STRANGERS` where it needs no session;
//! - how to ask for a field within others that has to be given an id: a line in `rights::BY_ID`;
//! - what it uses up, so that the next one who asks finds nothing: a line in `rights`, `World::for_call`.
//!
//! `extremes` gives each place what is too early, too late, too long or too much.
//! `rights` then shows who may: `INSTA_UPDATE=always INSTA_FORCE_PASS=1 cargo test --test journeys isolation` writes the
//! tables anew, to be compared with what the rights are meant to be.

mod answers;
mod extremes;
mod others;
mod rights;
mod sdl;
mod values;
mod world;
