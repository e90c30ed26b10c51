//! What tells a gateway that a call comes from the explorer, and from whose address: it can be made by this instance alone, for
//! one path, for half a minute. It gives no right; without it the call would be the same.

use std::net::IpAddr;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use chrono::{DateTime, TimeDelta, Utc};
use domain::keyring::{Keyring, Purpose};
use http::HeaderName;

pub static HEADER: HeaderName = HeaderName::from_static("x-portico-explorer");

const LIFETIME: TimeDelta = TimeDelta::seconds(30);

pub fn make(keys: &Keyring, now: DateTime<Utc>, ip: Option<IpAddr>, method: &str, path: &str) -> String {
    let ends = (now + LIFETIME).timestamp();
    let ip = ip.map_or_else(String::new, |ip| ip.to_string());
    format!("{ends};{ip};{}", proof(keys, ends, &ip, method, path))
}

/// The caller's address, where the mark holds; `Some(None)` where it names none.
pub fn read(keys: &Keyring, now: DateTime<Utc>, value: &str, method: &str, path: &str) -> Option<Option<IpAddr>> {
    let mut parts = value.splitn(3, ';');
    let (ends, ip, given) = (parts.next()?, parts.next()?, parts.next()?);
    let ends: i64 = ends.parse().ok()?;
    let left = ends - now.timestamp();
    if !(0..=LIFETIME.num_seconds()).contains(&left) || !same(&proof(keys, ends, ip, method, path), given) {
        return None;
    }
    if ip.is_empty() { Some(None) } else { ip.parse().ok().map(Some) }
}

fn proof(keys: &Keyring, ends: i64, ip: &str, method: &str, path: &str) -> String {
    BASE64.encode(keys.derive(Purpose::Explorer, format!("{ends};{ip};{method};{path}").as_bytes()))
}

fn same(a: &str, b: &str) -> bool {
    domain::rules::credential::matches(&domain::keyring::sha256(a), &domain::keyring::sha256(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_holds_for_its_call_and_its_time_alone() {
        let keys = |text: &str| Keyring::parse(&text.to_owned().into()).expect("keys");
        let own = keys("a-key-for-tests-of-thirty-two-letters");
        let now = DateTime::from_timestamp(1_767_603_600, 0).expect("a moment");
        let ip: IpAddr = "2001:db8::1".parse().expect("an address");
        let made = make(&own, now, Some(ip), "GET", "/ship/x");
        let at = |seconds| now + TimeDelta::seconds(seconds);
        assert_eq!(read(&own, at(30), &made, "GET", "/ship/x"), Some(Some(ip)));
        assert_eq!(read(&own, at(31), &made, "GET", "/ship/x"), None);
        assert_eq!(read(&own, at(-1), &made, "GET", "/ship/x"), None, "from another clock's future");
        assert_eq!(read(&own, now, &made, "POST", "/ship/x"), None);
        assert_eq!(read(&own, now, &made, "GET", "/ship/y"), None);
        assert_eq!(read(&keys("another-key-of-thirty-two-letters-x"), now, &made, "GET", "/ship/x"), None);
        assert_eq!(read(&own, now, &made.replace("2001:db8::1", "2001:db8::2"), "GET", "/ship/x"), None);
        assert_eq!(read(&own, now, &make(&own, now, None, "GET", "/"), "GET", "/"), Some(None));
        for wrong in ["", ";;", "x;;y", "1767603600"] {
            assert_eq!(read(&own, now, wrong, "GET", "/ship/x"), None, "{wrong}");
        }
    }
}
