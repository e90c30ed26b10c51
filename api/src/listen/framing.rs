//! Watches a connection's raw bytes for what the HTTP library settles silently and a gateway must refuse: a length given
//! twice or beside a transfer coding, lines that end in a bare line feed. One set of facts a request, in order.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::HeaderMap;

use super::ReadTap;

/// What is wrong with a request's framing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    LengthAndCoding,
    SeveralLengths,
    SeveralCodings,
    BareLineFeed,
    HostMissing,
    HostDoubled,
    HostInvalid,
    Unclear,
}

impl Fault {
    /// In a few words, for people.
    pub fn about(self) -> &'static str {
        match self {
            Self::LengthAndCoding => "Content-Length beside Transfer-Encoding",
            Self::SeveralLengths => "several Content-Length headers",
            Self::SeveralCodings => "several Transfer-Encoding headers",
            Self::BareLineFeed => "a line of the head that does not end in CR LF",
            Self::HostMissing => "no Host header",
            Self::HostDoubled => "several Host headers",
            Self::HostInvalid => "a Host header that is not a host",
            Self::Unclear => "a head that leaves in doubt where the message ends",
        }
    }
}

/// The facts of requests whose heads have come in and that nobody has asked for yet.
#[derive(Clone, Default)]
pub struct Heads(Arc<Mutex<Queue>>);

#[derive(Default)]
struct Queue {
    faults: VecDeque<Option<Fault>>,
    closed: bool,
}

/// More heads than this in one read buffer are not requests.
const MOST_WAITING: usize = 8192;

impl Heads {
    /// The facts of the request that is next in line.
    pub fn next(&self) -> Result<(), Fault> {
        match self.lock().faults.pop_front() {
            Some(None) => Ok(()),
            Some(Some(fault)) => Err(fault),
            None => Err(Fault::Unclear),
        }
    }

    /// From here on the connection carries another protocol.
    pub fn close(&self) {
        self.lock().closed = true;
    }

    /// False where there is nothing to follow any more.
    fn push(&self, fault: Option<Fault>) -> bool {
        let mut queue = self.lock();
        let open = !queue.closed && queue.faults.len() < MOST_WAITING;
        if open {
            queue.faults.push_back(fault);
        }
        open
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Follows the messages on a connection by their framing.
pub struct Scanner {
    heads: Heads,
    place: In,
    /// The beginning of a line whose end has not come yet, cut at [`LINE_KEPT`].
    partial: Vec<u8>,
    head: Head,
}

/// Of a line only its name and a number or a coding matter.
const LINE_KEPT: usize = 256;

#[derive(Default)]
struct Head {
    lines: usize,
    length: Option<u64>,
    lengths: usize,
    codings: usize,
    bare: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum In {
    Head,
    Body(u64),
    ChunkSize,
    /// With the line's end behind it.
    Chunk(u64),
    Trailers,
    /// The protocol has changed, or the request is refused: nothing more to be learned.
    Lost,
}

impl Scanner {
    pub fn new(heads: Heads) -> Self {
        Self { heads, place: In::Head, partial: Vec::new(), head: Head::default() }
    }

    fn line(&mut self, line: &[u8]) {
        let (text, crlf) = match line {
            [text @ .., b'\r'] => (text, true),
            text => (text, false),
        };
        match self.place {
            In::Head => self.head_line(text, crlf),
            In::ChunkSize => {
                let digits = text.split(|&b| b == b';').next().unwrap_or_default().trim_ascii();
                let size = std::str::from_utf8(digits).ok().and_then(|d| u64::from_str_radix(d, 16).ok());
                self.place = match size {
                    Some(0) => In::Trailers,
                    Some(size) => In::Chunk(size.saturating_add(2)),
                    None => In::Lost,
                };
            }
            In::Trailers if text.is_empty() => self.place = In::Head,
            In::Trailers | In::Body(_) | In::Chunk(_) | In::Lost => {}
        }
    }

    fn head_line(&mut self, text: &[u8], crlf: bool) {
        if text.is_empty() {
            // Empty lines before a request are skipped (RFC 9112 section 2.2).
            if self.head.lines > 0 {
                self.head.bare |= !crlf;
                self.end_of_head();
            }
            return;
        }
        self.head.bare |= !crlf;
        self.head.lines += 1;
        if self.head.lines == 1 || !matches!(text[0], b'c' | b'C' | b't' | b'T') {
            return;
        }
        let Some(colon) = text.iter().position(|&b| b == b':') else { return };
        let (name, value) = (&text[..colon], text[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            self.head.lengths += 1;
            self.head.length = std::str::from_utf8(value).ok().and_then(|v| v.parse().ok());
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.head.codings += 1;
        }
    }

    fn end_of_head(&mut self) {
        let head = std::mem::take(&mut self.head);
        let fault = match head {
            Head { lengths: 1.., codings: 1.., .. } => Some(Fault::LengthAndCoding),
            Head { lengths: 2.., .. } => Some(Fault::SeveralLengths),
            Head { codings: 2.., .. } => Some(Fault::SeveralCodings),
            Head { bare: true, .. } => Some(Fault::BareLineFeed),
            _ => None,
        };
        let open = self.heads.push(fault);
        self.place = match head {
            _ if fault.is_some() || !open => In::Lost,
            Head { codings: 1.., .. } => In::ChunkSize,
            Head { lengths: 0, .. } | Head { length: Some(0), .. } => In::Head,
            Head { length: Some(length), .. } => In::Body(length),
            Head { length: None, .. } => In::Lost,
        };
    }
}

impl ReadTap for Scanner {
    fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match self.place {
                In::Lost => return,
                In::Body(left) | In::Chunk(left) => {
                    let taken = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
                    bytes = &bytes[taken..];
                    let left = left - taken as u64;
                    self.place = match (self.place, left) {
                        (In::Body(_), 0) => In::Head,
                        (In::Body(_), left) => In::Body(left),
                        (_, 0) => In::ChunkSize,
                        (_, left) => In::Chunk(left),
                    };
                }
                In::Head | In::ChunkSize | In::Trailers => {
                    let Some(end) = memchr(bytes) else {
                        let kept = LINE_KEPT.saturating_sub(self.partial.len()).min(bytes.len());
                        self.partial.extend_from_slice(&bytes[..kept]);
                        // A line's end may be split: the CR is needed to tell a bare line feed.
                        if kept < bytes.len() && bytes.ends_with(b"\r") {
                            self.partial.pop();
                            self.partial.push(b'\r');
                        }
                        return;
                    };
                    let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
                    if self.partial.is_empty() {
                        self.line(line);
                    } else {
                        let mut whole = std::mem::take(&mut self.partial);
                        if !line.is_empty() && whole.ends_with(b"\r") {
                            whole.pop();
                        }
                        whole.extend_from_slice(line);
                        self.line(&whole);
                    }
                    bytes = rest;
                }
            }
        }
    }
}

fn memchr(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|&b| b == b'\n')
}

/// What a head says about whom it is for.
pub fn check_host(headers: &HeaderMap, has_authority: bool) -> Result<(), Fault> {
    let mut hosts = headers.get_all(http::header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if has_authority => Ok(()),
        (None, _) => Err(Fault::HostMissing),
        (Some(_), Some(_)) => Err(Fault::HostDoubled),
        (Some(host), None) => {
            let fine = |b: &u8| b.is_ascii_alphanumeric() || b"-._~:[]%!$&'()*+;=".contains(b);
            if !host.is_empty() && host.as_bytes().iter().all(fine) { Ok(()) } else { Err(Fault::HostInvalid) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(pieces: &[&[u8]]) -> Vec<Option<Fault>> {
        let heads = Heads::default();
        let mut scanner = Scanner::new(heads.clone());
        pieces.iter().for_each(|piece| scanner.read(piece));
        heads.lock().faults.drain(..).collect()
    }

    #[test]
    fn one_set_of_facts_a_request_whatever_its_body_and_however_it_is_cut() {
        let bytes = b"\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n\
            POST /b HTTP/1.1\r\nContent-Length: 36\r\n\r\nTransfer-Encoding: chunked\r\n\r\nGET / \
            PUT /c HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1b;x=y\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n0\r\nT: x\r\n\r\n\
            GET /d HTTP/1.1\r\nhost: x\r\n\r\n";
        let bytes: Vec<u8> = bytes.to_vec();
        assert_eq!(facts(&[&bytes]), [None; 4], "{}", String::from_utf8_lossy(&bytes));
        for size in [1, 2, 3, 7, 40] {
            assert_eq!(facts(&bytes.chunks(size).collect::<Vec<_>>()), [None; 4], "in pieces of {size}");
        }
    }

    #[test]
    fn faults() {
        for (head, fault) in [
            ("POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", Fault::LengthAndCoding),
            ("POST / HTTP/1.1\r\nTRANSFER-ENCODING: chunked\r\ncontent-length: 3\r\n\r\n", Fault::LengthAndCoding),
            ("POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n", Fault::SeveralLengths),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", Fault::SeveralCodings),
            ("GET / HTTP/1.1\nHost: x\n\n", Fault::BareLineFeed),
            ("GET / HTTP/1.1\r\nHost: x\n\r\n", Fault::BareLineFeed),
        ] {
            assert_eq!(facts(&[head.as_bytes()]), [Some(fault)], "{head:?}");
            let pieces: Vec<_> = head.as_bytes().chunks(1).collect();
            assert_eq!(facts(&pieces), [Some(fault)], "{head:?} byte by byte");
        }
    }
}
