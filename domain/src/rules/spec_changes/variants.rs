//! `oneOf` and `anyOf`: which variants of the one are which of the other.

use serde_json::Value;

use super::{
    SpecChangeKind::{Added, Changed, Removed},
    schema::{Comparison, Flow, Node},
    side::{Side, reference_of},
    view::View,
};

impl Comparison<'_> {
    /// Variants on both sides.
    pub(super) fn many_to_many<'v>(&'v self, old: &View<'v>, new: &View<'v>, flow: Flow, path: &str, node: &mut Node) {
        let mut before: Vec<&Value> = old.variants.clone();
        let mut after: Vec<&Value> = new.variants.clone();
        let same = |a: &Value, b: &Value| match (reference_of(a), reference_of(b)) {
            (None, None) => !self.new.patience.ends() && a == b,
            (before, after) => before == after,
        };
        let titled = |a: &Value, b: &Value| {
            let title = |value: &Value| value.get("title").and_then(Value::as_str).map(str::to_owned);
            title(a).is_some() && title(a) == title(b)
        };
        let fits =
            |a: &Value, b: &Value| !self.new.patience.ends() && self.fits(&View::of(&self.old, a), &View::of(&self.new, b), flow);
        let mut pairs = matched(&mut before, &mut after, same);
        pairs.extend(matched(&mut before, &mut after, titled));
        pairs.extend(matched(&mut before, &mut after, fits));
        if let ([a], [b]) = (&before[..], &after[..]) {
            pairs.push((*a, *b));
            before.clear();
            after.clear();
        }
        for (a, b) in pairs {
            self.schemas(a, b, flow, path, node);
        }
        for variant in before {
            let taken = || new.variants.iter().any(|other| fits(variant, other));
            let breaking = flow == Flow::Request && !taken();
            let text = format!("no longer {} {}", if breaking { "takes" } else { "has" }, named(&self.old, variant));
            node.add(Removed, breaking, path, text);
        }
        for variant in after {
            let known = || old.variants.iter().any(|other| fits(other, variant));
            let breaking = flow == Flow::Response && !known();
            node.add(Added, breaking, path, format!("can now also be {}", named(&self.new, variant)));
        }
    }

    /// Variants on one side only: each is held against the other schema as a whole.
    pub(super) fn one_to_many<'v>(&'v self, old: &View<'v>, new: &View<'v>, flow: Flow, path: &str, node: &mut Node) {
        let split = new.variants.len() > old.variants.len();
        let (side, parent) = if split { (&self.new, new) } else { (&self.old, old) };
        let trials: Vec<(&Value, Node)> = parent
            .variants
            .iter()
            .map(|variant| {
                let view = parent.with(side, variant);
                let trial = match split {
                    true => self.trial(old, &view, flow, path),
                    false => self.trial(&view, new, flow, path),
                };
                (*variant, trial.unwrap_or_default())
            })
            .collect();
        node.add(Changed, false, path, if split { "can now have one of several shapes" } else { "now has one shape" });
        // One variant that takes what came before is enough for requests, as is one that comes after for answers.
        let one_is_enough = split == (flow == Flow::Request);
        if one_is_enough {
            let best = trials.into_iter().min_by_key(|(_, trial)| breaks(trial));
            return best.into_iter().for_each(|(_, trial)| node.merge(trial));
        }
        for (variant, _) in trials.into_iter().filter(|(_, trial)| breaks(trial) > 0) {
            let named = named(side, variant);
            match split {
                true => node.add(Added, true, path, format!("can now also be {named}")),
                false => node.add(Removed, true, path, format!("no longer takes {named}")),
            }
        }
    }

    /// Whether a value of the one is, as far as can be seen without following names, one of the other.
    fn fits<'v>(&'v self, old: &View<'v>, new: &View<'v>, flow: Flow) -> bool {
        self.trial(old, new, flow, "").is_some_and(|trial| breaks(&trial) == 0)
    }
}

fn breaks(trial: &Node) -> usize {
    trial.findings.iter().filter(|finding| finding.breaking).count()
}

/// Takes out what goes together, in order.
fn matched<'v>(
    before: &mut Vec<&'v Value>,
    after: &mut Vec<&'v Value>,
    together: impl Fn(&Value, &Value) -> bool,
) -> Vec<(&'v Value, &'v Value)> {
    let mut pairs = Vec::new();
    before.retain(|a| match after.iter().position(|b| together(a, b)) {
        Some(at) => {
            pairs.push((*a, after.remove(at)));
            false
        }
        None => true,
    });
    pairs
}

/// What a text calls a variant.
fn named(side: &Side<'_>, variant: &Value) -> String {
    if let Some(name) = reference_of(variant).and_then(|reference| reference.rsplit('/').next()) {
        return format!("`{name}`");
    }
    if let Some(title) = variant.get("title").and_then(Value::as_str) {
        return format!("`{title}`");
    }
    let view = View::of(side, variant);
    let properties: Vec<&str> = view.properties.keys().take(4).copied().collect();
    match view.types {
        Some(types) if properties.is_empty() => format!("the type {types}"),
        Some(types) => format!("the type {types} with `{}`", properties.join("`, `")),
        None => "another shape".to_owned(),
    }
}
