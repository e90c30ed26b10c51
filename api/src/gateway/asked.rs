//! The caller's request as a gateway in front describes it: in headers, or in the path that it asks for. One description, or
//! several that agree, and the bytes as the caller sent them; else nothing is decided.

use http::{HeaderMap, Method, Uri, uri::PathAndQuery};

use crate::listen::query;

/// Two headers that describe a request.
struct Family {
    method: &'static str,
    target: &'static str,
}

static FAMILIES: [Family; 2] = [
    Family { method: "X-Original-Method", target: "X-Original-URI" },
    Family { method: "X-Forwarded-Method", target: "X-Forwarded-Uri" },
];

/// What a gateway says without either, as Envoy does.
static ITSELF: Family = Family { method: "the question's own method", target: "the question's path" };

/// One description of a request.
#[derive(Clone, Copy)]
struct Described<'a> {
    by: &'static Family,
    method: &'a [u8],
    target: &'a [u8],
}

/// The request that is asked about, or what is wrong with the question: its method, the target that its path goes on with, if
/// any, and its headers. A target in the path is the caller's, and then so is the method.
pub fn read(method: &Method, appended: Option<&str>, headers: &HeaderMap) -> Result<(Method, Uri), String> {
    let appended =
        appended.map(|target| Described { by: &ITSELF, method: method.as_str().as_bytes(), target: target.as_bytes() });
    let [original, forwarded] = &FAMILIES;
    let (original, forwarded) = (original.read(headers), forwarded.read(headers));
    let mut descriptions = [appended, original?, forwarded?].into_iter().flatten();
    let described = descriptions.next().ok_or("X-Original-Method and X-Original-URI are missing")?;
    let Family { method: method_by, target: target_by } = described.by;
    for other in descriptions {
        if other.method != described.method {
            return Err(format!("{method_by} and {} differ", other.by.method));
        }
        if other.target != described.target {
            return Err(format!("{target_by} and {} differ", other.by.target));
        }
    }
    let method = Method::from_bytes(described.method).map_err(|_| format!("{method_by} is not a method"))?;
    Ok((method, target(described.target, target_by)?))
}

/// Takes the descriptions out: the record keeps headers, and queries may hold secrets.
pub fn forget(headers: &mut HeaderMap) {
    for family in &FAMILIES {
        headers.remove(family.method);
        headers.remove(family.target);
    }
}

impl Family {
    fn read<'a>(&'static self, headers: &'a HeaderMap) -> Result<Option<Described<'a>>, String> {
        match (only(headers, self.method)?, only(headers, self.target)?) {
            (None, None) => Ok(None),
            (Some(method), Some(target)) => Ok(Some(Described { by: self, method, target })),
            (Some(_), None) => Err(format!("{} without {}", self.method, self.target)),
            (None, Some(_)) => Err(format!("{} without {}", self.target, self.method)),
        }
    }
}

fn only<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a [u8]>, String> {
    let mut values = headers.get_all(name).iter();
    let value = values.next();
    if values.next().is_some() { Err(format!("several {name} headers")) } else { Ok(value.map(|v| v.as_bytes())) }
}

/// A request's target in origin form (RFC 9112 section 3.2.1), the only one that is forwarded byte for byte.
fn target(bytes: &[u8], by: &str) -> Result<Uri, String> {
    if !bytes.starts_with(b"/") {
        return Err(format!("{by} does not start with a slash"));
    }
    // The parser would cut it off, and the gateway in front would not.
    if bytes.contains(&b'#') {
        return Err(format!("{by} has a fragment"));
    }
    // As on a call's own line.
    PathAndQuery::try_from(&*query::encoded(bytes))
        .map(Uri::from)
        .map_err(|_| format!("{by} has characters that must be encoded"))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn asked(line: &str, fields: &[(&str, &str)]) -> String {
        let (method, appended) = line.split_once(' ').unwrap_or((line, ""));
        let appended = Some(appended).filter(|target| !target.is_empty());
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let read = read(&Method::from_bytes(method.as_bytes()).unwrap(), appended, &headers);
        forget(&mut headers);
        assert!(headers.is_empty(), "{headers:?}");
        read.map_or_else(|wrong| wrong, |(method, target)| format!("{method} {target}"))
    }

    const GET: (&str, &str) = ("x-original-method", "GET");

    #[test]
    fn each_gateway_in_its_own_way() {
        let nginx = [("x-original-method", "POST"), ("x-original-uri", "/pay/a%2Fb/../c?q=/../&r=%0a")];
        assert_eq!(asked("GET", &nginx), "POST /pay/a%2Fb/../c?q=/../&r=%0a");
        let caddy = [("x-forwarded-method", "DELETE"), ("x-forwarded-uri", "//pay?")];
        assert_eq!(asked("GET", &caddy), "DELETE //pay?");
        assert_eq!(asked("GET", &[GET, ("x-original-uri", "/pay/x?f=\"<a>\"")]), "GET /pay/x?f=%22%3Ca%3E%22");
        assert_eq!(asked("PUT /pay/x?y=1", &[]), "PUT /pay/x?y=1");
        assert_eq!(asked("GET /", &[]), "GET /");
        assert_eq!(
            asked("GET", &[GET, ("x-original-uri", "/a"), ("x-forwarded-method", "GET"), ("x-forwarded-uri", "/a")]),
            "GET /a"
        );
    }

    #[test]
    fn what_does_not_describe_one_request() {
        let uri = |target| [GET, ("x-original-uri", target)];
        for (line, fields, wrong) in [
            ("GET", &[][..], "X-Original-Method and X-Original-URI are missing"),
            ("GET", &[GET], "X-Original-Method without X-Original-URI"),
            ("GET", &[("x-forwarded-uri", "/a")], "X-Forwarded-Uri without X-Forwarded-Method"),
            ("GET", &[GET, ("x-original-uri", "/a"), ("x-original-uri", "/a")], "several X-Original-URI headers"),
            ("GET", &[GET, GET, ("x-original-uri", "/a")], "several X-Original-Method headers"),
            ("GET /a", &uri("/b"), "the question's path and X-Original-URI differ"),
            ("POST /a", &uri("/a"), "the question's own method and X-Original-Method differ"),
            ("GET /", &uri("/pay"), "the question's path and X-Original-URI differ"),
            ("GET", &[GET, ("x-original-uri", "/a"), ("x-forwarded-uri", "/b")], "X-Forwarded-Uri without X-Forwarded-Method"),
            (
                "GET",
                &[GET, ("x-original-uri", "/a"), ("x-forwarded-method", "POST"), ("x-forwarded-uri", "/a")],
                "X-Original-Method and X-Forwarded-Method differ",
            ),
            ("GET", &[("x-original-method", "G T"), ("x-original-uri", "/a")], "X-Original-Method is not a method"),
            ("GET", &[("x-original-method", ""), ("x-original-uri", "/a")], "X-Original-Method is not a method"),
            ("GET", &uri(""), "X-Original-URI does not start with a slash"),
            ("GET", &uri("http://a/pay"), "X-Original-URI does not start with a slash"),
            ("GET", &uri("*"), "X-Original-URI does not start with a slash"),
            ("GET", &uri("/pay#/../admin"), "X-Original-URI has a fragment"),
            ("GET", &uri("/pay /admin"), "X-Original-URI has characters that must be encoded"),
        ] {
            assert_eq!(asked(line, fields), wrong, "{line} {fields:?}");
        }
    }
}
