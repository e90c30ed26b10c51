//! The gateway.
mod address;
mod answer;
mod framing;
mod headers;
mod log;
mod meter;
mod request_id;
mod tunnel;
mod upstream;
