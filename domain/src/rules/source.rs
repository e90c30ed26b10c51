//! Where requests come from, as far as they are counted: one address of IPv4, or the /64 that one subscriber of IPv6 has.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

/// Whoever has one address of a /64 has them all (RFC 6177, section 2).
const SUBSCRIBER: u128 = u128::MAX << 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Source(IpAddr);

impl Source {
    pub fn of(ip: IpAddr) -> Self {
        Self(match ip.to_canonical() {
            IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & SUBSCRIBER).into(),
            ip @ IpAddr::V4(_) => ip,
        })
    }

    /// Whether an address, as text, is of this source.
    pub fn has(self, ip: &str) -> bool {
        ip.parse().is_ok_and(|ip| Self::of(ip) == self)
    }

    /// What the texts of all its addresses begin with; others' may as well.
    pub fn prefix(self) -> String {
        match self.0 {
            IpAddr::V4(ip) => ip.to_string(),
            // A group of zeros may be left out of the text, and so may what follows.
            IpAddr::V6(ip) => {
                let groups = ip.segments().into_iter().take(4).take_while(|group| *group != 0);
                groups.map(|group| format!("{group:x}:")).collect()
            }
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(ip) => ip.fmt(f),
            IpAddr::V6(ip) => write!(f, "{ip}/64"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(ip: &str) -> Source {
        Source::of(ip.parse().unwrap())
    }

    #[test]
    fn a_subscriber_of_ipv6_is_one_source() {
        for (ip, shown, prefix) in [
            ("192.0.2.1", "192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "2001:db8:1:2:"),
            ("2001:db8:1:2::", "2001:db8:1:2::/64", "2001:db8:1:2:"),
            ("2001:db8::5", "2001:db8::/64", "2001:db8:"),
            ("2001:db8:0:7::5", "2001:db8:0:7::/64", "2001:db8:"),
            ("2001:db8::5:0:0:1", "2001:db8::/64", "2001:db8:"),
            ("::1", "::/64", ""),
        ] {
            let seen = source(ip);
            assert_eq!((seen.to_string().as_str(), seen.prefix().as_str()), (shown, prefix), "{ip}");
            let text = ip.parse::<IpAddr>().unwrap().to_canonical().to_string();
            assert!(seen.has(&text) && text.starts_with(prefix), "{text}");
        }
        assert_ne!(source("2001:db8:1:2::1"), source("2001:db8:1:3::1"));
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
        assert!(!source("192.0.2.1").has("nonsense"));
    }
}
