//! What the texts that people type must look like.

use chrono::{DateTime, Datelike, Utc};

use crate::{Problem, ProblemCode};

/// What is said of a time that is none.
pub const NOT_A_TIME: &str = "must be a time of the years 1 to 9999, such as 2026-01-31T00:00:00Z";

/// A time as RFC 3339 writes it, and so of the years 1 to 9999: beyond, sums and databases come to their ends.
pub fn time(value: &str) -> Option<DateTime<Utc>> {
    value.parse::<DateTime<Utc>>().ok().filter(|time| (1..=9999).contains(&time.year()))
}

/// Longest address that mail can carry (RFC 5321: 254 octets between the angle brackets).
const EMAIL_MAX: usize = 254;

/// A name that people read: trimmed, one line, 1 to `max` characters.
pub fn name(path: &str, value: &str, max: usize) -> Result<String, Problem> {
    let value = value.trim();
    if value.is_empty() {
        return Err(Problem::new(ProblemCode::Required, path, "must not be empty"));
    }
    if value.chars().count() > max {
        return Err(Problem::new(ProblemCode::TooLong, path, format!("must have at most {max} characters")));
    }
    if value.chars().any(char::is_control) {
        return Err(Problem::new(ProblemCode::Invalid, path, "must be one line without control characters"));
    }
    Ok(value.to_owned())
}

/// A text of several lines: at most `max` characters; empty counts as none.
pub fn prose(path: &str, value: Option<&str>, max: usize) -> Result<Option<String>, Problem> {
    let Some(value) = value.map(str::trim).filter(|v| !v.is_empty()) else { return Ok(None) };
    if value.chars().count() > max {
        return Err(Problem::new(ProblemCode::TooLong, path, format!("must have at most {max} characters")));
    }
    if value.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err(Problem::new(ProblemCode::Invalid, path, "must not contain control characters"));
    }
    Ok(Some(value.to_owned()))
}

/// A name in URLs: lower case letters, digits and inner hyphens, 1 to 60 characters.
pub fn slug(path: &str, value: &str) -> Result<String, Problem> {
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if value.is_empty() || value.len() > 60 || !value.chars().all(fine) || value.starts_with('-') || value.ends_with('-') {
        let rule = "must have 1 to 60 lower case letters, digits and inner hyphens";
        return Err(Problem::new(ProblemCode::Invalid, path, rule));
    }
    Ok(value.to_owned())
}

/// A slug made from a name; empty where the name has no letter or digit that fits.
pub fn slug_from(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars().flat_map(char::to_lowercase) {
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
        if slug.len() == 48 {
            break;
        }
    }
    slug.trim_end_matches('-').to_owned()
}

/// An address that mail can be sent to, in lower case. Stricter than RFC 5321: no quoted local parts, no address literals,
/// no control or non-ASCII characters, so that an address can never carry a second header.
pub fn email(path: &str, value: &str) -> Result<String, Problem> {
    let invalid = || Problem::new(ProblemCode::Invalid, path, "must be a mail address such as ada@example.com");
    let value = value.trim().to_ascii_lowercase();
    let (local, host) = value.rsplit_once('@').ok_or_else(invalid)?;
    let atom = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    let dots = |part: &str| !part.starts_with('.') && !part.ends_with('.') && !part.contains("..");
    let label = |l: &str| {
        !l.is_empty()
            && l.len() <= 63
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    let fine = value.len() <= EMAIL_MAX
        && (1..=64).contains(&local.len())
        && local.chars().all(atom)
        && dots(local)
        && host.split('.').all(label);
    if fine { Ok(value) } else { Err(invalid()) }
}

/// An absolute http or https URL without user name or password, at most 2,000 characters.
pub fn web_url(path: &str, value: &str) -> Result<String, Problem> {
    let invalid = |message: &str| Problem::new(ProblemCode::Invalid, path, message);
    if value.len() > 2000 {
        return Err(Problem::new(ProblemCode::TooLong, path, "must have at most 2000 characters"));
    }
    let url = url::Url::parse(value.trim()).map_err(|_| invalid("must be an absolute URL such as https://api.example.com"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(invalid("must start with https:// or http:// and name a host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("must not contain a user name or password"));
    }
    Ok(url.into())
}

/// How an enum is shown outside: `PENDING_APPROVAL`.
pub fn word(value: impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The beginning of what others sent, on one line, as a log can bear it.
pub fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).map(|char| if char.is_control() { ' ' } else { char }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for fine in ["ada@example.com", "a.b+c@x.co", " Ada@Example.COM ", "root@localhost", "o'neill@mail.example"] {
            assert_eq!(email("email", fine), Ok(fine.trim().to_lowercase()));
        }
        let long = format!("{}@example.com", "a".repeat(65));
        for wrong in [
            "",
            "a",
            "a@",
            "@b",
            "a@b@c",
            "a b@c.d",
            "a@b\r\nBcc: c@d",
            "\"a\"@b.c",
            "a@[127.0.0.1]",
            "a@b..c",
            ".a@b.c",
            "a,b@c.d",
            "ä@b.c",
            "a@-b.c",
            &long,
        ] {
            assert!(email("email", wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn slugs() {
        assert_eq!(slug_from("  Acme & Söhne, Inc. "), "acme-s-hne-inc");
        assert_eq!(slug_from("日本"), "");
        assert!(slug("slug", "pay-2").is_ok());
        for wrong in ["", "-a", "a-", "A", "a_b", "a/b", &"a".repeat(61)] {
            assert!(slug("slug", wrong).is_err(), "{wrong:?}");
        }
    }
}
