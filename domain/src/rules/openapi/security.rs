//! Which scopes an operation needs: from its own `security`, else the document's.

use std::collections::{BTreeSet, HashSet};

use serde_json::Value;

use super::{fault::Faults, pointer::At};

/// The security schemes of a document.
pub struct Schemes<'d> {
    known: HashSet<&'d str>,
    /// Those whose requirements list scopes: oauth2 and openIdConnect.
    scoped: HashSet<&'d str>,
    /// What operations need that say nothing themselves.
    default: Vec<Vec<String>>,
}

impl<'d> Schemes<'d> {
    pub fn of(document: &'d Value, faults: &mut Faults) -> Self {
        let schemes = document.pointer("/components/securitySchemes").and_then(Value::as_object);
        let mut all = Self { known: HashSet::new(), scoped: HashSet::new(), default: Vec::new() };
        for (name, scheme) in schemes.into_iter().flatten() {
            all.known.insert(name);
            if matches!(kind(document, scheme), Some("oauth2" | "openIdConnect")) {
                all.scoped.insert(name);
            }
        }
        if let Some(security) = document.get("security") {
            all.default = all.alternatives(security, &At::root().key("security"), faults);
        }
        all
    }

    /// Sets of scopes of which one has to be held in full; empty: none is needed.
    pub fn scopes(&self, operation: &Value, at: &At<'_>, faults: &mut Faults) -> Vec<Vec<String>> {
        match operation.get("security") {
            Some(own) => self.alternatives(own, &at.key("security"), faults),
            None => self.default.clone(),
        }
    }

    fn alternatives(&self, security: &Value, at: &At<'_>, faults: &mut Faults) -> Vec<Vec<String>> {
        let Value::Array(list) = security else {
            faults.at(at, "must be a list of requirements");
            return Vec::new();
        };
        let sets: Vec<_> = list.iter().enumerate().map(|(i, one)| self.requirement(one, &at.index(i), faults)).collect();
        smallest(&sets)
    }

    /// All schemes of one requirement are needed together.
    fn requirement(&self, requirement: &Value, at: &At<'_>, faults: &mut Faults) -> BTreeSet<String> {
        let mut scopes = BTreeSet::new();
        let Value::Object(schemes) = requirement else {
            faults.at(at, "must be an object of security schemes");
            return scopes;
        };
        for (name, needed) in schemes {
            let at = at.key(name);
            if !self.known.contains(name.as_str()) {
                faults.at(&at, "is no scheme under /components/securitySchemes");
            }
            let Some(needed) = needed.as_array() else {
                faults.at(&at, "must be a list of scopes");
                continue;
            };
            for (i, scope) in needed.iter().enumerate() {
                match scope.as_str() {
                    Some(scope) if self.scoped.contains(name.as_str()) => {
                        scopes.insert(scope.to_owned());
                    }
                    Some(_) => {}
                    None => faults.at(&at.index(i), "must be a text"),
                }
            }
        }
        scopes
    }
}

fn kind<'d>(document: &'d Value, scheme: &'d Value) -> Option<&'d str> {
    let scheme = match scheme.get("$ref").and_then(Value::as_str) {
        Some(reference) => super::pointer::follow(document, &super::pointer::steps(reference)?)?,
        None => scheme,
    };
    scheme.get("type")?.as_str()
}

/// In their order, without those that ask for more than another does; none where one asks for nothing.
fn smallest(sets: &[BTreeSet<String>]) -> Vec<Vec<String>> {
    if sets.iter().any(BTreeSet::is_empty) {
        return Vec::new();
    }
    let needless = |i: usize, set: &BTreeSet<String>| {
        sets.iter().enumerate().any(|(j, other)| other.is_subset(set) && (other.len() < set.len() || j < i))
    };
    sets.iter().enumerate().filter(|(i, set)| !needless(*i, set)).map(|(_, set)| set.iter().cloned().collect()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn alternatives_of_scopes() {
        let document = json!({
            "components": { "securitySchemes": {
                "oauth": { "type": "oauth2" }, "oidc": { "type": "openIdConnect" }, "key": { "type": "apiKey" }, "mtls": { "type": "mutualTLS" },
                "same": { "$ref": "#/components/securitySchemes/oauth" },
            } },
            "security": [{ "oauth": ["read"] }],
        });
        let scopes = |operation| {
            let mut faults = Faults::default();
            let found = Schemes::of(&document, &mut faults).scopes(&operation, &At::root(), &mut faults);
            assert_eq!(faults.take(), []);
            found.iter().map(|set| set.join("+")).collect::<Vec<_>>().join(" or ")
        };
        let of = |security| scopes(json!({ "security": security }));
        assert_eq!(scopes(json!({})), "read");
        assert_eq!(of(json!([])), "");
        assert_eq!(of(json!([{}])), "");
        assert_eq!(of(json!([{ "oauth": ["write", "read"] }])), "read+write");
        assert_eq!(of(json!([{ "oauth": ["a"], "oidc": ["b"], "mtls": ["ignored"] }])), "a+b");
        assert_eq!(of(json!([{ "oauth": ["b"] }, { "oidc": ["a"] }])), "b or a");
        assert_eq!(of(json!([{ "oauth": ["a", "b"] }, { "oidc": ["a"] }, { "same": ["a"] }])), "a");
        assert_eq!(of(json!([{ "oauth": ["a"] }, { "key": [] }])), "");
    }
}
