//! The endpoints of one environment as a trie of path segments. A literal goes before a segment with parameters in it, that
//! before a bare `{parameter}`; the most specific template decides, and only then the method, as OpenAPI says. A draft endpoint
//! blocks its template without being callable, so that a call never falls through to a wider template than its upstream's.

use std::sync::Arc;

use entities::id::EndpointId;

use super::{
    method::{Method, Methods},
    path::{self, Ambiguous},
    view::Scopes,
};

#[derive(Debug)]
pub struct Endpoint {
    pub id: EndpointId,
    pub method: Method,
    /// As the portal shows it, without the base path.
    pub template: Arc<str>,
    /// Sets of scopes of which one has to be held in full; none: nothing is needed.
    pub scopes: Box<[Scopes]>,
}

#[derive(Debug, Default)]
pub struct Routes {
    nodes: Vec<Node>,
    endpoints: Vec<Endpoint>,
}

#[derive(Debug, Default)]
struct Node {
    /// Sorted.
    literals: Vec<(Box<str>, u32)>,
    /// Those with the most literal characters first.
    mixed: Vec<(Mixed, u32)>,
    parameter: Option<u32>,
    /// Whether a template ends here, published or not.
    ends: bool,
    endpoints: Vec<(Method, u32)>,
}

/// A segment such as `{base}...{head}`: the literal pieces around its parameters; outer ones may be empty.
#[derive(Debug, PartialEq, Eq)]
struct Mixed(Vec<Box<str>>);

/// What a path and a method lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The endpoint's place: see [`Routes::endpoint`].
    Endpoint(u32),
    /// The path is there with these methods.
    OtherMethods(Methods),
    Nothing,
}

impl Routes {
    pub fn endpoint(&self, place: u32) -> Option<&Endpoint> {
        self.endpoints.get(place as usize)
    }

    /// All of them, with their places.
    pub fn endpoints(&self) -> impl Iterator<Item = (u32, &Endpoint)> {
        (0..).zip(&self.endpoints)
    }

    pub fn len(&self) -> usize {
        self.endpoints.len()
    }

    pub fn is_empty(&self) -> bool {
        self.endpoints.is_empty()
    }

    /// Adds a template that is not callable.
    pub fn block(&mut self, template: &str) {
        let node = self.node(template);
        self.nodes[node].ends = true;
    }

    /// Adds an endpoint; one that is there already for the same method and template stays.
    pub fn add(&mut self, endpoint: Endpoint) {
        let node = self.node(&endpoint.template);
        let place = u32::try_from(self.endpoints.len()).unwrap_or(u32::MAX);
        let node = &mut self.nodes[node];
        node.ends = true;
        if node.endpoints.iter().all(|(method, _)| *method != endpoint.method) {
            node.endpoints.push((endpoint.method, place));
            self.endpoints.push(endpoint);
        }
    }

    /// Finds what `rest`, a path behind the base path from its slash on, leads to. A HEAD is served by a GET where the
    /// document has no HEAD of its own. `None` stands for a method that no document can define.
    pub fn find(&self, rest: &str, method: Option<Method>) -> Result<Found, Ambiguous> {
        let Some(node) = self.walk(0, rest.strip_prefix('/').unwrap_or(rest))? else { return Ok(Found::Nothing) };
        let place = |method: Method| node.endpoints.iter().find(|(m, _)| *m == method).map(|(_, place)| *place);
        let found = method.and_then(|method| match method {
            Method::Head => place(Method::Head).or_else(|| place(Method::Get)),
            other => place(other),
        });
        Ok(match found {
            Some(place) => Found::Endpoint(place),
            None if node.endpoints.is_empty() => Found::Nothing,
            None => {
                let mut methods: Methods = node.endpoints.iter().map(|(method, _)| *method).collect();
                if methods.contains(Method::Get) {
                    methods.insert(Method::Head);
                }
                Found::OtherMethods(methods)
            }
        })
    }

    fn walk(&self, node: u32, rest: &str) -> Result<Option<&Node>, Ambiguous> {
        let Some(node) = self.nodes.get(node as usize) else { return Ok(None) };
        let (segment, rest) = match rest.split_once('/') {
            Some((segment, rest)) => (segment, Some(rest)),
            None => (rest, None),
        };
        let next = |node: u32| match rest {
            Some(rest) => self.walk(node, rest),
            None => Ok(self.nodes.get(node as usize).filter(|node| node.ends)),
        };
        let plain = path::plain(segment);
        if let Some(node) = node.literal(&plain)
            && let Some(end) = next(node)?
        {
            return Ok(Some(end));
        }
        if path::is_odd(segment) {
            node.refuse_second_reading(segment, &plain)?;
        }
        for (mixed, node) in &node.mixed {
            if mixed.matches(&plain)
                && let Some(end) = next(*node)?
            {
                return Ok(Some(end));
            }
        }
        match node.parameter {
            Some(node) if !segment.is_empty() => next(node),
            _ => Ok(None),
        }
    }

    fn node(&mut self, template: &str) -> usize {
        if self.nodes.is_empty() {
            self.nodes.push(Node::default());
        }
        let mut at = 0;
        for segment in template.strip_prefix('/').unwrap_or(template).split('/') {
            let fresh = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
            let next = self.nodes[at].child(segment, fresh);
            if next == fresh {
                self.nodes.push(Node::default());
            }
            at = next as usize;
        }
        at
    }
}

impl Node {
    fn literal(&self, text: &str) -> Option<u32> {
        let at = self.literals.binary_search_by(|(literal, _)| literal.as_ref().cmp(text)).ok()?;
        Some(self.literals[at].1)
    }

    /// A parameter's value must not be what another server would read as a literal that stands beside it.
    fn refuse_second_reading(&self, segment: &str, plain: &str) -> Result<(), Ambiguous> {
        let other = |reading: &String| {
            reading != plain
                && (self.literal(reading).is_some() || self.mixed.iter().any(|(m, _)| m.matches(reading) && !m.matches(plain)))
        };
        if path::readings(segment).iter().any(other) {
            return Err(Ambiguous("a segment that reads as another endpoint's when decoded"));
        }
        Ok(())
    }

    fn child(&mut self, segment: &str, fresh: u32) -> u32 {
        match Mixed::parse(segment) {
            None => {
                let text = path::plain(segment);
                match self.literals.binary_search_by(|(literal, _)| literal.as_ref().cmp(&text)) {
                    Ok(at) => self.literals[at].1,
                    Err(at) => {
                        self.literals.insert(at, (text.into(), fresh));
                        fresh
                    }
                }
            }
            Some(mixed) if mixed.weight() == 0 => *self.parameter.get_or_insert(fresh),
            Some(mixed) => {
                if let Some((_, node)) = self.mixed.iter().find(|(m, _)| *m == mixed) {
                    return *node;
                }
                self.mixed.push((mixed, fresh));
                self.mixed.sort_by_key(|(m, _)| std::cmp::Reverse(m.weight()));
                fresh
            }
        }
    }
}

impl Mixed {
    /// `None` for a segment without parameters.
    fn parse(segment: &str) -> Option<Self> {
        let mut pieces = Vec::new();
        let mut rest = segment;
        while let Some((before, after)) = rest.split_once('{') {
            let Some((_, behind)) = after.split_once('}') else { break };
            pieces.push(before.into());
            rest = behind;
        }
        if pieces.is_empty() {
            return None;
        }
        pieces.push(rest.into());
        Some(Self(pieces))
    }

    fn weight(&self) -> usize {
        self.0.iter().map(|piece| piece.len()).sum()
    }

    /// Whether each parameter gets one character at least; a parameter ends where the next piece first occurs.
    fn matches(&self, segment: &str) -> bool {
        let [first, middle @ .., last] = &self.0[..] else { return false };
        let Some(mut rest) = segment.strip_prefix(first.as_ref()).and_then(|rest| rest.strip_suffix(last.as_ref())) else {
            return false;
        };
        for piece in middle {
            let from = rest.chars().next().map_or(0, char::len_utf8);
            match rest.get(from..).and_then(|tail| tail.find(piece.as_ref())) {
                Some(at) if from > 0 => rest = &rest[from + at + piece.len()..],
                _ => return false,
            }
        }
        !rest.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(list: &[&str]) -> Routes {
        let mut routes = Routes::default();
        for (i, line) in list.iter().enumerate() {
            let (method, template) = line.split_once(' ').unwrap();
            match Method::parse(method) {
                Some(method) => routes.add(Endpoint {
                    id: EndpointId(uuid::Uuid::from_u128(i as u128)),
                    method,
                    template: template.into(),
                    scopes: Box::default(),
                }),
                None => routes.block(template),
            }
        }
        routes
    }

    fn lookup(routes: &Routes, line: &str) -> String {
        let (method, path) = line.split_once(' ').unwrap();
        match routes.find(path, Method::parse(method)) {
            Ok(Found::Endpoint(place)) => {
                let endpoint = routes.endpoint(place).unwrap();
                format!("{} {}", endpoint.method.as_str(), endpoint.template)
            }
            Ok(Found::OtherMethods(methods)) => format!("allow {methods}"),
            Ok(Found::Nothing) => "nothing".to_owned(),
            Err(_) => "ambiguous".to_owned(),
        }
    }

    #[test]
    fn the_most_specific_template_decides() {
        let routes = routes(&[
            "GET /",
            "GET /users",
            "GET /users/{id}",
            "DELETE /users/{id}",
            "GET /users/me",
            "draft /users/secret",
            "GET /users/{id}/keys/{key}",
            "POST /users/me/keys",
            "GET /compare/{base}...{head}",
            "GET /compare/{head}",
            "GET /files/{name}.json",
            "GET /files/{name}.tar.gz",
            "POST /jobs/{id}:cancel",
            "POST /users:batch",
            "GET /v2/users/{user}",
            "GET /dir/",
            "POST /a/{x}/c",
            "GET /a/b/d",
            "HEAD /probe",
            "GET /probe",
        ]);
        for (call, expected) in [
            ("GET /", "GET /"),
            ("GET /users", "GET /users"),
            ("GET /users/", "nothing"),
            ("GET /users/7", "GET /users/{id}"),
            ("HEAD /users/7", "GET /users/{id}"),
            ("HEAD /probe", "HEAD /probe"),
            ("GET /users/me", "GET /users/me"),
            ("DELETE /users/me", "allow GET, HEAD"),
            ("DELETE /users/secret", "nothing"),
            ("GET /users/m%65", "GET /users/me"),
            ("GET /users/me;x=1", "ambiguous"),
            ("GET /users/ME", "GET /users/{id}"),
            ("GET /users/7/keys/8", "GET /users/{id}/keys/{key}"),
            // Backtracks out of the literal: no template of it goes on.
            ("GET /users/me/keys/8", "GET /users/{id}/keys/{key}"),
            ("GET /a/b/d", "GET /a/b/d"),
            ("POST /a/b/c", "POST /a/{x}/c"),
            ("GET /compare/main...dev", "GET /compare/{base}...{head}"),
            ("GET /compare/main...", "GET /compare/{head}"),
            ("GET /files/x.json", "GET /files/{name}.json"),
            ("GET /files/x.tar.gz", "GET /files/{name}.tar.gz"),
            ("GET /files/.json", "nothing"),
            ("POST /jobs/7:cancel", "POST /jobs/{id}:cancel"),
            ("POST /jobs/7%3Acancel", "ambiguous"),
            ("POST /users:batch", "POST /users:batch"),
            ("POST /users%3Abatch", "ambiguous"),
            ("GET /v2/users/7", "GET /v2/users/{user}"),
            ("GET /dir/", "GET /dir/"),
            ("GET /dir", "nothing"),
            ("OPTIONS /users", "allow GET, HEAD"),
            ("BREW /users", "allow GET, HEAD"),
            ("BREW /coffee", "nothing"),
        ] {
            assert_eq!(lookup(&routes, call), expected, "{call}");
        }
        assert_eq!(lookup(&Routes::default(), "GET /"), "nothing");
    }

    #[test]
    fn the_first_of_two_equal_templates_stays() {
        let routes = routes(&["GET /a/{x}", "GET /a/{y}"]);
        assert_eq!((lookup(&routes, "GET /a/1"), routes.len()), ("GET /a/{x}".to_owned(), 1));
    }
}
