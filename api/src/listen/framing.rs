//! Watches a connection's raw bytes for what the HTTP library settles silently and neither listener may take: a length given
//! twice or beside a transfer coding, lines that end in a bare line feed. One set of facts a request, in order. Then the rules that
//! a whole head has to keep, of HTTP/1.1 and of HTTP/2.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::{HeaderMap, Request, Version, header::CONTENT_LENGTH};

use super::{ReadTap, query};

/// What is wrong with a request's framing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    LengthAndCoding,
    SeveralLengths,
    SeveralCodings,
    LengthTooLong,
    CodingTooLong,
    BareLineFeed,
    HostMissing,
    HostDoubled,
    HostInvalid,
    HostDiffers,
    UserInfo,
    Padded,
    Unclear,
}

impl Fault {
    /// In a few words, for people.
    pub fn about(self) -> &'static str {
        match self {
            Self::LengthAndCoding => "Content-Length beside Transfer-Encoding",
            Self::SeveralLengths => "several Content-Length headers",
            Self::SeveralCodings => "several Transfer-Encoding headers",
            Self::LengthTooLong => "a Content-Length of more than 256 bytes",
            Self::CodingTooLong => "a Transfer-Encoding of more than 256 bytes",
            Self::BareLineFeed => "a line of the head that does not end in CR LF",
            Self::HostMissing => "no Host header",
            Self::HostDoubled => "several Host headers",
            Self::HostInvalid => "a Host header that is not a host",
            Self::HostDiffers => "a Host header that differs from :authority",
            Self::UserInfo => "a user's name in the request's target",
            Self::Padded => "a header's value that begins or ends with a space",
            Self::Unclear => "a message before it on this connection that leaves in doubt where it ends",
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

    fn is_closed(&self) -> bool {
        self.lock().closed
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
    /// Whether something of that line was left out.
    cut: bool,
    head: Head,
    /// The beginning of the last request's line.
    request: Vec<u8>,
    /// Whether that line's query has begun.
    in_query: bool,
    /// Where in what was read last a query has what must be encoded.
    odd: Vec<usize>,
}

/// Bytes of a request line that are kept, for who has to say what could not be read.
pub const REQUEST_KEPT: usize = 2048;

/// Bytes. Of a line only its name and a number or a coding matter, and neither is as long as this: one that is, is refused.
const LINE_KEPT: usize = 256;

#[derive(Default)]
struct Head {
    lines: usize,
    length: Option<u64>,
    lengths: usize,
    codings: usize,
    bare: bool,
    too_long: Option<Fault>,
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
        Self {
            heads,
            place: In::Head,
            partial: Vec::new(),
            cut: false,
            head: Head::default(),
            request: Vec::new(),
            in_query: false,
            odd: Vec::new(),
        }
    }

    /// Where in what was read last a query has what must be encoded.
    pub fn odd(&self) -> &[usize] {
        &self.odd
    }

    /// The beginning of the line of the request that is next in line; `None` where it was another's.
    pub fn request_line(&self) -> Option<&[u8]> {
        let waiting = self.heads.lock().faults.len();
        let last = if self.head.lines > 0 || self.in_request_line() { waiting == 0 } else { waiting == 1 };
        last.then(|| self.request.strip_suffix(b"\r").unwrap_or(&self.request))
    }

    /// Whether a request's line has begun and not ended.
    pub fn in_request_line(&self) -> bool {
        self.place == In::Head && self.head.lines == 0 && !self.partial.is_empty()
    }

    /// What is known to be wrong with the head that is next in line.
    pub fn fault(&self) -> Option<&'static str> {
        self.heads.lock().faults.front().copied().flatten().map(Fault::about)
    }

    /// Follows a piece of a request's line, which begins `at` bytes into what was read.
    fn request_piece(&mut self, piece: &[u8], at: usize) {
        if self.partial.is_empty() {
            self.request.clear();
            self.in_query = false;
        }
        let kept = REQUEST_KEPT.saturating_sub(self.request.len()).min(piece.len());
        self.request.extend_from_slice(&piece[..kept]);
        let start = if self.in_query { Some(0) } else { piece.iter().position(|byte| *byte == b'?') };
        let Some(start) = start else { return };
        self.in_query = true;
        let odd = piece[start..].iter().enumerate().filter(|(_, byte)| query::must_be_encoded(**byte));
        self.odd.extend(odd.map(|(place, _)| at + start + place));
    }

    /// `cut`: something of it is missing.
    fn line(&mut self, line: &[u8], cut: bool) {
        let (text, crlf) = match line {
            [text @ .., b'\r'] => (text, true),
            text => (text, false),
        };
        match self.place {
            In::Head => self.head_line(text, crlf, cut),
            // The library reads on there, and takes for a trailer what would be a request here.
            In::ChunkSize | In::Trailers if !crlf => self.place = In::Lost,
            In::ChunkSize => {
                let digits = text.split(|&b| b == b';').next().unwrap_or_default();
                let kept = digits.len() < LINE_KEPT && !(cut && digits.len() == text.len());
                let size = std::str::from_utf8(digits.trim_ascii()).ok().filter(|_| kept);
                let size = size.and_then(|d| u64::from_str_radix(d, 16).ok());
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

    fn head_line(&mut self, text: &[u8], crlf: bool, cut: bool) {
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
        let too_long = |fault| Some(fault).filter(|_| cut || text.len() > LINE_KEPT);
        if name.eq_ignore_ascii_case(b"content-length") {
            self.head.lengths += 1;
            self.head.too_long = self.head.too_long.or(too_long(Fault::LengthTooLong));
            self.head.length = std::str::from_utf8(value).ok().and_then(|v| v.parse().ok());
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.head.codings += 1;
            self.head.too_long = self.head.too_long.or(too_long(Fault::CodingTooLong));
        }
    }

    fn end_of_head(&mut self) {
        let head = std::mem::take(&mut self.head);
        let fault = match head {
            Head { lengths: 1.., codings: 1.., .. } => Some(Fault::LengthAndCoding),
            Head { lengths: 2.., .. } => Some(Fault::SeveralLengths),
            Head { codings: 2.., .. } => Some(Fault::SeveralCodings),
            Head { too_long: Some(fault), .. } => Some(fault),
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
        let all = bytes.len();
        self.odd.clear();
        if self.place == In::Head && self.heads.is_closed() {
            self.place = In::Lost;
        }
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
                    let end = memchr(bytes);
                    if self.place == In::Head && self.head.lines == 0 {
                        self.request_piece(&bytes[..end.unwrap_or(bytes.len())], all - bytes.len());
                    }
                    let Some(end) = end else {
                        let kept = LINE_KEPT.saturating_sub(self.partial.len()).min(bytes.len());
                        self.partial.extend_from_slice(&bytes[..kept]);
                        self.cut |= kept < bytes.len();
                        // A line's end may be split: the CR is needed to tell a bare line feed.
                        if kept < bytes.len() && bytes.ends_with(b"\r") {
                            self.partial.pop();
                            self.partial.push(b'\r');
                        }
                        return;
                    };
                    let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
                    if self.partial.is_empty() {
                        self.line(line, false);
                    } else {
                        let mut whole = std::mem::take(&mut self.partial);
                        if !line.is_empty() && whole.ends_with(b"\r") {
                            whole.pop();
                        }
                        whole.extend_from_slice(line);
                        let cut = std::mem::take(&mut self.cut);
                        self.line(&whole, cut);
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

/// What is wrong with the form of a request that has come in. `heads`: of its connection, where that is no HTTP/2 one.
pub fn check<B>(heads: Option<&Heads>, request: &Request<B>) -> Result<(), Fault> {
    heads.map_or(Ok(()), Heads::next)?;
    let authority = request.uri().authority();
    // RFC 9110 section 4.2.4 and RFC 9113 section 8.3.1.
    if authority.is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(Fault::UserInfo);
    }
    // RFC 9112 section 3.2 asks for a Host from HTTP/1.1 on.
    let may_lack = authority.is_some() || request.version() == Version::HTTP_10;
    check_host(request.headers(), may_lack)?;
    if request.version() == Version::HTTP_2 { check_http2(request) } else { Ok(()) }
}

/// What the library takes and RFC 9113 calls malformed (sections 8.1.1, 8.2.1 and 8.3.1).
fn check_http2<B>(request: &Request<B>) -> Result<(), Fault> {
    let (headers, authority) = (request.headers(), request.uri().authority());
    let host = headers.get(http::header::HOST).map(|host| host.as_bytes());
    if let (Some(host), Some(authority)) = (host, authority)
        && !host.eq_ignore_ascii_case(authority.as_str().as_bytes())
    {
        return Err(Fault::HostDiffers);
    }
    if headers.get_all(CONTENT_LENGTH).iter().nth(1).is_some() {
        return Err(Fault::SeveralLengths);
    }
    let padded = |value: &[u8]| matches!(value.first(), Some(b' ' | b'\t')) || matches!(value.last(), Some(b' ' | b'\t'));
    if headers.values().any(|value| padded(value.as_bytes())) { Err(Fault::Padded) } else { Ok(()) }
}

/// What a head says about whom it is for.
fn check_host(headers: &HeaderMap, may_lack: bool) -> Result<(), Fault> {
    let mut hosts = headers.get_all(http::header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if may_lack => Ok(()),
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
    fn what_a_query_must_have_encoded_is_found_however_it_is_cut() {
        let bytes = b"GET /a<?b=\"c\" HTTP/1.1\r\nhost: \"x\"\r\n\r\nGET /d?<> HTTP/1.1\r\nhost: x\r\n\r\n";
        let places: Vec<usize> = (0..bytes.len()).filter(|at| matches!(at, 10 | 12 | 44 | 45)).collect();
        for size in [bytes.len(), 1, 2, 3, 7] {
            let mut scanner = Scanner::new(Heads::default());
            let mut found = Vec::new();
            for (piece, bytes) in bytes.chunks(size).enumerate() {
                scanner.read(bytes);
                found.extend(scanner.odd().iter().map(|at| piece * size + at));
            }
            assert_eq!(found, places, "in pieces of {size}");
            scanner.heads.next().unwrap();
            assert_eq!(scanner.request_line().unwrap(), b"GET /d?<> HTTP/1.1");
        }
    }

    #[test]
    fn nothing_of_another_protocol_is_odd() {
        let heads = Heads::default();
        let mut scanner = Scanner::new(heads.clone());
        scanner.read(b"GET /graphql HTTP/1.1\r\nhost: x\r\n\r\n");
        heads.close();
        scanner.read(b"\x81?{\"type\":\"ping\"}\n?\"");
        assert_eq!(scanner.odd(), [0; 0]);
    }

    /// A head whose field ends where nothing is kept of a line any more.
    fn long(name: &str, filling: &str, end: &str) -> &'static str {
        format!("POST / HTTP/1.1\r\n{name}: {}{end}\r\n\r\n", filling.repeat(LINE_KEPT)).leak()
    }

    #[test]
    fn what_is_not_kept_of_a_field_that_matters_is_refused_and_of_others_not_missed() {
        let cookie = format!("GET / HTTP/1.1\r\nCookie: {}\r\nHost: x\r\n\r\n", "c".repeat(9 * LINE_KEPT));
        let smuggling = "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n";
        let all = format!("{cookie}{smuggling}");
        let chunks =
            format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;{}\r\nabc\r\n0\r\n\r\n", "x".repeat(4 * LINE_KEPT));
        let chunks = format!("{chunks}{smuggling}");
        for size in [1, 100, 255, 256, 257, 300, 10_000] {
            for all in [&all, &chunks] {
                let pieces: Vec<_> = all.as_bytes().chunks(size).collect();
                assert_eq!(facts(&pieces), [None, Some(Fault::LengthAndCoding)], "in pieces of {size}");
            }
        }
    }

    #[test]
    fn a_body_whose_end_the_library_sees_elsewhere_ends_what_is_known() {
        const CHUNKED: &str = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        let zeros = format!("{}0\r\n\r\n", "0".repeat(LINE_KEPT));
        for body in ["0\r\n\n\r\n", "0\r\nA: b\nC: d\r\n\r\n", "0\n\r\n", "3\nabc\r\n0\r\n\r\n", "\r\n0\r\n\r\n", zeros.as_str()]
        {
            let all = format!("{CHUNKED}{body}GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
            for size in [1, 7, 10_000] {
                let pieces: Vec<_> = all.as_bytes().chunks(size).collect();
                assert_eq!(facts(&pieces), [None], "{body:?} in pieces of {size}");
            }
        }
    }

    #[test]
    fn what_http2_calls_malformed() {
        let request = |authority: &str, fields: &[(&'static str, &'static str)]| {
            let mut request = Request::get(format!("http://{authority}/a")).version(Version::HTTP_2);
            for (name, value) in fields {
                let value = http::HeaderValue::from_bytes(value.as_bytes()).unwrap();
                request = request.header(*name, value);
            }
            check(None, &request.body(()).unwrap()).err()
        };
        assert_eq!(request("a.example", &[("host", "A.example"), ("x", "b c"), ("content-length", "3"), ("y", "")]), None);
        for (authority, fields, fault) in [
            ("a.example", &[("host", "b.example")][..], Fault::HostDiffers),
            ("a.example", &[("host", "a.example:80")], Fault::HostDiffers),
            ("a.example", &[("host", "a.example"), ("host", "a.example")], Fault::HostDoubled),
            ("user@a.example", &[], Fault::UserInfo),
            ("a.example", &[("content-length", "3"), ("content-length", "3")], Fault::SeveralLengths),
            ("a.example", &[("x-api-key", " key")], Fault::Padded),
            ("a.example", &[("x-api-key", "key\t")], Fault::Padded),
        ] {
            assert_eq!(request(authority, fields), Some(fault), "{authority} {fields:?}");
        }
    }

    #[test]
    fn faults() {
        for (head, fault) in [
            ("POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", Fault::LengthAndCoding),
            ("POST / HTTP/1.1\r\nTRANSFER-ENCODING: chunked\r\ncontent-length: 3\r\n\r\n", Fault::LengthAndCoding),
            ("POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n", Fault::SeveralLengths),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", Fault::SeveralCodings),
            (long("Content-Length", "0", "3"), Fault::LengthTooLong),
            (long("Transfer-Encoding", " ", "chunked"), Fault::CodingTooLong),
            ("GET / HTTP/1.1\nHost: x\n\n", Fault::BareLineFeed),
            ("GET / HTTP/1.1\r\nHost: x\n\r\n", Fault::BareLineFeed),
        ] {
            assert_eq!(facts(&[head.as_bytes()]), [Some(fault)], "{head:?}");
            let pieces: Vec<_> = head.as_bytes().chunks(1).collect();
            assert_eq!(facts(&pieces), [Some(fault)], "{head:?} byte by byte");
        }
    }
}
