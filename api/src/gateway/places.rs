//! What an answer says of places. An upstream names itself as it is called by the gateway; its caller knows it under the gateway's
//! address and the product's base path, and is told that. Other hosts, and what the gateway does not serve, stay as they are.

use std::{cell::RefCell, collections::HashMap};

use domain::rules::{
    routes::{Found, Routes},
    view::Product,
};
use entities::id::ProductId;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CONTENT_LOCATION, Entry, LINK, LOCATION, SET_COOKIE},
};
use url::{Host, Url};

use super::upstream::Upstream;

static NAMES: [HeaderName; 4] = [LOCATION, CONTENT_LOCATION, LINK, SET_COOKIE];

static FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// Where callers reach the gateway.
pub struct Outside {
    /// `None` where its address is one that nobody can call: then a place is told by its path alone.
    origin: Option<String>,
    host: Option<String>,
    /// Without a slash at its end.
    path: String,
    /// By product: base paths never change.
    prefixes: RefCell<HashMap<ProductId, HeaderValue>>,
}

impl Outside {
    /// `url` is the gateway's, with what stands before every base path.
    pub fn new(url: &str) -> Self {
        let url = Url::parse(url).ok();
        let callable = url.as_ref().filter(|url| match url.host() {
            Some(Host::Ipv4(ip)) => !ip.is_unspecified(),
            Some(Host::Ipv6(ip)) => !ip.is_unspecified(),
            Some(Host::Domain(_)) => true,
            None => false,
        });
        Self {
            origin: callable.map(|url| url.origin().ascii_serialization()),
            host: callable.and_then(Url::host_str).map(str::to_owned),
            path: url.as_ref().map_or("", Url::path).trim_end_matches('/').to_owned(),
            prefixes: RefCell::default(),
        }
    }

    /// Tells an upstream what callers see before its own path.
    pub fn tell_prefix(&self, product: &Product, into: &mut HeaderMap) {
        let mut prefixes = self.prefixes.borrow_mut();
        let prefix = prefixes.entry(product.id).or_insert_with(|| {
            // Base paths and the paths of URLs are ASCII.
            HeaderValue::try_from(self.prefix(&product.base_path)).unwrap_or_else(|_| HeaderValue::from_static(""))
        });
        into.insert(&FORWARDED_PREFIX, prefix.clone());
    }

    fn prefix(&self, base_path: &str) -> String {
        format!("{}/{base_path}", self.path)
    }
}

/// Whether an answer names a place at all.
pub fn are_told(answer: &HeaderMap) -> bool {
    NAMES.iter().any(|name| answer.contains_key(name))
}

/// What one answer's places are told by.
pub struct Places<'a> {
    pub outside: &'a Outside,
    pub base_path: &'a str,
    pub routes: &'a Routes,
    pub upstream: &'a Upstream,
    /// The host that the upstream was told its caller asked for.
    pub asked: Option<&'a HeaderValue>,
}

impl Places<'_> {
    /// Tells the places of an answer as its caller knows them.
    pub fn tell(&self, answer: &mut HeaderMap) {
        each(answer, LOCATION, |text| self.reference(text));
        each(answer, CONTENT_LOCATION, |text| self.reference(text));
        each(answer, LINK, |text| self.links(text));
        each(answer, SET_COOKIE, |text| self.cookie(text));
    }

    /// A reference (RFC 3986 section 4.1) as the caller has to read it; `None` where it is right as it stands. One that is relative
    /// to the request's own path is.
    fn reference(&self, text: &str) -> Option<String> {
        let (scheme, behind) = match text.split_once("://") {
            Some((scheme, behind)) if is_web(scheme) => (Some(scheme), behind),
            _ => match text.strip_prefix("//") {
                Some(behind) => (None, behind),
                None if text.starts_with('/') => return self.path(text, false).filter(|path| path != text),
                None => return None,
            },
        };
        let end = behind.find(['/', '?', '#']).unwrap_or(behind.len());
        let (authority, path) = behind.split_at(end);
        if self.is_upstream(scheme, authority) {
            let path = self.path(path, false)?;
            return Some(format!("{}{path}", self.outside.origin.as_deref().unwrap_or_default()));
        }
        // An upstream that believes what it is told of its caller's host names the gateway, and may forget the base path.
        let asked = self.asked.and_then(|host| host.to_str().ok()).is_some_and(|host| host.eq_ignore_ascii_case(authority));
        let told = self.path(path, true).filter(|told| asked && told != path)?;
        Some(format!("{}{told}", &text[..text.len() - path.len()]))
    }

    /// A path of the upstream's, with what follows it, as the caller knows it; `None` where the caller cannot reach it. A
    /// `known` one has to be an endpoint's.
    fn path(&self, path: &str, known: bool) -> Option<String> {
        let prefix = self.outside.prefix(self.base_path);
        let rest = behind(path, self.upstream.path());
        let leads = rest.is_some_and(|rest| self.leads(rest));
        let own = behind(path, &prefix);
        // The upstream was told the base path, and says it, unless the product has such a path of its own.
        if own.is_some() && (own == rest || !leads) {
            return Some(path.to_owned());
        }
        let rest = rest.filter(|_| leads || !known)?;
        let slash = if rest.is_empty() || rest.starts_with('/') { "" } else { "/" };
        Some(format!("{prefix}{slash}{rest}"))
    }

    /// Whether an endpoint of the product has this path.
    fn leads(&self, rest: &str) -> bool {
        let path = &rest[..rest.find(['?', '#']).unwrap_or(rest.len())];
        let path = if path.is_empty() { "/" } else { path };
        self.routes.find(path, None).is_ok_and(|found| found != Found::Nothing)
    }

    fn is_upstream(&self, scheme: Option<&str>, authority: &str) -> bool {
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => (host, Some(port).filter(|port| !port.is_empty())),
            _ => (authority, None),
        };
        let host = host.trim_matches(['[', ']']).trim_end_matches('.');
        if !host.eq_ignore_ascii_case(self.upstream.host().trim_end_matches('.')) {
            return false;
        }
        let own = self.upstream.port();
        let usual = |scheme: &str| if scheme.eq_ignore_ascii_case("https") { 443 } else { 80 };
        match (port, scheme) {
            (Some(port), _) => port.parse() == Ok(own),
            // By the scheme that its caller uses, as it was told: that is still itself.
            (None, _) => own == self.upstream.usual_port() || scheme.is_some_and(|scheme| usual(scheme) == own),
        }
    }

    /// The targets of a `Link` (RFC 8288).
    fn links(&self, text: &str) -> Option<String> {
        let (mut out, mut rest, mut changed) = (String::with_capacity(text.len()), text, false);
        while let Some((before, after)) = rest.split_once('<') {
            let Some((target, behind)) = after.split_once('>') else { break };
            let told = self.reference(target);
            changed |= told.is_some();
            for part in [before, "<", told.as_deref().unwrap_or(target), ">"] {
                out.push_str(part);
            }
            rest = behind;
        }
        out.push_str(rest);
        changed.then_some(out)
    }

    /// A cookie with its domain and path as the caller knows them. `__Host-` ones have neither to change (RFC 6265bis section 4.1.3).
    fn cookie(&self, text: &str) -> Option<String> {
        if text.trim_start().get(..7).is_some_and(|start| start.eq_ignore_ascii_case("__Host-")) {
            return None;
        }
        let (mut told, mut changed) = (Vec::new(), false);
        for (at, part) in text.split(';').enumerate() {
            let (name, value) = part.split_once('=').map_or((part.trim(), ""), |(name, value)| (name.trim(), value.trim()));
            let new = match name {
                _ if at == 0 => None,
                name if name.eq_ignore_ascii_case("domain") => {
                    self.domain(value).map(|host| host.map(|host| format!(" {name}={host}")))
                }
                name if name.eq_ignore_ascii_case("path") => self.cookie_path(value).map(|path| Some(format!(" {name}={path}"))),
                _ => None,
            };
            changed |= new.is_some();
            match new {
                Some(Some(new)) => told.push(new),
                // The domain goes: the cookie is for the host that it comes from.
                Some(None) => {}
                None => told.push(part.to_owned()),
            }
        }
        changed.then(|| told.join(";"))
    }

    /// `None`: it stays; `Some(None)`: it goes.
    fn domain(&self, value: &str) -> Option<Option<String>> {
        let domain = value.trim_start_matches('.').to_ascii_lowercase();
        let holds = |host: &str| {
            let host = host.to_ascii_lowercase();
            host == domain || host.strip_suffix(&domain).is_some_and(|before| before.ends_with('.'))
        };
        let outside = self.outside.host.as_deref();
        (!domain.is_empty() && holds(self.upstream.host()) && !outside.is_some_and(holds)).then(|| outside.map(str::to_owned))
    }

    fn cookie_path(&self, value: &str) -> Option<String> {
        let prefix = self.outside.prefix(self.base_path);
        if !value.starts_with('/') || behind(value, &prefix).is_some() {
            return None;
        }
        match behind(value, self.upstream.path()) {
            Some(rest) => Some(format!("{prefix}{}", rest.trim_end_matches('/'))),
            // One for all of the upstream's host is for the product, not for its neighbours here.
            None => behind(self.upstream.path(), value.trim_end_matches('/')).map(|_| prefix),
        }
    }
}

/// What follows a path's first segments, where they are these.
fn behind<'t>(path: &'t str, first: &str) -> Option<&'t str> {
    path.strip_prefix(first).filter(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']))
}

fn is_web(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
}

fn each(answer: &mut HeaderMap, name: HeaderName, told: impl Fn(&str) -> Option<String>) {
    let Entry::Occupied(mut field) = answer.entry(name) else { return };
    for value in field.iter_mut() {
        let new = value.to_str().ok().and_then(&told).and_then(|text| HeaderValue::try_from(text).ok());
        if let Some(mut new) = new {
            new.set_sensitive(value.is_sensitive());
            *value = new;
        }
    }
}

#[cfg(test)]
mod tests;
