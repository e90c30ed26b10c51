//! Where requests may go whose addresses people outside give: key sets, issuers, and whatever later is fetched or called for
//! them. A program inside a network that fetched anything would open that network to them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use super::upstream::embedded_v4;
use crate::{Problem, ProblemCode};

/// Characters.
const MAX_URL: usize = 2_048;
/// https is served at these; others belong to services that were not made to be asked from outside.
const PORTS: [u16; 4] = [443, 4443, 8443, 9443];
/// The last labels of names that no public DNS has.
const NO_PUBLIC_NAMES: [&str; 8] = ["localhost", "local", "internal", "intranet", "lan", "home", "corp", "arpa"];

/// Which networks may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// https, to public addresses alone.
    #[default]
    Public,
    /// Plain http, this machine and private networks too: for development and for tests.
    Private,
}

/// A URL that may be asked, as it will be asked. Names are resolved by who asks, and judged by [`Reach::allows`] then.
pub fn url(path: &str, value: &str, reach: Reach) -> Result<Url, Problem> {
    let invalid = |say: &str| Problem::new(ProblemCode::Invalid, path, say);
    let malformed = || invalid("must be an absolute URL such as https://login.example.com/keys");
    // The parser passes over some of what people cannot see; what is stored is what was typed.
    if value.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
        return Err(malformed());
    }
    if value.len() > MAX_URL {
        return Err(Problem::new(ProblemCode::TooLong, path, format!("must have at most {MAX_URL} characters")));
    }
    let url = Url::parse(value).map_err(|_| malformed())?;
    match (url.scheme(), reach) {
        ("https", _) | ("http", Reach::Private) => {}
        _ => return Err(invalid("must start with https://")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("must not have a user name or a password"));
    }
    if url.fragment().is_some() {
        return Err(invalid("must not have a fragment"));
    }
    if reach == Reach::Public {
        let port = url.port_or_known_default().unwrap_or_default();
        if !PORTS.contains(&port) {
            let ports = PORTS.map(|port| port.to_string()).join(", ");
            return Err(invalid(&format!("must use one of the ports {ports}")));
        }
    }
    if !reach.covers(url.host()) {
        return Err(invalid("must be at a public address: neither this machine's nor one of a private network"));
    }
    Ok(url)
}

impl Reach {
    fn covers(self, host: Option<Host<&str>>) -> bool {
        match host {
            Some(Host::Ipv4(ip)) => self.allows(IpAddr::V4(ip)),
            Some(Host::Ipv6(ip)) => self.allows(IpAddr::V6(ip)),
            Some(Host::Domain(name)) if self == Self::Public => {
                let last = name.trim_end_matches('.').rsplit_once('.').map(|(_, last)| last);
                last.is_some_and(|last| !NO_PUBLIC_NAMES.contains(&last))
            }
            Some(Host::Domain(_)) => true,
            None => false,
        }
    }

    /// Whether an address that a name led to may be connected to.
    pub fn allows(self, ip: IpAddr) -> bool {
        match (self, ip) {
            (Self::Private, ip) => super::upstream::may_connect(ip),
            (Self::Public, IpAddr::V4(ip)) => is_public_v4(ip),
            (Self::Public, IpAddr::V6(ip)) => embedded_v4(ip).map_or_else(|| is_public_v6(ip), is_public_v4),
        }
    }
}

/// Outside of what IANA's registry of special-purpose addresses takes out of the public internet.
fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    !matches!(
        (a, b, c),
        (0 | 10 | 127 | 224.., ..)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    )
}

/// Global unicast (2000::/3), without what documentation, Teredo, benchmarks and protocols have of it.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    match ip.segments() {
        [0x2001, second, ..] => second >= 0x200 && second != 0xdb8,
        [0x3fff, second, ..] => second >= 0x1000,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses_are_asked_and_others_are_not() {
        for fine in [
            "https://login.example.com/keys?v=1",
            "https://login.example.com:8443/keys",
            "https://93.184.216.34/",
            "https://[2606:4700::1111]/",
            "https://xn--bcher-kva.example/keys",
        ] {
            assert!(url("jwksUrl", fine, Reach::Public).is_ok(), "{fine}");
        }
        let mut wrong: Vec<String> = [
            "127.0.0.1",
            "127.1",
            "127.8.8.8",
            "0",
            "0.0.0.0",
            "2130706433",
            "0x7f.1",
            "0x7f000001",
            "017700000001",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.0.192",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "[::]",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::7f00:1]",
            "[64:ff9b::7f00:1]",
            "[64:ff9b:1::1]",
            "[2002:7f00:1::]",
            "[2001::1]",
            "[2001:db8::1]",
            "[3fff::1]",
            "[fe80::1]",
            "[fe80::1%25lo]",
            "[fec0::1]",
            "[fd00::1]",
            "[fd00:ec2::254]",
            "[ff02::1]",
            "localhost",
            "localhost.",
            "LOCALHOST",
            "a.localhost",
            "intranet",
            "metadata.google.internal",
            "metadata.google.internal.",
            "printer.local",
            "１２７.0.0.1",
            "127。0。0。1",
            "ⓛocalhost",
            "a.example:22",
            "a.example:25",
            "a.example:80",
            "a.example:6379",
            "user@a.example",
            "user:pass@a.example",
            "a.example\\@127.0.0.1",
            "a.example /",
            "a.exa\tmple",
            "a.exa\nmple",
            "",
        ]
        .map(|host| format!("https://{host}/keys"))
        .into();
        let whole =
            ["http://a.example/", "ftp://a.example/", "file:///etc/passwd", "gopher://a.example/", "ht\ttps://a.example/"];
        let more =
            ["a.example", "//a.example", "https:", "https://a.example/#x", "data:,x", "javascript:x", " https://a.example"];
        wrong.extend(whole.into_iter().chain(more).map(str::to_owned));
        wrong.push(format!("https://a.example/{}", "x".repeat(MAX_URL)));
        for wrong in wrong {
            assert!(url("jwksUrl", &wrong, Reach::Public).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn in_development_this_machine_is_asked_but_no_metadata() {
        for fine in ["http://127.0.0.1:8080/keys", "http://localhost:9000", "https://idp.internal/", "http://[::1]:80/"] {
            assert!(url("jwksUrl", fine, Reach::Private).is_ok(), "{fine}");
        }
        assert!(url("jwksUrl", "file:///etc/passwd", Reach::Private).is_err());
        for refused in ["169.254.169.254", "::ffff:169.254.169.254", "0.0.0.0", "fe80::1"] {
            assert!(!Reach::Private.allows(refused.parse().expect("an address")), "{refused}");
        }
        assert!(Reach::Private.allows("10.0.0.1".parse().expect("an address")));
    }
}
