//! Signed tokens (JOSE: RFC 7515, 7517, 7518, 7519): read, checked and made. Nothing in a token is believed before its
//! signature holds, and every refusal says what would put it right.

pub mod access_token;
pub mod assertion;
mod claims;
mod fault;
mod header;
mod json;
mod jwk;
mod jws;
mod key_set;
pub mod outside_token;
mod public_key;
pub mod signed_jwt;
mod signing_key;
mod weak;

use chrono::TimeDelta;

pub use self::{
    claims::{Audience, Claims, Confirmation},
    fault::{BadToken, Shown},
    header::{Algorithm, Typ},
    jws::Jws,
    key_set::{BadKeySet, KeySet, MAX_PUBLISHED_BYTES, plain_jwk},
    public_key::PublicKey,
    signing_key::{BadSigningKey, CannotSign, SigningKey},
};
pub(super) use self::{public_key::POINT, weak::on_p256};

/// Bytes of a token that are read at most.
pub const MAX_TOKEN: usize = 16 << 10;
/// By how much the clocks of those who sign may differ from ours.
pub const SKEW: TimeDelta = TimeDelta::seconds(30);

#[cfg(test)]
mod tests;
