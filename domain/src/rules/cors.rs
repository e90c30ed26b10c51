//! Which browsers' pages may call a product: the origins that staff allow, and what a preflight is told (Fetch, section 3.2).

use std::collections::BTreeSet;

use url::Url;

use crate::{Problem, ProblemCode};

const MAX_ORIGINS: usize = 100;
const MAX_ORIGIN: usize = 253 + 32;
/// Stands for every origin, and alone.
const ANY: &str = "*";
/// Bytes and names of what a preflight asks for.
const MAX_ASKED: usize = 4_096;
const MAX_NAMES: usize = 64;

/// Whose pages may call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Origins {
    /// Nobody's by our word: what the upstream says of it passes.
    #[default]
    Unset,
    Any,
    Only(Box<[Box<str>]>),
}

/// What a page of one origin may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    No,
    /// As any page may: without the browser's own credentials.
    LikeAny,
    Itself,
}

impl Origins {
    pub fn of(stored: &[String]) -> Self {
        match stored {
            [] => Self::Unset,
            list if list.iter().any(|origin| origin == ANY) => Self::Any,
            list => Self::Only(list.iter().map(|origin| origin.as_str().into()).collect()),
        }
    }

    pub fn is_set(&self) -> bool {
        *self != Self::Unset
    }

    pub fn allow(&self, origin: &[u8]) -> Allowed {
        match self {
            Self::Unset => Allowed::No,
            Self::Any => Allowed::LikeAny,
            Self::Only(list) if list.iter().any(|allowed| allowed.as_bytes() == origin) => Allowed::Itself,
            Self::Only(_) => Allowed::No,
        }
    }
}

/// Origins as browsers write them, each once; `*` alone stands for all of them.
pub fn checked(path: &str, given: &[String]) -> Result<Vec<String>, Vec<Problem>> {
    if given.len() > MAX_ORIGINS {
        let say = format!("has {} origins; at most {MAX_ORIGINS} can be allowed", given.len());
        return Err(vec![Problem::new(ProblemCode::LimitReached, path, say)]);
    }
    let (mut kept, mut seen, mut problems) = (Vec::new(), BTreeSet::new(), Vec::new());
    for (at, given) in given.iter().enumerate() {
        match origin(&format!("{path}.{at}"), given.trim()) {
            Ok(origin) if seen.insert(origin.clone()) => kept.push(origin),
            Ok(_) => {}
            Err(problem) => problems.push(problem),
        }
    }
    if kept.len() > 1 && kept.iter().any(|origin| origin == ANY) {
        problems.push(Problem::new(ProblemCode::Invalid, path, "has * beside other origins: * alone allows every page"));
    }
    if problems.is_empty() { Ok(kept) } else { Err(problems) }
}

fn origin(path: &str, given: &str) -> Result<String, Problem> {
    let invalid = |say: &str| Err(Problem::new(ProblemCode::Invalid, path, say));
    let malformed = "must be an origin such as https://app.example.com or http://localhost:3000: a scheme, a host, and a port where it is not the usual one";
    if given == ANY {
        return Ok(given.to_owned());
    }
    if given == "null" {
        return invalid("null is the origin of any sandboxed page and of files: give those pages an origin of their own");
    }
    if given.contains('*') {
        return invalid("has a * in it: list each origin, or allow every page by * alone");
    }
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '\\' | '%' | '"' | ',' | ';');
    if given.len() > MAX_ORIGIN || given.chars().any(odd) {
        return invalid(malformed);
    }
    let Ok(url) = Url::parse(given) else { return invalid(malformed) };
    let bare = url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    if !bare || !matches!(url.path(), "" | "/") || url.host_str().is_none_or(str::is_empty) {
        return invalid("must be an origin alone, without a user, a path, a query or a fragment: https://app.example.com");
    }
    match url.scheme() {
        "http" | "https" => Ok(url.origin().ascii_serialization()),
        // Of apps and extensions, whose origins the URL standard calls opaque: capacitor://localhost.
        "file" | "data" | "blob" | "about" | "javascript" | "ftp" | "ws" | "wss" => invalid(malformed),
        scheme => {
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            let origin = format!("{scheme}://{}{port}", url.host_str().unwrap_or_default());
            if origin.is_ascii() { Ok(origin) } else { invalid(malformed) }
        }
    }
}

/// Whether the names that a preflight asks for are names, and not too many: only then they are allowed as they were asked for.
pub fn are_sane(asked: &[u8]) -> bool {
    let token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    let mut names = 0;
    let fine = |name: &[u8]| {
        let name = name.trim_ascii();
        name.iter().all(token)
    };
    asked.len() <= MAX_ASKED
        && asked.split(|b| *b == b',').all(|name| {
            names += 1;
            fine(name)
        })
        && names <= MAX_NAMES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(given: &str) -> Result<String, String> {
        match checked("allowedOrigins", &[given.to_owned()]) {
            Ok(kept) => Ok(kept.join(" ")),
            Err(problems) => Err(problems[0].message.clone()),
        }
    }

    #[test]
    fn origins_are_kept_as_browsers_write_them() {
        for (given, kept) in [
            ("https://app.example.com", "https://app.example.com"),
            (" HTTPS://App.Example.com:443/ ", "https://app.example.com"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
            ("capacitor://localhost", "capacitor://localhost"),
            ("chrome-extension://abcdefghijklmnop", "chrome-extension://abcdefghijklmnop"),
            ("*", "*"),
        ] {
            assert_eq!(one(given).as_deref(), Ok(kept), "{given}");
        }
        for wrong in [
            "",
            "null",
            "app.example.com",
            "//app.example.com",
            "https://",
            "https://*.example.com",
            "https://a.example/x",
            "**",
            "https://a.example?x",
            "https://a.example#x",
            "https://u@a.example",
            "https://a.example, https://b.example",
            "https://a.example\r\nX: y",
            "file:///etc",
            "javascript:alert(1)",
            "data:text/html,x",
            "https://a b.example",
            "https://a.example:99999",
            "mailto:a@b.example",
            "wss://a.example",
        ] {
            assert!(one(wrong).is_err(), "{wrong:?}");
        }
        let list = |list: &[&str]| checked("allowedOrigins", &list.iter().map(|o| (*o).to_owned()).collect::<Vec<_>>());
        assert_eq!(list(&["https://a.example", "https://A.example/"]).map(|kept| kept.len()), Ok(1));
        assert!(list(&["*", "https://a.example"]).is_err() && list(&vec!["https://a.example"; 101]).is_err());
        assert_eq!(list(&[]), Ok(Vec::new()));
    }

    #[test]
    fn a_page_is_allowed_by_its_whole_origin() {
        let of = |list: &[&str]| Origins::of(&list.iter().map(|o| (*o).to_owned()).collect::<Vec<_>>());
        let only = of(&["https://a.example", "https://b.example"]);
        assert_eq!(only.allow(b"https://b.example"), Allowed::Itself);
        for other in
            ["https://b.example:8443", "http://b.example", "https://b.example.evil", "null", "*", "", "https://B.example"]
        {
            assert_eq!(only.allow(other.as_bytes()), Allowed::No, "{other}");
        }
        assert_eq!((of(&["*"]).allow(b"null"), of(&[]).allow(b"https://a.example")), (Allowed::LikeAny, Allowed::No));
        assert!(only.is_set() && of(&["*"]).is_set() && !of(&[]).is_set());
    }

    #[test]
    fn asked_headers_are_names() {
        for fine in ["x-api-key", "x-api-key,content-type", "X-Api-Key , traceparent", "", ","] {
            assert!(are_sane(fine.as_bytes()), "{fine}");
        }
        let many = vec!["a"; 65].join(",");
        for wrong in ["a b", "x:y", "x\r\ny: z", "a\"b", "é", many.as_str()] {
            assert!(!are_sane(wrong.as_bytes()), "{wrong:?}");
        }
        assert!(!are_sane("a".repeat(4_097).as_bytes()));
    }
}
