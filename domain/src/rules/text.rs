//! What the texts that people type must look like.

use std::borrow::Cow;

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

/// A name or a short text that people read, in mails, exports and logs too: trimmed, one line of characters that are seen and stand
/// where they are, 1 to `max` of them.
pub fn name(path: &str, value: &str, max: usize) -> Result<String, Problem> {
    let value = value.trim();
    if value.is_empty() {
        return Err(Problem::new(ProblemCode::Required, path, "must not be empty"));
    }
    if value.chars().count() > max {
        return Err(Problem::new(ProblemCode::TooLong, path, format!("must have at most {max} characters")));
    }
    refuse(path, value, is_hidden, "must be one line without control, zero-width and text direction characters")?;
    Ok(value.to_owned())
}

fn refuse(path: &str, value: &str, which: fn(char) -> bool, say: &str) -> Result<(), Problem> {
    match value.chars().find(|c| which(*c)) {
        Some(found) => Err(Problem::new(ProblemCode::Invalid, path, format!("{say}: take out U+{:04X}", u32::from(found)))),
        None => Ok(()),
    }
}

/// What is not seen or moves what is: control characters, line separators, what sets the direction of text, and what has no width
/// (all of Unicode's Default_Ignorable_Code_Point). Two names that look alike are alike, and none breaks a line.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Of these, those that no text of several lines has a use for. Joiners and direction marks are part of how some languages are
/// written.
fn is_hidden_in_prose(c: char) -> bool {
    let written = matches!(c,
        '\n' | '\r' | '\t' | '\u{ad}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200c}'..='\u{200f}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{e0100}'..='\u{e01ef}');
    is_hidden(c) && !written
}

/// A text of several lines: at most `max` characters; empty counts as none.
pub fn prose(path: &str, value: Option<&str>, max: usize) -> Result<Option<String>, Problem> {
    let Some(value) = value.map(str::trim).filter(|v| !v.is_empty()) else { return Ok(None) };
    if value.chars().count() > max {
        return Err(Problem::new(ProblemCode::TooLong, path, format!("must have at most {max} characters")));
    }
    refuse(path, value, is_hidden_in_prose, "must not contain control, invisible and text direction characters")?;
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

/// An address that mail can be sent to, in lower case, its domain as DNS has it: `ada@bücher.example` is kept as
/// `ada@xn--bcher-kva.example`, however it was typed. Stricter than RFC 5321: no quoted local parts, no address literals, no
/// control characters and none beyond ASCII before the `@`, so that an address can never carry a second header.
pub fn email(path: &str, value: &str) -> Result<String, Problem> {
    let invalid = || Problem::new(ProblemCode::Invalid, path, "must be a mail address such as ada@example.com");
    let value = value.trim().to_ascii_lowercase();
    let (local, host) = value.rsplit_once(['@', '\u{ff20}', '\u{fe6b}']).ok_or_else(invalid)?;
    if !local.is_ascii() {
        let say = "must have letters of the Latin alphabet without accents before the @: mail servers differ on others";
        return Err(Problem::new(ProblemCode::Invalid, path, say));
    }
    let host = match host.is_ascii() {
        true => host.to_owned(),
        // It decodes percent signs, which a domain has none of.
        false if host.contains('%') => return Err(invalid()),
        false => match url::Host::parse(host) {
            Ok(url::Host::Domain(domain)) => domain,
            _ => return Err(invalid()),
        },
    };
    let value = format!("{local}@{host}");
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
    text.chars().take(most).map(|char| if is_hidden(char) { ' ' } else { char }).collect()
}

/// Whether programs that show mails would make a link of something in a name.
pub fn has_address(name: &str) -> bool {
    matches!(inert(name), Cow::Owned(_))
}

/// A name as mails tell it: what programs would take for an address, and make a link of, looks the same and is none.
pub fn inert(name: &str) -> Cow<'_, str> {
    let chars: Vec<char> = name.chars().collect();
    let before = |at: usize| at.checked_sub(1).and_then(|at| chars.get(at)).copied().unwrap_or(' ');
    let after = |at: usize| chars.get(at + 1).copied().unwrap_or(' ');
    let mut changed = false;
    let written = chars.iter().enumerate().map(|(at, &c)| {
        let other = match c {
            '.' | '\u{3002}' | '\u{ff0e}' | '\u{ff61}' if before(at).is_alphanumeric() && after(at).is_alphabetic() => '\u{2024}',
            '@' if before(at).is_alphanumeric() && after(at).is_alphanumeric() => '\u{ff20}',
            '/' if before(at) == '/' || after(at) == '/' => '\u{2215}',
            _ => return c,
        };
        changed = true;
        other
    });
    let written: String = written.collect();
    if changed { Cow::Owned(written) } else { Cow::Borrowed(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for fine in ["ada@example.com", "a.b+c@x.co", " Ada@Example.COM ", "root@localhost", "o'neill@mail.example"] {
            assert_eq!(email("email", fine), Ok(fine.trim().to_lowercase()));
        }
        for (given, kept) in [
            ("Ada@Bücher.example", "ada@xn--bcher-kva.example"),
            ("ada@BÜCHER.Example", "ada@xn--bcher-kva.example"),
            ("ada@bu\u{308}cher.example", "ada@xn--bcher-kva.example"),
            ("ada@XN--BCHER-KVA.example", "ada@xn--bcher-kva.example"),
            ("ada@bücher。example", "ada@xn--bcher-kva.example"),
            ("ada＠bücher.example", "ada@xn--bcher-kva.example"),
            ("ada@例え.テスト", "ada@xn--r8jz45g.xn--zckzah"),
            ("ada@straße.example", "ada@xn--strae-oqa.example"),
        ] {
            assert_eq!(email("email", given).as_deref(), Ok(kept), "{given}");
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
            "a@b\u{e4}%2ec",
            "a@１２７.0.0.1",
            "a@b\u{202e}c.example",
            "a@ä b.example",
            "a@ä..example",
            "a@xn--ä.example",
            "a@-b.c",
            &long,
        ] {
            assert!(email("email", wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn names_are_one_line_of_what_is_seen() {
        for fine in ["Acme", "Åsa Müller-日本", "O'Neill & Söhne, Inc.", "שלום", "مرحبا", "🚀 Rockets"] {
            assert_eq!(name("name", fine, 80).as_deref(), Ok(fine));
            assert_eq!(prose("notes", Some(fine), 80), Ok(Some(fine.to_owned())));
        }
        assert_eq!(name("name", " Acme\n", 80).as_deref(), Ok("Acme"));
        let in_prose_too = [
            '\0',
            '\u{7}',
            '\u{1b}',
            '\u{7f}',
            '\u{85}',
            '\u{200b}',
            '\u{2028}',
            '\u{2029}',
            '\u{202a}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{2069}',
            '\u{feff}',
            '\u{e0041}',
            '\u{3164}',
        ];
        let in_names =
            ['\n', '\r', '\t', '\u{ad}', '\u{61c}', '\u{200c}', '\u{200d}', '\u{200e}', '\u{200f}', '\u{fe0f}', '\u{180e}'];
        for hidden in in_prose_too.into_iter().chain(in_names) {
            let text = format!("Ac{hidden}me");
            let problem = name("name", &text, 80).unwrap_err();
            assert_eq!((problem.code, problem.path), (ProblemCode::Invalid, vec!["name".to_owned()]), "{hidden:?}");
            assert!(problem.message.ends_with(&format!("U+{:04X}", u32::from(hidden))), "{}", problem.message);
            assert_eq!(prose("notes", Some(&text), 80).is_err(), in_prose_too.contains(&hidden), "{hidden:?}");
            assert_eq!(cut(&text, 80), "Ac me");
        }
    }

    #[test]
    fn an_address_in_a_name_is_no_link() {
        for (plain, told) in [
            ("Win at https://evil.example/x", "Win at https:\u{2215}\u{2215}evil\u{2024}example/x"),
            ("www.evil.example", "www\u{2024}evil\u{2024}example"),
            ("pay@evil.example", "pay\u{ff20}evil\u{2024}example"),
            ("evil。example", "evil\u{2024}example"),
            ("//evil", "\u{2215}\u{2215}evil"),
        ] {
            assert_eq!(inert(plain), told);
            assert!(has_address(plain) && !has_address(told));
        }
        for name in ["Acme Inc.", "Müller & Co. KG", "A/B tests", "R.", "Plan 2.0", "@acme", "日本"] {
            assert_eq!(inert(name), name);
            assert!(!has_address(name));
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
