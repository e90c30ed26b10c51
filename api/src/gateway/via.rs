//! The trace that a call carries of the gateways it came through (RFC 9110 section 7.6.3), and how a loop is told by it. The name
//! is the instance's: each of its gateways knows another's.

use domain::keyring::{Keyring, Purpose};
use http::{HeaderMap, HeaderValue, Version, header::VIA};

/// How often a call may have come through before; a product that calls another of the same instance is no loop.
const MOST_BEFORE: usize = 1;

pub struct Via {
    name: String,
    http1: HeaderValue,
    http2: HeaderValue,
}

impl Via {
    pub fn of(keys: &Keyring) -> Self {
        let own = keys.derive(Purpose::Via, b"");
        let name = own[..6].iter().fold("portico-".to_owned(), |name, byte| name + &format!("{byte:02x}"));
        let received = |version: &str| {
            // Hexadecimal digits are fit for a header.
            HeaderValue::try_from(format!("{version} {name}")).unwrap_or_else(|_| HeaderValue::from_static("1.1 portico"))
        };
        Self { http1: received("1.1"), http2: received("2"), name }
    }

    /// Whether a call with these headers came through once too often.
    pub fn goes_round(&self, caller: &HeaderMap) -> bool {
        let lines = caller.get_all(VIA).iter().filter_map(|line| line.to_str().ok());
        let by = lines.flat_map(|line| line.split(',')).filter_map(|entry| entry.split_ascii_whitespace().nth(1));
        by.filter(|by| by.eq_ignore_ascii_case(&self.name)).count() > MOST_BEFORE
    }

    /// Adds ourselves behind those before.
    pub fn tell(&self, version: Version, into: &mut HeaderMap) {
        into.append(VIA, if version == Version::HTTP_2 { &self.http2 } else { &self.http1 }.clone());
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    #[test]
    fn a_third_time_is_a_loop() {
        let of = |key: &str| Via::of(&Keyring::parse(&SecretString::from(key.repeat(32))).unwrap());
        let (own, other) = (of("a"), of("b"));
        assert_ne!(own.name, other.name);
        let mut headers = HeaderMap::new();
        for (version, round) in [(Version::HTTP_11, false), (Version::HTTP_2, true)] {
            own.tell(version, &mut headers);
            other.tell(version, &mut headers);
            headers.append(VIA, HeaderValue::from_static("1.1 cache (squid), 1.0 portico"));
            assert_eq!(own.goes_round(&headers), round);
        }
        let line = format!("1.1 proxy,HTTP/1.1 {0} (x) , 2 {0}", own.name.to_uppercase());
        let joined = HeaderMap::from_iter([(VIA, HeaderValue::try_from(line).unwrap())]);
        assert!(own.goes_round(&joined) && !other.goes_round(&joined));
    }
}
