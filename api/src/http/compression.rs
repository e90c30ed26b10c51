//! Answers in gzip, for who takes it.

use std::io::Write;

use axum::http::{HeaderMap, header::ACCEPT_ENCODING};
use flate2::{Compression, write::GzEncoder};

/// Bytes below which a packed answer is hardly smaller.
pub const WORTHWHILE: usize = 1024;
/// Bytes that are packed where they are; more would hold up what else the thread has to do.
const AT_ONCE: usize = 64 << 10;

/// Whether gzip may be sent (RFC 9110 section 12.5.3): named, or covered by `*`, and not with weight 0.
pub fn accepts_gzip(headers: &HeaderMap) -> bool {
    let listed = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).flat_map(|line| line.split(','));
    let mut any = false;
    for coding in listed {
        let (name, parameters) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = parameters.trim().strip_prefix("q=").and_then(|q| q.trim().parse::<f32>().ok()).unwrap_or(1.0);
        match name.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => return weight > 0.0,
            "*" => any = weight > 0.0,
            _ => {}
        }
    }
    any
}

/// The bytes in gzip; `None` where packing failed.
pub async fn packed(bytes: Vec<u8>) -> Option<Vec<u8>> {
    if bytes.len() <= AT_ONCE {
        return pack(&bytes);
    }
    tokio::task::spawn_blocking(move || pack(&bytes)).await.ok().flatten()
}

fn pack(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut packer = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
    packer.write_all(bytes).ok()?;
    packer.finish().ok()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn encodings() {
        for (value, expected) in [
            ("gzip", true),
            ("deflate, GZIP;q=0.5, br", true),
            ("*", true),
            ("gzip;q=0", false),
            ("*, gzip;q=0", false),
            ("gzip;q=0, *", false),
            ("br", false),
            ("identity", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(value))]);
            assert_eq!(accepts_gzip(&headers), expected, "{value}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }
}
