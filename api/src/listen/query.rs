//! Characters of a query that a URL must not have and that many callers send all the same.

use std::borrow::Cow;

/// Quotation marks and angle brackets: browsers encode them, and the HTTP library refuses them.
pub fn must_be_encoded(byte: u8) -> bool {
    matches!(byte, b'"' | b'<' | b'>')
}

/// A target with those of its query encoded.
pub fn encoded(target: &[u8]) -> Cow<'_, [u8]> {
    let start = target.iter().position(|byte| *byte == b'?').unwrap_or(target.len());
    if !target[start..].iter().copied().any(must_be_encoded) {
        return Cow::Borrowed(target);
    }
    let mut out = target[..start].to_vec();
    for byte in &target[start..] {
        encode(*byte, &mut out);
    }
    out.into()
}

/// Appends a byte, encoded where it must be.
pub fn encode(byte: u8, into: &mut Vec<u8>) {
    match byte {
        b'"' => into.extend(b"%22"),
        b'<' => into.extend(b"%3C"),
        b'>' => into.extend(b"%3E"),
        other => into.push(other),
    }
}
