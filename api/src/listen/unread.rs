//! Requests whose head the HTTP library cannot read. They reach no service; they are answered all the same, with an id and the
//! reason, in place of the library's bare status.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use domain::env::Env;
use entities::id::RequestId;
use http::{Method, Response, StatusCode, Uri};
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};

use super::{
    ReadTap,
    framing::{REQUEST_KEPT, Scanner},
};

/// What is wrong with a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    Malformed,
    TargetTooLong,
    TooLarge,
}

/// A head that could not be read.
#[derive(Debug, Clone)]
pub struct Unread {
    pub id: RequestId,
    pub at: DateTime<Utc>,
    pub why: Why,
    /// In a few words, for people.
    pub about: &'static str,
    /// The beginning of the request line; empty where it is not known.
    line: Vec<u8>,
}

impl Unread {
    pub fn status(&self) -> StatusCode {
        match self.why {
            Why::Malformed => StatusCode::BAD_REQUEST,
            Why::TargetTooLong => StatusCode::URI_TOO_LONG,
            Why::TooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        }
    }

    /// The method and the path, as far as they can be read: `-` and `/` where they cannot.
    pub fn asked(&self) -> (Method, Uri) {
        const ODD: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'`').add(b'#');
        let mut words = self.line.split(|byte| *byte == b' ');
        let method = words.next().and_then(|word| Method::from_bytes(word).ok());
        let path = words.next().and_then(|target| target.split(|byte| *byte == b'?').next());
        let target = path.and_then(|path| percent_encode(path, ODD).to_string().parse().ok());
        (method.unwrap_or_else(unknown), target.unwrap_or_else(|| Uri::from_static("/")))
    }
}

fn unknown() -> Method {
    // A token like any other (RFC 9110 section 5.6.2).
    Method::from_bytes(b"-").unwrap_or_default()
}

/// Hears a connection's bytes for their framing, and speaks where a head cannot be read.
pub struct Ear<F> {
    scanner: Scanner,
    env: Env,
    speak: F,
}

impl<F> Ear<F> {
    /// `speak` gives the answer, to which the connection's end is added.
    pub fn new(scanner: Scanner, env: Env, speak: F) -> Self {
        Self { scanner, env, speak }
    }
}

impl<F: FnMut(Unread) -> Response<String> + Send + Unpin + 'static> ReadTap for Ear<F> {
    fn read(&mut self, bytes: &[u8]) {
        self.scanner.read(bytes);
    }

    fn odd(&self) -> &[usize] {
        self.scanner.odd()
    }

    fn unread(&mut self, status: u16) -> Option<Vec<u8>> {
        let line = self.scanner.request_line().unwrap_or_default().to_vec();
        let (why, about) = match status {
            414 => (Why::TargetTooLong, "more than 65534 bytes"),
            // The library tells of both in one way.
            431 if self.scanner.in_request_line() => (Why::TargetTooLong, "more than 65534 bytes"),
            431 => (Why::TooLarge, "more than 64 KiB, or than 100 fields"),
            _ => (Why::Malformed, self.scanner.fault().unwrap_or_else(|| fault(&line))),
        };
        let unread = Unread { id: self.env.id(), at: self.env.now(), why, about, line };
        let (at, bare) = (unread.at, unread.line.starts_with(b"HEAD "));
        Some(written(&(self.speak)(unread), at, bare))
    }
}

/// What the library did not like about a head of which only this line is known.
fn fault(line: &[u8]) -> &'static str {
    let mut words = line.split(|byte| *byte == b' ');
    let (method, target, version, more) = (words.next(), words.next(), words.next(), words.next());
    match (method, target, version, more) {
        _ if line.is_empty() || line.len() >= REQUEST_KEPT => "its head is not one of HTTP/1.1",
        (Some(method), ..) if Method::from_bytes(method).is_err() => "its method is not one",
        (Some(_), Some(target), Some(version), None) if !target.is_empty() && !version.is_empty() => {
            if Uri::try_from(target).is_err() {
                "a character in its target that must be encoded"
            } else if !matches!(version, b"HTTP/1.1" | b"HTTP/1.0") {
                "its version is neither HTTP/1.1 nor HTTP/1.0"
            } else {
                "a header field that is not a name, a colon and a value, or a length or a coding that is not one"
            }
        }
        _ => "its first line is not a method, a target and a version with a space between",
    }
}

fn written(response: &Response<String>, at: DateTime<Utc>, bare: bool) -> Vec<u8> {
    let (status, body) = (response.status(), response.body());
    let mut head = format!("HTTP/1.1 {} {}\r\n", status.as_u16(), status.canonical_reason().unwrap_or_default());
    for (name, value) in response.headers() {
        // Writing to a string does not fail.
        let _ = write!(head, "{name}: {}\r\n", value.to_str().unwrap_or_default());
    }
    let date = at.format("%a, %d %b %Y %H:%M:%S GMT");
    let _ = write!(head, "connection: close\r\ncontent-length: {}\r\ndate: {date}\r\n\r\n", body.len());
    if !bare {
        head.push_str(body);
    }
    head.into_bytes()
}

/// The status with which the library tells that it cannot read a head, in exactly these bytes and no others.
pub fn automatic(bytes: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(bytes.get(..bytes.len().min(200))?).ok().filter(|text| text.len() == bytes.len())?;
    let rest = text.strip_prefix("HTTP/1.1 ").or_else(|| text.strip_prefix("HTTP/1.0 "))?;
    let status = rest.get(..3)?.parse().ok().filter(|status| matches!(status, 400 | 414 | 431))?;
    let (_, fields) = text.strip_suffix("\r\n\r\n")?.split_once("\r\n")?;
    let known = |field: &str| field.starts_with("date: ") || matches!(field, "content-length: 0" | "connection: close");
    let empty = fields.split("\r\n").any(|field| field == "content-length: 0");
    (empty && fields.split("\r\n").all(known)).then_some(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_librarys_own_word_is_taken_for_it() {
        let date = "date: Tue, 01 Dec 2026 05:11:57 GMT\r\n";
        let said =
            format!("HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n{date}\r\n");
        assert_eq!(automatic(said.as_bytes()), Some(431));
        for other in [
            format!("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nx-request-id: req_1\r\n{date}\r\n"),
            format!("HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n{date}\r\n"),
            format!("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n{date}\r\n"),
            format!("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n{date}\r\nmore"),
            "HTTP/1.1 400 Bad Request\r\n\r\n".to_owned(),
        ] {
            assert_eq!(automatic(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn what_was_asked_is_told_as_far_as_it_can_be_read() {
        let env = Env::system();
        for (line, method, path) in [
            ("GET /a<b>?secret=1 HTTP/1.1", "GET", "/a%3Cb%3E"),
            ("POST /a b HTTP/1.1", "POST", "/a"),
            ("(GET) /a HTTP/1.1", "-", "/a"),
            ("GET\t/a HTTP/1.1", "-", "/"),
            ("GET \u{e9} HTTP/1.1", "GET", "/"),
            ("", "-", "/"),
        ] {
            let line = line.as_bytes().to_vec();
            let unread = Unread { id: env.id(), at: env.now(), why: Why::Malformed, about: "", line };
            let (asked, target) = unread.asked();
            assert_eq!((asked.as_str(), target.path()), (method, path));
        }
    }
}
