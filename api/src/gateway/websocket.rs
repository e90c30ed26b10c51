//! Whether a call asks for a WebSocket, and whether an upstream has agreed to one (RFC 6455 section 4). A connection changes to no
//! other protocol: what is spoken on it then would pass every check by.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Version,
    header::{CONNECTION, CONTENT_LENGTH, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE},
};
use hyper::body::{Body, Incoming};
use sha1::{Digest, Sha1};

use super::headers;

const PROTOCOL: HeaderValue = HeaderValue::from_static("websocket");
const UPGRADES: HeaderValue = HeaderValue::from_static("upgrade");
const VERSION: &[u8] = b"13";
/// Bytes of a key, decoded.
const KEY: usize = 16;
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A caller's opening handshake.
pub struct Handshake {
    /// What the upstream's answer has to prove itself by.
    accept: String,
}

impl Handshake {
    /// `None`: the call goes on as a plain one, without its `Upgrade`.
    pub fn of(request: &Request<Incoming>) -> Option<Self> {
        let plain = *request.method() != Method::GET || request.version() != Version::HTTP_11;
        if plain || !request.headers().contains_key(UPGRADE) || !request.body().is_end_stream() {
            return None;
        }
        Self::read(request.headers())
    }

    fn read(fields: &HeaderMap) -> Option<Self> {
        let mut protocols = fields.get_all(UPGRADE).iter().flat_map(|line| line.as_bytes().split(|b| *b == b','));
        let asked = headers::nominates(fields, "upgrade") && protocols.any(is_websocket);
        let version = only(fields, &SEC_WEBSOCKET_VERSION)?.as_bytes() == VERSION;
        let key = only(fields, &SEC_WEBSOCKET_KEY)?.as_bytes();
        let whole = BASE64.decode(key).is_ok_and(|bytes| bytes.len() == KEY);
        (asked && version && whole)
            .then(|| Self { accept: BASE64.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize()) })
    }

    /// Whether a 101 says that the upstream speaks WebSocket now, and with this caller.
    pub fn is_agreed(&self, answer: &HeaderMap) -> bool {
        only(answer, &UPGRADE).is_some_and(|protocol| is_websocket(protocol.as_bytes()))
            && headers::nominates(answer, "upgrade")
            && only(answer, &SEC_WEBSOCKET_ACCEPT).is_some_and(|accept| accept.as_bytes() == self.accept.as_bytes())
    }
}

/// Says, to either side, that the connection becomes a WebSocket.
pub fn say(fields: &mut HeaderMap) {
    fields.insert(CONNECTION, UPGRADES);
    fields.insert(UPGRADE, PROTOCOL);
    // No 1xx has one (RFC 9110 section 8.6), and the request has no body.
    fields.remove(CONTENT_LENGTH);
}

fn is_websocket(protocol: &[u8]) -> bool {
    protocol.trim_ascii().eq_ignore_ascii_case(PROTOCOL.as_bytes())
}

fn only<'a>(fields: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = fields.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: [(&str, &str); 4] = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    const AGREED: [(&str, &str); 3] =
        [("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")];

    /// These fields, with what replaces one of them, or is added.
    fn fields(base: &[(&str, &str)], other: &[(&str, &str)], replaced: bool) -> HeaderMap {
        let mut map = HeaderMap::new();
        let kept = base.iter().filter(|(name, _)| !replaced || other.iter().all(|(n, _)| n != name));
        for (name, value) in kept.chain(other) {
            map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        map
    }

    #[test]
    fn the_example_of_the_rfc() {
        let handshake = Handshake::read(&fields(&ASKED, &[], false)).unwrap();
        assert!(handshake.is_agreed(&fields(&AGREED, &[], false)));
        assert!(Handshake::read(&fields(&ASKED, &[("upgrade", "h2c, websocket")], true)).is_some());
    }

    #[test]
    fn what_is_no_handshake() {
        for other in [
            ("connection", "keep-alive"),
            ("upgrade", "h2c"),
            ("upgrade", "websocket/13"),
            ("sec-websocket-version", "8"),
            ("sec-websocket-version", "13, 8"),
            ("sec-websocket-key", ""),
            ("sec-websocket-key", "dGhlIHNhbXBsZQ=="),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ"),
        ] {
            assert!(Handshake::read(&fields(&ASKED, &[other], true)).is_none(), "{other:?}");
        }
        for doubled in [ASKED[2], ASKED[3]] {
            assert!(Handshake::read(&fields(&ASKED, &[doubled], false)).is_none(), "{doubled:?} twice");
        }
        let handshake = Handshake::read(&fields(&ASKED, &[], false)).unwrap();
        for other in [
            ("connection", "close"),
            ("upgrade", "h2c"),
            ("upgrade", "websocket, h2c"),
            ("sec-websocket-accept", "S3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            ("sec-websocket-accept", ""),
        ] {
            assert!(!handshake.is_agreed(&fields(&AGREED, &[other], true)), "{other:?}");
        }
        for doubled in [AGREED[1], AGREED[2]] {
            assert!(!handshake.is_agreed(&fields(&AGREED, &[doubled], false)), "{doubled:?} twice");
        }
        assert!(!handshake.is_agreed(&HeaderMap::new()));
    }
}
