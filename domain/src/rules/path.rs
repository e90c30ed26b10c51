//! A call's path, read the one way in which gateway and upstream must agree. It is decided on and forwarded as the same bytes;
//! what could be read in two ways is refused instead of repaired: dot segments, encoded slashes and backslashes, empty segments,
//! double encodings of these, control characters, and bytes that are not UTF-8 when decoded. An encoded slash alone may pass where
//! a product says that its upstream reads it as a part of a parameter; it never separates segments here.

use std::borrow::Cow;

/// Why a path was refused; for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ambiguous(pub &'static str);

/// A path without its query, split at the end of its first segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallPath<'a> {
    /// The product's base path.
    pub base: &'a str,
    /// What follows it, from its slash on; `/` where nothing follows.
    pub rest: &'a str,
    /// Whether an encoded slash is in it.
    pub encoded_slash: bool,
}

impl CallPath<'_> {
    /// What is wrong with the path of a call to a product that takes encoded slashes, or does not.
    pub fn fit(&self, encoded_slashes: bool) -> Result<(), Ambiguous> {
        if self.encoded_slash && !encoded_slashes { Err(Ambiguous("an encoded slash in the path")) } else { Ok(()) }
    }
}

/// Splits a raw path, or says why it cannot be trusted to mean one thing.
pub fn read(raw: &str) -> Result<CallPath<'_>, Ambiguous> {
    let body = raw.strip_prefix('/').ok_or(Ambiguous("the path does not start with a slash"))?;
    if let Some(byte) = body.bytes().find(|b| !b.is_ascii_graphic() || matches!(b, b'\\' | b'?' | b'#')) {
        return Err(Ambiguous(if byte == b'\\' {
            "a backslash in the path"
        } else {
            "a character in the path that must be encoded"
        }));
    }
    let mut segments = body.split('/').peekable();
    let (mut at, mut encoded_slash) = (0, false);
    while let Some(segment) = segments.next() {
        // Only the last segment may be empty: that is a trailing slash.
        if segment.is_empty() && segments.peek().is_some() {
            return Err(Ambiguous("an empty segment in the path"));
        }
        let slashed = check(segment)?;
        // The base path is a name of ours: there is nothing in it to encode.
        if slashed && at == 0 {
            return Err(Ambiguous("an encoded slash in the path"));
        }
        encoded_slash |= slashed;
        at += 1;
    }
    let end = body.find('/').unwrap_or(body.len());
    let rest = if end == body.len() { "/" } else { &body[end..] };
    Ok(CallPath { base: &body[..end], rest, encoded_slash })
}

/// Whether an encoded slash is in the segment.
fn check(segment: &str) -> Result<bool, Ambiguous> {
    if segment == "." || segment == ".." {
        return Err(Ambiguous("a dot segment in the path"));
    }
    if !is_odd(segment) {
        return Ok(false);
    }
    let decoded = decode(segment, |_| true).ok_or(Ambiguous("a percent sign in the path that encodes nothing"))?;
    let decoded = std::str::from_utf8(&decoded).map_err(|_| Ambiguous("an encoding in the path that is not UTF-8"))?;
    if decoded.bytes().any(|b| b.is_ascii_control()) {
        return Err(Ambiguous("an encoded control character in the path"));
    }
    if decoded.contains('\\') {
        return Err(Ambiguous("an encoded backslash in the path"));
    }
    let slashed = decoded.contains('/');
    for piece in decoded.split('/') {
        // Some servers cut a segment at its semicolon before they resolve dots. A value may hold two slashes in a row: a URL does.
        let name = piece.split(';').next();
        if matches!(name, Some("." | "..")) || name == Some("") && !(slashed && piece.is_empty()) {
            return Err(Ambiguous("an encoded dot segment or an empty one in the path"));
        }
        let again = decode(piece, |_| true);
        if again
            .is_some_and(|twice| twice != piece.as_bytes() && twice.iter().any(|b| matches!(b, b'/' | b'\\' | b'.' | b'%' | 0)))
        {
            return Err(Ambiguous("a doubly encoded character in the path"));
        }
    }
    Ok(slashed)
}

/// Whether a segment can be read in more ways than as it stands.
pub fn is_odd(segment: &str) -> bool {
    segment.bytes().any(|b| matches!(b, b'%' | b';'))
}

/// A segment as RFC 3986 section 6.2.2.2 normalises it: encodings of unreserved characters are undone, no other.
pub fn plain(segment: &str) -> Cow<'_, str> {
    if !segment.contains('%') {
        return Cow::Borrowed(segment);
    }
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    decode(segment, unreserved).and_then(|bytes| String::from_utf8(bytes).ok()).map_or(Cow::Borrowed(segment), Cow::Owned)
}

/// A segment with every encoding undone, and the same up to its first semicolon: what an upstream might make of it.
pub fn readings(segment: &str) -> [String; 2] {
    let whole = decode(segment, |_| true).and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
    let cut = whole.split(';').next().unwrap_or_default().to_owned();
    [whole, cut]
}

/// Undoes the encodings that `which` picks; `None` where a percent sign is not followed by two hex digits.
fn decode(text: &str, which: impl Fn(u8) -> bool) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digits = [bytes.next()?, bytes.next()?];
        let [high, low] = digits.map(|d| char::from(d).to_digit(16));
        let value = u8::try_from(high? << 4 | low?).ok()?;
        if which(value) {
            out.push(value);
        } else {
            out.extend([b'%', digits[0], digits[1]]);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_paths() {
        for (raw, base, rest) in [
            ("/pay/charges/42", "pay", "/charges/42"),
            ("/pay", "pay", "/"),
            ("/pay/", "pay", "/"),
            ("/pay/a/", "pay", "/a/"),
            ("/", "", "/"),
            ("/pay/caf%C3%A9/a%20b/%7Euser/100%25", "pay", "/caf%C3%A9/a%20b/%7Euser/100%25"),
            ("/pay/...", "pay", "/..."),
            ("/pay/a;v=1/b:c@d", "pay", "/a;v=1/b:c@d"),
        ] {
            assert_eq!(read(raw), Ok(CallPath { base, rest, encoded_slash: false }), "{raw}");
        }
    }

    #[test]
    fn paths_that_can_be_read_in_two_ways() {
        for raw in [
            "",
            "pay",
            "*",
            "//pay",
            "/pay//a",
            "/pay/../admin",
            "/pay/./a",
            "/pay/..",
            "/pay/%2e%2e/admin",
            "/pay/%2E/a",
            "/pay/.%2e/a",
            "/pay/..;/admin",
            "/pay/..%3bx/admin",
            "/pay/;x/a",
            "/pay/a%2fb",
            "/pay/a%5Cb",
            "/pay/a\\b",
            "/pay/a%00",
            "/pay/a%0d%0ab",
            "/pay/a%7f",
            "/pay/%252e%252e/a",
            "/pay/a%252fb",
            "/pay/a%25252fb",
            "/pay/a%zz",
            "/pay/a%2",
            "/pay/%c0%ae/a",
            "/pay/%ff",
            "/pay/ä",
            "/pay/a b",
            "/pay/a\tb",
            "/pay?x",
            "/pay#x",
        ] {
            let taken = read(raw).and_then(|path| path.fit(false));
            assert!(taken.is_err(), "{raw:?} was taken");
        }
    }

    #[test]
    fn an_encoded_slash_passes_where_a_product_takes_it_and_brings_nothing_else_in() {
        for raw in
            ["/pay/a%2fb", "/pay/a%2Fb/c", "/pay/%2F", "/pay/https%3A%2F%2Fa.example%2Fx", "/pay/a%2Fb;v=1", "/pay/a%2F...%2Fb"]
        {
            assert_eq!(read(raw).and_then(|path| path.fit(true)), Ok(()), "{raw}");
            assert_eq!(read(raw).and_then(|path| path.fit(false)), Err(Ambiguous("an encoded slash in the path")), "{raw}");
        }
        for raw in [
            "/pay%2Fa",
            "/%2Fpay/a",
            "/pay/..%2Fadmin",
            "/pay/a%2F..%2Fadmin",
            "/pay/a%2F%2e%2e",
            "/pay/a%2F.",
            "/pay/a%2F..;x",
            "/pay/a%2F;x",
            "/pay/a%2Fb%5Cc",
            "/pay/a%252Fb",
            "/pay/a%2F%252e%252e",
            "/pay/a%2Fb%252Fc",
            "/pay/a%2F%00",
            "/pay/a%2F%c0%ae",
        ] {
            let taken = read(raw).and_then(|path| path.fit(true));
            assert!(taken.is_err(), "{raw:?} was taken");
        }
    }

    #[test]
    fn only_unreserved_characters_are_equal_to_their_encoding() {
        assert_eq!(plain("%61%2D%7e"), "a-~");
        assert_eq!(plain("a%3Ab%20"), "a%3Ab%20");
        assert_eq!(readings("a%3Ab;v=1"), ["a:b;v=1".to_owned(), "a:b".to_owned()]);
    }
}
