//! The formats of texts that are checked and made. Unknown ones let everything through.

use std::net::{Ipv4Addr, Ipv6Addr};

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta};

use super::random::Random;

pub fn fits(name: &str, text: &str) -> bool {
    match name {
        "date-time" => is_date_time(text),
        "date" => text.len() == 10 && NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok(),
        "time" => is_time(text),
        "uuid" => text.len() == 36 && uuid::Uuid::try_parse(text).is_ok(),
        "email" | "idn-email" => is_email(text, name == "idn-email"),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "uri" | "iri" => {
            url::Url::parse(text).is_ok() && !text.contains(char::is_whitespace) && (name == "iri" || text.is_ascii())
        }
        "hostname" => is_hostname(text),
        "byte" => {
            text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'-' | b'_' | b'\r' | b'\n'))
        }
        _ => true,
    }
}

pub fn described(name: &str) -> &str {
    match name {
        "date-time" => "a date and time such as 2025-01-31T12:00:00Z",
        "date" => "a date such as 2025-01-31",
        "time" => "a time such as 12:00:00Z",
        "uuid" => "a UUID",
        "email" | "idn-email" => "an email address",
        "ipv4" => "an IPv4 address",
        "ipv6" => "an IPv6 address",
        "uri" | "iri" => "an absolute URI",
        "hostname" => "a host name",
        "byte" => "base64",
        other => other,
    }
}

/// RFC 3339: a T between, seconds, and an offset.
fn is_date_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.get(10).is_some_and(|b| matches!(b, b'T' | b't')) && DateTime::parse_from_rfc3339(text).is_ok()
}

fn is_time(text: &str) -> bool {
    let Some(at) = text.find(['Z', 'z', '+', '-']) else { return false };
    let (time, offset) = text.split_at(at);
    let hours = |s: &str| s.len() == 5 && NaiveTime::parse_from_str(s, "%H:%M").is_ok();
    time.len() >= 8
        && NaiveTime::parse_from_str(time, "%H:%M:%S%.f").is_ok()
        && (matches!(offset, "Z" | "z") || hours(&offset[1..]))
}

fn is_email(text: &str, international: bool) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let fine = |c: char| !c.is_whitespace() && !c.is_control() && (international || c.is_ascii());
    !local.is_empty()
        && local.len() <= 64
        && local.chars().all(fine)
        && (international || is_hostname(domain))
        && !domain.is_empty()
}

fn is_hostname(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

/// A text of this format; `None` for one that no text is made for.
pub fn sample(name: &str, random: &mut Random) -> Option<String> {
    let word = random.word();
    Some(match name {
        "date-time" => moment(random).format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "date" => moment(random).format("%Y-%m-%d").to_string(),
        "time" => moment(random).format("%H:%M:%SZ").to_string(),
        "duration" => format!("PT{}M", 1 + random.below(59)),
        "uuid" => uuid::Builder::from_random_bytes(bytes(random)).into_uuid().to_string(),
        "email" | "idn-email" => format!("{word}@example.com"),
        "hostname" | "idn-hostname" => format!("{word}.example.com"),
        // The networks that documentation may use (RFC 5737, RFC 3849).
        "ipv4" => format!("192.0.2.{}", 1 + random.below(254)),
        "ipv6" => format!("2001:db8::{:x}", 1 + random.below(0xfffe)),
        "uri" | "url" | "iri" => format!("https://example.com/{word}"),
        "uri-reference" | "iri-reference" => format!("/{word}"),
        "uri-template" => format!("https://example.com/{word}/{{id}}"),
        "json-pointer" => format!("/{word}"),
        "relative-json-pointer" => "0".to_owned(),
        "regex" => format!("^{word}$"),
        "byte" => STANDARD.encode(word),
        _ => return None,
    })
}

/// Some second of 2025.
fn moment(random: &mut Random) -> DateTime<chrono::Utc> {
    const NEW_YEAR: i64 = 1_735_689_600;
    let offset = i64::try_from(random.below(365 * 86_400)).unwrap_or_default();
    DateTime::UNIX_EPOCH + TimeDelta::seconds(NEW_YEAR + offset)
}

fn bytes(random: &mut Random) -> [u8; 16] {
    (u128::from(random.next()) << 64 | u128::from(random.next())).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_fits() {
        const NAMES: [&str; 13] = [
            "date-time",
            "date",
            "time",
            "uuid",
            "email",
            "idn-email",
            "ipv4",
            "ipv6",
            "uri",
            "iri",
            "hostname",
            "byte",
            "unknown",
        ];
        for name in NAMES {
            for seed in 0..50 {
                let text = sample(name, &mut Random::new(seed)).unwrap_or_default();
                assert!(fits(name, &text), "{name}: {text}");
            }
        }
    }

    #[test]
    fn what_does_not_fit() {
        for (name, wrong) in [
            ("date-time", "2025-01-31 12:00:00Z"),
            ("date-time", "2025-01-31T12:00:00"),
            ("date-time", "2025-02-30T12:00:00Z"),
            ("date", "2025-2-3"),
            ("date", "31.01.2025"),
            ("time", "12:00"),
            ("time", "12:00:00"),
            ("uuid", "0190f3c8b8e57cc0b2a9c1f0a1b2c3d4"),
            ("email", "nobody"),
            ("email", "a b@example.com"),
            ("email", "@example.com"),
            ("ipv4", "1.2.3"),
            ("ipv6", "1.2.3.4"),
            ("uri", "/relative"),
            ("uri", "not a uri"),
            ("hostname", "-x.example"),
            ("hostname", ""),
            ("byte", "a b"),
        ] {
            assert!(!fits(name, wrong), "{name}: {wrong:?}");
        }
        assert!(fits("time", "12:00:00.5+02:00") && fits("date-time", "2025-01-31T12:00:00.123+02:00"));
    }
}
