//! Where a sign-in may lead: a path of the same origin, or an address within an origin that the settings allow.

use url::Url;

use crate::{Problem, ProblemCode};

const MAX_LENGTH: usize = 2000;

/// `given` as it is, where browsers cannot take it for anything else than it looks like. `origins` are serialised ones:
/// `https://portal.example`.
pub fn checked(path: &str, given: &str, origins: &[String]) -> Result<String, Problem> {
    let fine = given.len() <= MAX_LENGTH
        // Browsers drop tabs and newlines, and take a backslash for a slash.
        && given.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
        && (is_own_path(given) || is_within(given, origins));
    if fine {
        return Ok(given.to_owned());
    }
    let message = "must be a path such as /apps, or an address within an origin that PORTICO_ALLOWED_ORIGINS names";
    Err(Problem::new(ProblemCode::Invalid, path, message))
}

/// A path that stays a path however often it is decoded on the way: `//host` and `/\host` would name another host.
fn is_own_path(given: &str) -> bool {
    let mut path = given.split(['?', '#']).next().unwrap_or_default().as_bytes().to_vec();
    loop {
        let hides = path.windows(2).any(|pair| pair == b"//") || path.iter().any(|b| *b == b'\\' || b.is_ascii_control());
        if path.first() != Some(&b'/') || hides {
            return false;
        }
        match decoded(&path) {
            Some(once) => path = once,
            None => return true,
        }
    }
}

/// One round of percent-decoding; `None` where there is nothing to decode. Each round is shorter, so rounds end.
fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let hex = |at: usize| text.get(at).and_then(|b| char::from(*b).to_digit(16));
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        if let (b'%', Some(high), Some(low)) = (text[at], hex(at + 1), hex(at + 2)) {
            out.push((high * 16 + low) as u8);
            at += 3;
        } else {
            out.push(text[at]);
            at += 1;
        }
    }
    (out.len() < text.len()).then_some(out)
}

fn is_within(given: &str, origins: &[String]) -> bool {
    // `https:host` and `https:///host` mean `https://host` to browsers: only the plain form passes.
    let Some((scheme, rest)) = given.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if !matches!(scheme, "http" | "https") || authority.is_empty() || authority.contains(['@', '%']) {
        return false;
    }
    Url::parse(given).is_ok_and(|url| origins.contains(&url.origin().ascii_serialization()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_elsewhere_is_refused() {
        let origins = ["https://portal.example", "http://127.0.0.1:8080"].map(str::to_owned);
        for fine in [
            "/",
            "/apps",
            "/apps/1?tab=keys#top",
            "/apps?next=https%3A%2F%2Felsewhere.example//",
            "/caf%C3%A9",
            "/a%20b",
            "/100%",
            "https://portal.example",
            "https://portal.example/apps?x=1",
            "https://PORTAL.example:443/apps",
            "http://127.0.0.1:8080/",
        ] {
            assert_eq!(checked("redirectTo", fine, &origins).as_deref(), Ok(fine));
        }
        let long = format!("/{}", "a".repeat(MAX_LENGTH));
        for wrong in [
            "",
            "apps",
            "//evil",
            "///evil",
            "/\\evil",
            "\\\\evil",
            "/\t/evil",
            "/\n/evil",
            "\t//evil",
            " //evil",
            "/a//evil",
            "/.//evil",
            "/%2fevil",
            "/%2Fevil",
            "%2f%2fevil",
            "/%2f%2fevil",
            "/%5cevil",
            "/%252fevil",
            "/%25252f%25252fevil",
            "/%09/evil",
            "/%00",
            "/%0d%0aSet-Cookie:x",
            "https:evil",
            "https:/evil",
            "https:///evil",
            "https:\\\\evil",
            "https://evil",
            "javascript:alert(1)",
            "JaVaScript:alert(1)",
            "java\tscript:alert(1)",
            "javascript://portal.example/%0aalert(1)",
            "data:text/html,x",
            "https://portal.example@evil/",
            "https://user@portal.example/",
            "https://portal.example:pw@evil/",
            "https://portal.example.evil/",
            "https://evil/https://portal.example",
            "https://portal.example:8443/",
            "http://portal.example/",
            "http://127.0.0.1:8081/",
            "https://portal.example\\@evil/",
            "https://portal%2eexample/",
            "HTTPS://portal.example/",
            "ftp://portal.example/",
            "/／evil",
            "https://ｅvil/",
            &long,
        ] {
            assert!(checked("redirectTo", wrong, &origins).is_err(), "{wrong:?}");
        }
    }
}
