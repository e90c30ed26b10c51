//! What an operation asks its callers to prove.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    SpecChangeKind::Changed,
    schema::{Comparison, Node},
    side::Side,
};

/// One way to be let in: a scheme, told by what it is and not by its name, and the scopes it needs; all of them together.
type Way = BTreeMap<String, Vec<String>>;

impl Comparison<'_> {
    pub(super) fn security(&self, old: &Value, new: &Value, node: &mut Node) {
        let (before, after) = (ways(&self.old, old), ways(&self.new, new));
        if before == after {
            return;
        }
        let lost: Vec<&Way> = before.iter().filter(|way| !after.iter().any(|other| suffices(way, other))).collect();
        let gained = after.iter().any(|way| !before.iter().any(|other| suffices(way, other)));
        if let Some(way) = lost.first() {
            let text = match (way.is_empty(), lost.len() == before.len()) {
                (true, _) => format!("now needs authentication: {}", shown(&after)),
                (false, true) => match scopes_more(way, &after) {
                    Some(scopes) => format!("now needs the scope{} {scopes}", if scopes.contains(',') { "s" } else { "" }),
                    None => format!("changed its authentication from {} to {}", shown(&before), shown(&after)),
                },
                (false, false) => format!("can no longer be called with {}", one(way)),
            };
            node.add(Changed, true, "", text);
        } else if gained || before.len() != after.len() {
            node.add(Changed, false, "", format!("changed its authentication from {} to {}", shown(&before), shown(&after)));
        }
    }
}

/// Whether who proves the first has proven the second.
fn suffices(proven: &Way, needed: &Way) -> bool {
    needed.iter().all(|(scheme, scopes)| proven.get(scheme).is_some_and(|held| scopes.iter().all(|scope| held.contains(scope))))
}

/// Scopes that a way of the same schemes now needs beyond these.
fn scopes_more(way: &Way, after: &[Way]) -> Option<String> {
    let same = after.iter().find(|other| other.keys().eq(way.keys()))?;
    let more = same.iter().flat_map(|(scheme, scopes)| scopes.iter().filter(|scope| !way[scheme].contains(scope)));
    Some(more.map(|scope| format!("`{scope}`")).collect::<Vec<_>>().join(", "))
}

/// The operation's own, else the document's; no requirement at all is one that asks for nothing.
fn ways(side: &Side<'_>, operation: &Value) -> Vec<Way> {
    let default: Option<Value> = side.document.top_level("security").and_then(|text| serde_json::from_str(text).ok());
    let list = operation.get("security").or(default.as_ref()).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut ways: Vec<Way> = list.iter().map(|requirement| way(side, requirement)).collect();
    if ways.is_empty() {
        ways.push(Way::new());
    }
    ways
}

fn way(side: &Side<'_>, requirement: &Value) -> Way {
    let schemes = requirement.as_object().into_iter().flatten();
    let scopes = |scopes: &Value| {
        let mut list: Vec<String> =
            scopes.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        list.sort_unstable();
        list
    };
    schemes.map(|(name, needed)| (scheme(side, name), scopes(needed))).collect()
}

/// What callers have to do for a scheme.
fn scheme(side: &Side<'_>, name: &str) -> String {
    let Some(scheme) = side.target(&format!("#/components/securitySchemes/{}", name.replace('~', "~0").replace('/', "~1")))
    else {
        return name.to_owned();
    };
    let text = |field: &str| scheme.get(field).and_then(Value::as_str).unwrap_or("?");
    match text("type") {
        "apiKey" => format!("the {} `{}`", text("in"), text("name")),
        "http" => format!("HTTP {}", text("scheme").to_ascii_lowercase()),
        "oauth2" => {
            let flows = scheme.get("flows").and_then(Value::as_object);
            let flows: Vec<&str> = flows.into_iter().flatten().map(|(flow, _)| flow.as_str()).collect();
            if flows.is_empty() { "OAuth 2.0".to_owned() } else { format!("OAuth 2.0 ({})", flows.join(", ")) }
        }
        "openIdConnect" => "OpenID Connect".to_owned(),
        "mutualTLS" => "a client certificate".to_owned(),
        other => format!("{other} {name}"),
    }
}

fn shown(ways: &[Way]) -> String {
    ways.iter().map(one).collect::<Vec<_>>().join(", or ")
}

fn one(way: &Way) -> String {
    if way.is_empty() {
        return "nothing".to_owned();
    }
    let part = |(scheme, scopes): (&String, &Vec<String>)| match scopes.is_empty() {
        true => scheme.clone(),
        false => format!("{scheme} with {}", scopes.iter().map(|scope| format!("`{scope}`")).collect::<Vec<_>>().join(", ")),
    };
    way.iter().map(part).collect::<Vec<_>>().join(" and ")
}
