//! What is known of a connection before its first call.

use std::net::SocketAddr;

use domain::rules::certificate::Shown;
use http::HeaderValue;

use crate::listen::framing::Heads;

/// The connection that a call came on.
pub struct Wire {
    pub peer: SocketAddr,
    /// The peer's address as a header's value.
    pub peer_text: HeaderValue,
    /// `None` for HTTP/2, whose framing cannot be doubtful in these ways.
    pub heads: Option<Heads>,
    /// The certificate that the peer has shown.
    pub shown: Option<Shown>,
    /// It is TLS of our own.
    pub secure: bool,
}

impl Wire {
    pub fn new(peer: SocketAddr, heads: Option<Heads>, (secure, shown): (bool, Option<Shown>)) -> Self {
        let text = peer.ip().to_canonical().to_string();
        // Addresses are ASCII.
        let peer_text = HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""));
        Self { peer, peer_text, heads, shown, secure }
    }
}
