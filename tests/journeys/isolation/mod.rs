//! What is another team's does not exist: null, or NOT_FOUND, whatever asks for it. What there is to ask comes from the
//! schema that is served: a new field is asked as well, and fails here until it is known what to give it (`values`), what
//! it answers about (`world`), or that it is there for everybody (`FOR_ALL`).

mod answers;
mod others;
mod rights;
mod sdl;
mod values;
mod world;
