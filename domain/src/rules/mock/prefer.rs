//! What a caller prefers (RFC 7240): `Prefer: code=404, example=name, dynamic=true`, as Prism reads it. Others' preferences are
//! none of our business.

use super::request::{Place, Request, Violation};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prefer {
    /// The status to answer with.
    pub code: Option<u16>,
    /// The named example to answer with.
    pub example: Option<String>,
    /// Made from the schema, though there are examples.
    pub dynamic: bool,
}

impl Prefer {
    pub fn of(request: &Request) -> Result<Self, Violation> {
        let mut prefer = Self::default();
        let wrong = |message: &str| Err(Violation::whole(Place::Prefer, message));
        for (name, value) in request.lines("prefer").flat_map(preferences) {
            match name.as_str() {
                "code" => match value.parse() {
                    Ok(code @ 200..=599) => prefer.code = prefer.code.or(Some(code)),
                    _ => return wrong("has a code that is no status from 200 to 599"),
                },
                "example" if value.is_empty() => return wrong("has an example without a name"),
                "example" => prefer.example = prefer.example.or(Some(value)),
                "dynamic" => match value.as_str() {
                    "true" | "" => prefer.dynamic = true,
                    "false" => {}
                    _ => return wrong("has a dynamic that is neither true nor false"),
                },
                _ => {}
            }
        }
        Ok(prefer)
    }

    /// As `Preference-Applied` says it; `None` where nothing was asked for.
    pub fn applied(&self) -> Option<String> {
        let code = self.code.map(|code| format!("code={code}"));
        let example =
            self.example.as_ref().map(|name| match name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
                true => format!("example={name}"),
                false => format!("example=\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"")),
            });
        let dynamic = self.dynamic.then(|| "dynamic=true".to_owned());
        let parts: Vec<String> = [code, example, dynamic].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

/// Names in lower case and values without their quotes.
fn preferences(line: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let (mut part, mut quoted, mut chars) = (String::new(), false, line.chars());
    let mut end = |part: &mut String| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        found.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        part.clear();
    };
    while let Some(c) = chars.next() {
        match c {
            '"' => quoted = !quoted,
            '\\' if quoted => part.extend(chars.next()),
            ',' | ';' if !quoted => end(&mut part),
            c => part.push(c),
        }
    }
    end(&mut part);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefer(lines: &[&str]) -> Result<Prefer, String> {
        let headers = lines.iter().map(|line| ("prefer".to_owned(), (*line).to_owned())).collect();
        Prefer::of(&Request { headers, ..Request::default() }).map_err(|violation| violation.to_string())
    }

    #[test]
    fn what_is_preferred() {
        let all = Prefer { code: Some(404), example: Some("a b, c".into()), dynamic: true };
        for (lines, expected) in [
            (&[][..], Prefer::default()),
            (&["respond-async, wait=10; x"], Prefer::default()),
            (&["code=404"], Prefer { code: Some(404), ..Prefer::default() }),
            (&["Code = 404 ; example=\"a b, c\"", "dynamic"], all.clone()),
            (&["code=404, code=500"], Prefer { code: Some(404), ..Prefer::default() }),
            (&["dynamic=false"], Prefer::default()),
        ] {
            assert_eq!(prefer(lines), Ok(expected), "{lines:?}");
        }
        assert_eq!(all.applied().as_deref(), Some("code=404, example=\"a b, c\", dynamic=true"));
        assert_eq!(Prefer::default().applied(), None);
        for wrong in ["code=", "code=99", "code=abc", "code=101", "example", "dynamic=perhaps"] {
            assert!(prefer(&[wrong]).is_err(), "{wrong}");
        }
    }
}
