//! Where a product's calls may be sent, and what may be added to them on the way.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use super::text;
use crate::{Problem, ProblemCode};

/// Milliseconds.
pub const DEFAULT_TIMEOUT_MS: i32 = 30_000;
const MAX_TIMEOUT_MS: i32 = 120_000;

pub const MAX_HEADERS: usize = 32;
const HEADER_NAME_MAX: usize = 128;
const HEADER_VALUE_MAX: usize = 4_096;

/// Names under which clouds serve machines their own secrets.
const METADATA_HOSTS: [&str; 4] = ["metadata", "metadata.google.internal", "metadata.goog", "instance-data"];

/// Connection management (RFC 9110 section 7.6.1), framing, and what the gateway itself sets.
const GATEWAYS_OWN: [&str; 15] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "host",
    "content-length",
    "expect",
    "forwarded",
    "x-request-id",
    "via",
];
const GATEWAYS_OWN_PREFIXES: [&str; 2] = ["x-portico-", "x-forwarded-"];

/// Where calls go: http or https, private networks included, but never an address that hands out a machine's secrets.
/// The names behind host names are checked again by who connects.
pub fn url(path: &str, value: &str) -> Result<String, Problem> {
    let invalid = |message: &str| Problem::new(ProblemCode::Invalid, path, message);
    let checked = text::web_url(path, value)?;
    let url = Url::parse(&checked).map_err(|_| invalid("must be an absolute URL such as https://api.example.com"))?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(invalid("must not have a query or a fragment: calls bring their own"));
    }
    let forbidden = match url.host() {
        Some(Host::Ipv4(ip)) => !may_connect(IpAddr::V4(ip)),
        Some(Host::Ipv6(ip)) => !may_connect(IpAddr::V6(ip)),
        Some(Host::Domain(name)) => METADATA_HOSTS.contains(&name.trim_end_matches('.').to_ascii_lowercase().as_str()),
        None => true,
    };
    if forbidden {
        return Err(invalid("must not be a link-local, metadata, multicast or unspecified address"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Whether an upstream may have this address. Loopback and private networks are where upstreams live.
pub fn may_connect(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => may_connect_v4(ip),
        IpAddr::V6(ip) => embedded_v4(ip).map_or_else(|| may_connect_v6(ip), may_connect_v4),
    }
}

fn may_connect_v4(ip: Ipv4Addr) -> bool {
    /// Oracle's and Alibaba's metadata services live outside of 169.254/16.
    const METADATA: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 0, 0, 192), Ipv4Addr::new(100, 100, 100, 200)];
    let reserved = ip.octets()[0] == 0 || ip.octets()[0] >= 240;
    !(ip.is_link_local() || ip.is_multicast() || reserved || METADATA.contains(&ip))
}

fn may_connect_v6(ip: Ipv6Addr) -> bool {
    const AMAZON_METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    !(ip.is_unicast_link_local() || ip.is_multicast() || ip.is_unspecified() || ip == AMAZON_METADATA)
}

/// The IPv4 address that an IPv6 one leads to: mapped, NAT64 (64:ff9b::/96) or 6to4.
pub(super) fn embedded_v4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = ip.segments();
    let from = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match s {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(from(high, low)),
        [0x2002, high, low, ..] => Some(from(high, low)),
        _ => None,
    }
}

/// From 1 to 120,000 milliseconds.
pub fn timeout_ms(path: &str, value: i32) -> Result<i32, Problem> {
    if (1..=MAX_TIMEOUT_MS).contains(&value) {
        return Ok(value);
    }
    Err(Problem::new(ProblemCode::Invalid, path, format!("must be from 1 to {MAX_TIMEOUT_MS} milliseconds")))
}

/// The name of a header that the gateway adds, as it was typed.
pub fn header_name(path: &str, value: &str) -> Result<String, Problem> {
    let invalid = |message: String| Err(Problem::new(ProblemCode::Invalid, path, message));
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if value.is_empty() || value.len() > HEADER_NAME_MAX || !value.bytes().all(token) {
        return invalid("must be a header's name such as X-Api-Key".to_owned());
    }
    // An underscore is a hyphen to many servers behind: X_Portico_Client must not get past.
    let lower = value.to_ascii_lowercase().replace('_', "-");
    if GATEWAYS_OWN.contains(&lower.as_str()) || GATEWAYS_OWN_PREFIXES.iter().any(|prefix| lower.starts_with(prefix)) {
        return invalid(format!("{value} is set by the gateway itself: choose another name"));
    }
    Ok(value.to_owned())
}

/// A header's value: visible ASCII, with spaces and tabs inside only (RFC 9110 section 5.5 without obs-text).
pub fn header_value(path: &str, value: &str) -> Result<String, Problem> {
    let visible = |b: u8| matches!(b, b' ' | b'\t' | 0x21..=0x7e);
    if value.len() > HEADER_VALUE_MAX {
        return Err(Problem::new(ProblemCode::TooLong, path, format!("must have at most {HEADER_VALUE_MAX} characters")));
    }
    if value.trim().is_empty() {
        return Err(Problem::new(ProblemCode::Required, path, "must not be empty"));
    }
    if value.trim() != value || !value.bytes().all(visible) {
        return Err(Problem::new(ProblemCode::Invalid, path, "must be one line of visible ASCII without spaces around it"));
    }
    Ok(value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstreams() {
        for (given, kept) in [
            ("https://api.example.com/", "https://api.example.com"),
            ("http://10.0.0.7:8080/base/", "http://10.0.0.7:8080/base"),
            ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
            ("http://[fd00::1]/x", "http://[fd00::1]/x"),
            ("http://payments.internal", "http://payments.internal"),
        ] {
            assert_eq!(url("upstreamUrl", given).as_deref(), Ok(kept));
        }
        for wrong in [
            "",
            "api.example.com",
            "ftp://a.example",
            "https://u:p@a.example",
            "https://a.example/?x=1",
            "https://a.example/#x",
            "http://169.254.169.254/latest",
            "http://2852039166/",
            "http://0xa9.0xfe.0xa9.0xfe",
            "http://[fe80::1]/",
            "http://[::ffff:169.254.169.254]",
            "http://[64:ff9b::a9fe:a9fe]",
            "http://[2002:a9fe:a9fe::1]",
            "http://[fd00:ec2::254]",
            "http://0.0.0.0",
            "http://0/",
            "http://[::]",
            "http://224.0.0.1",
            "http://255.255.255.255",
            "http://192.0.0.192",
            "http://100.100.100.200",
            "http://metadata.google.internal/",
            "http://METADATA.google.internal./",
            "http://169。254。169。254/",
        ] {
            assert!(url("upstreamUrl", wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn headers() {
        for fine in ["X-Api-Key", "authorization", "x_internal"] {
            assert_eq!(header_name("name", fine).as_deref(), Ok(fine));
        }
        for wrong in [
            "",
            "a b",
            "a:",
            "é",
            "Host",
            "Connection",
            "TE",
            "Transfer-Encoding",
            "Content-Length",
            "X-Request-ID",
            "X-Portico-Client",
            "X_Portico_Client",
            "x-forwarded-for",
            "X-Forwarded_Proto",
            "Forwarded",
        ] {
            assert!(header_name("name", wrong).is_err(), "{wrong:?}");
        }
        assert!(header_value("value", "Bearer abc\tdef").is_ok());
        for wrong in ["", " ", " a", "a ", "a\r\nb", "a\nb", "ä", "a\0b", &"a".repeat(4_097)] {
            assert!(header_value("value", wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn timeouts() {
        assert!([1, 120_000].iter().all(|&ms| timeout_ms("timeoutMs", ms) == Ok(ms)));
        assert!([0, -1, 120_001].iter().all(|&ms| timeout_ms("timeoutMs", ms).is_err()));
    }
}
