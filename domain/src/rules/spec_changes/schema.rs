//! Two schemas side by side. What stands between two pairs of named schemas is found once, however many operations use them;
//! schemas that contain themselves end where a pair comes again.

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, HashSet, VecDeque},
    rc::Rc,
};

use serde_json::Value;

use super::{
    SpecChangeKind,
    SpecChangeKind::{Added, Changed, Deprecated, Removed},
    side::{self, Named, Side, reference_of},
    types::Types,
    view::View,
};
use crate::rules::{
    openapi::{Document, steps},
    patience::Patience,
};

/// Values that a text names.
const MAX_NAMED: usize = 8;

/// Which way what a schema describes goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flow {
    Request,
    Response,
}

impl Flow {
    /// Requests may not be taken less of, answers may not be more than callers are ready for.
    pub fn breaks(self, tightened: bool, loosened: bool) -> bool {
        match self {
            Self::Request => tightened,
            Self::Response => loosened,
        }
    }
}

/// What was found at a place: below it, and said of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Finding {
    pub kind: SpecChangeKind,
    pub breaking: bool,
    /// Such as `owner.emails[]`; empty: the place itself.
    pub path: String,
    /// What is said of it, without its subject.
    pub text: String,
}

/// References of the same place in both documents.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Pair {
    old: String,
    new: String,
    flow: Flow,
}

/// Schemas inside of each other that are compared.
const MAX_LEVEL: usize = 64;
/// What is told of one body or parameter.
const MAX_FINDINGS: usize = 1000;

/// What lies between two schemas, up to the next pair of names.
#[derive(Debug, Default)]
pub struct Node {
    pub findings: Vec<Finding>,
    pairs: Vec<(String, Pair)>,
}

impl Node {
    pub fn add(&mut self, kind: SpecChangeKind, breaking: bool, path: &str, text: impl Into<String>) {
        self.findings.push(Finding { kind, breaking, path: path.to_owned(), text: text.into() });
    }

    pub fn merge(&mut self, other: Self) {
        self.findings.extend(other.findings);
        self.pairs.extend(other.pairs);
    }
}

pub struct Comparison<'d> {
    pub old: Side<'d>,
    pub new: Side<'d>,
    changed: HashSet<Named<'d>>,
    same_security: bool,
    nodes: RefCell<HashMap<Pair, Rc<Node>>>,
    /// Places of schemas that were held against each other since the last root: parts of `allOf` may lead back to themselves.
    visited: RefCell<HashSet<(usize, usize)>>,
    /// Trials inside of trials.
    depth: Cell<usize>,
    /// Schemas inside of each other.
    level: Cell<usize>,
}

impl<'d> Comparison<'d> {
    pub fn new(old: &'d Document, new: &'d Document, patience: &Patience) -> Self {
        let (old, new) = (Side::of(old, patience.clone()), Side::of(new, patience.clone()));
        let changed = side::changed(&old, &new);
        let same_security = old.document.top_level("security") == new.document.top_level("security")
            && !changed.iter().any(|(section, _)| *section == "securitySchemes");
        Self {
            old,
            new,
            changed,
            same_security,
            nodes: RefCell::default(),
            visited: RefCell::default(),
            depth: Cell::new(0),
            level: Cell::new(0),
        }
    }

    /// Whether nothing that a path's operations lead to is another than before.
    pub fn is_same_path(&self, path: &str) -> bool {
        self.same_security && !self.changed.contains(&("paths", path))
    }

    /// All that changed from one schema to another.
    pub fn findings(&self, old: &Value, new: &Value, flow: Flow) -> Vec<Finding> {
        self.start();
        let mut root = Node::default();
        self.schemas(old, new, flow, "", &mut root);
        self.collect(root)
    }

    /// Forgets where it was: a new root begins.
    pub fn start(&self) {
        self.visited.borrow_mut().clear();
    }

    /// The findings of a node and of the pairs behind it, each pair once, the nearest first.
    pub fn collect(&self, root: Node) -> Vec<Finding> {
        let mut found = root.findings;
        found.truncate(MAX_FINDINGS);
        let mut seen: HashSet<Pair> = HashSet::new();
        let mut queue: VecDeque<_> = root.pairs.into();
        while let Some((path, pair)) = queue.pop_front() {
            if found.len() >= MAX_FINDINGS {
                break;
            }
            if !seen.insert(pair.clone()) {
                continue;
            }
            let node = self.node(&pair);
            let below = |inner: &str| joined(&path, inner);
            found.extend(node.findings.iter().map(|finding| Finding { path: below(&finding.path), ..finding.clone() }));
            queue.extend(
                node.pairs.iter().filter(|(_, pair)| !seen.contains(pair)).map(|(path, pair)| (below(path), pair.clone())),
            );
        }
        found
    }

    fn node(&self, pair: &Pair) -> Rc<Node> {
        if let Some(node) = self.nodes.borrow().get(pair) {
            return Rc::clone(node);
        }
        let mut node = Node::default();
        if let (Some(old), Some(new)) = (self.old.target(&pair.old), self.new.target(&pair.new)) {
            self.start();
            self.contents(old, new, pair.flow, "", &mut node);
        }
        let node = Rc::new(node);
        self.nodes.borrow_mut().insert(pair.clone(), Rc::clone(&node));
        node
    }

    pub fn schemas(&self, old: &Value, new: &Value, flow: Flow, path: &str, node: &mut Node) {
        match (reference_of(old), reference_of(new)) {
            (Some(before), Some(after)) => {
                if before != after || self.leads_to_changed(after) {
                    let pair = Pair { old: before.to_owned(), new: after.to_owned(), flow };
                    node.pairs.push((path.to_owned(), pair));
                }
                if !self.old.ignores_siblings && !self.new.ignores_siblings && old != new {
                    let (old, new) = (View::beside_reference(&self.old, old), View::beside_reference(&self.new, new));
                    self.views(&old, &new, flow, path, node);
                }
            }
            _ => self.contents(old, new, flow, path, node),
        }
    }

    fn leads_to_changed(&self, reference: &str) -> bool {
        let steps = steps(reference).unwrap_or_default();
        match &steps[..] {
            [first, section, name, ..] if first == "components" => self.changed.contains(&(section.as_str(), name.as_str())),
            [first, path, ..] if first == "paths" => self.changed.contains(&("paths", path.as_str())),
            _ => true,
        }
    }

    fn contents(&self, old: &Value, new: &Value, flow: Flow, path: &str, node: &mut Node) {
        if self.new.patience.ends() {
            return;
        }
        let places = (std::ptr::from_ref(old) as usize, std::ptr::from_ref(new) as usize);
        if !self.visited.borrow_mut().insert(places) {
            return;
        }
        if self.level.get() == MAX_LEVEL {
            return node.add(Changed, true, path, "is nested too deeply to be compared");
        }
        self.level.set(self.level.get() + 1);
        self.views(&View::of(&self.old, old), &View::of(&self.new, new), flow, path, node);
        self.level.set(self.level.get() - 1);
    }

    /// What would be found between two schemas; `None` where too many are nested to tell.
    pub fn trial<'v>(&'v self, old: &View<'v>, new: &View<'v>, flow: Flow, path: &str) -> Option<Node> {
        const MAX_TRIALS: usize = 3;
        if self.depth.get() == MAX_TRIALS || self.new.patience.ends() {
            return None;
        }
        self.depth.set(self.depth.get() + 1);
        let before = self.visited.take();
        let mut trial = Node::default();
        self.views(old, new, flow, path, &mut trial);
        self.visited.replace(before);
        self.depth.set(self.depth.get() - 1);
        Some(trial)
    }

    pub fn views<'v>(&'v self, old: &View<'v>, new: &View<'v>, flow: Flow, path: &str, node: &mut Node) {
        if !types(old.types, new.types, flow, path, node) {
            return;
        }
        if old.variants.is_empty() != new.variants.is_empty() {
            return self.one_to_many(old, new, flow, path, node);
        }
        values(old, new, flow, path, node);
        formats(old, new, flow, path, node);
        for moved in old.limits.moved(&new.limits) {
            node.add(Changed, flow.breaks(moved.tightened, moved.loosened), path, moved.text);
        }
        for (name, after) in &new.conditions {
            match old.conditions.get(name) {
                Some(before) if before == after => {}
                Some(_) => node.add(Changed, flow == Flow::Request, path, format!("changed its condition `{name}`")),
                None => node.add(Changed, flow == Flow::Request, path, format!("now has a condition `{name}`")),
            }
        }
        for name in old.conditions.keys().filter(|name| !new.conditions.contains_key(*name)) {
            node.add(Changed, flow == Flow::Response, path, format!("no longer has the condition `{name}`"));
        }
        self.properties(old, new, flow, path, node);
        self.items(old, new, flow, path, node);
        self.many_to_many(old, new, flow, path, node);
    }

    fn properties<'v>(&'v self, old: &View<'v>, new: &View<'v>, flow: Flow, path: &str, node: &mut Node) {
        // What only the other side sends is not there in this direction.
        let hidden = if flow == Flow::Request { "readOnly" } else { "writeOnly" };
        let shown = |side: &Side<'_>, all: &[&Value]| !all.iter().any(|schema| side.flag(schema, hidden));
        let deprecated = |side: &Side<'_>, all: &[&Value]| all.iter().any(|schema| side.flag(schema, "deprecated"));
        let at = |name: &str| joined(path, name);
        for (name, before) in old.properties.iter().filter(|(_, all)| shown(&self.old, all)) {
            if !new.properties.get(name).is_some_and(|all| shown(&self.new, all)) {
                let text = match flow {
                    Flow::Request => "can no longer be sent: the property was removed",
                    Flow::Response if old.required.contains(name) => "was removed",
                    Flow::Response => "was removed (it was optional)",
                };
                node.add(Removed, true, &at(name), text);
                continue;
            }
            let after = &new.properties[name];
            let path = at(name);
            required(self, (old, before), (new, after), (flow, name), &path, node);
            if deprecated(&self.new, after) && !deprecated(&self.old, before) {
                node.add(Deprecated, false, &path, "is now deprecated");
            }
            if before.len() == after.len() {
                before.iter().zip(after).for_each(|(before, after)| self.schemas(before, after, flow, &path, node));
            } else if let (Some(before), Some(after)) = (before.last(), after.last()) {
                self.schemas(before, after, flow, &path, node);
            }
        }
        for (name, after) in new.properties.iter().filter(|(_, all)| shown(&self.new, all)) {
            if old.properties.get(name).is_some_and(|all| shown(&self.old, all)) {
                continue;
            }
            let needed = flow == Flow::Request && new.required.contains(name);
            let has_default = after.iter().any(|schema| self.has_default(schema));
            match needed {
                true if has_default => node.add(Added, false, &at(name), "is new and required, with a default"),
                true => node.add(Added, true, &at(name), "is new and required: send it"),
                false => node.add(Added, false, &at(name), "is new"),
            }
        }
        // Required without a schema of its own.
        for name in new.required.iter().filter(|name| !old.required.contains(*name) && !new.properties.contains_key(*name)) {
            if flow == Flow::Request {
                node.add(Changed, true, &at(name), "is now required: send it");
            }
        }
    }

    pub fn has_default(&self, schema: &Value) -> bool {
        self.new.resolved(schema).is_some_and(|schema| schema.get("default").is_some())
    }

    fn items<'v>(&'v self, old: &View<'v>, new: &View<'v>, flow: Flow, path: &str, node: &mut Node) {
        let below = format!("{path}[]");
        match (old.items, new.items) {
            (Some(before), Some(after)) => self.schemas(before, after, flow, &below, node),
            (None, Some(after)) if limits_anything(after) => {
                node.add(Changed, flow == Flow::Request, &below, "now has a schema of its own");
            }
            (Some(before), None) if limits_anything(before) => {
                node.add(Changed, flow == Flow::Response, &below, "can now be anything");
            }
            _ => {}
        }
        for (i, (before, after)) in old.first_items.iter().zip(new.first_items).enumerate() {
            self.schemas(before, after, flow, &format!("{path}[{i}]"), node);
        }
        let closed = |view: &View<'_>| view.additional == Some(&Value::Bool(false));
        match (old.additional, new.additional) {
            (Some(before @ Value::Object(_)), Some(after @ Value::Object(_))) => {
                self.schemas(before, after, flow, &format!("{path}{{}}"), node);
            }
            (_, Some(Value::Bool(false))) if !closed(old) => {
                node.add(Changed, flow == Flow::Request, path, "no longer takes properties that are not named");
            }
            (_, after) if closed(old) && !closed(new) => {
                let named =
                    if after.is_some_and(limits_anything) { "further properties of one kind" } else { "any further properties" };
                node.add(Changed, false, path, format!("may now have {named}"));
            }
            (Some(Value::Object(before)), _) if !before.is_empty() => {
                node.add(Changed, flow == Flow::Response, path, "can now have anything as further properties");
            }
            (_, Some(Value::Object(after))) if !after.is_empty() => {
                node.add(Changed, flow == Flow::Request, path, "now has a schema for further properties");
            }
            _ => {}
        }
    }
}

/// The path of what stands below a place.
fn joined(path: &str, inner: &str) -> String {
    let dot = if path.is_empty() || inner.is_empty() || inner.starts_with(['[', '{']) { "" } else { "." };
    format!("{path}{dot}{inner}")
}

fn limits_anything(schema: &Value) -> bool {
    schema.as_object().is_some_and(|map| !map.is_empty())
}

fn required<'v>(
    comparison: &Comparison<'_>,
    (old, _): (&View<'v>, &[&Value]),
    (new, after): (&View<'v>, &[&Value]),
    (flow, name): (Flow, &str),
    path: &str,
    node: &mut Node,
) {
    let has_default = || after.iter().any(|schema| comparison.has_default(schema));
    match (old.required.contains(name), new.required.contains(name), flow) {
        (false, true, Flow::Request) if has_default() => node.add(Changed, false, path, "is now required, with a default"),
        (false, true, Flow::Request) => node.add(Changed, true, path, "is now required: send it"),
        (true, false, Flow::Request) => node.add(Changed, false, path, "is no longer required"),
        (false, true, Flow::Response) => node.add(Changed, false, path, "is now always there"),
        (true, false, Flow::Response) => node.add(Changed, true, path, "may now be missing"),
        (false, false, _) | (true, true, _) => {}
    }
}

/// Whether it makes sense to look further.
fn types(old: Option<Types>, new: Option<Types>, flow: Flow, path: &str, node: &mut Node) -> bool {
    let (before, after) = match (old, new) {
        (None, None) => return true,
        (Some(before), None) => {
            node.add(Changed, flow == Flow::Response, path, format!("can now be of any type (was {before})"));
            return false;
        }
        (None, Some(after)) => {
            node.add(Changed, flow == Flow::Request, path, format!("is now limited to the type {after} (was any)"));
            return false;
        }
        (Some(before), Some(after)) => (before, after),
    };
    let (plain_before, plain_after) = (before.without(Types::NULL), after.without(Types::NULL));
    if plain_before != plain_after {
        let (lost, gained) = (plain_before.without(plain_after), plain_after.without(plain_before));
        let breaking = flow.breaks(!lost.is_none(), !gained.is_none());
        node.add(Changed, breaking, path, format!("changed its type from {plain_before} to {plain_after}"));
    }
    match (before.has(Types::NULL), after.has(Types::NULL)) {
        (true, false) => node.add(Changed, flow == Flow::Request, path, "can no longer be null"),
        (false, true) => node.add(Changed, flow == Flow::Response, path, "can now be null"),
        (true, true) | (false, false) => {}
    }
    !plain_before.and(plain_after).is_none()
}

fn values(old: &View<'_>, new: &View<'_>, flow: Flow, path: &str, node: &mut Node) {
    let missing = |from: &[&Value], other: &[&Value]| -> Vec<String> {
        let other: HashSet<&Value> = other.iter().copied().collect();
        from.iter().filter(|value| !other.contains(*value)).map(|value| shown(value)).collect()
    };
    match (&old.values, &new.values) {
        (None, None) => {}
        (Some(before), None) => {
            let text = format!("can now have other values than {}", listed(&missing(before, &[])));
            node.add(Changed, flow == Flow::Response, path, text);
        }
        (None, Some(after)) => {
            let text = format!("is now limited to the values {}", listed(&missing(after, &[])));
            node.add(Changed, flow == Flow::Request, path, text);
        }
        (Some(before), Some(after)) => {
            let (gone, fresh) = (missing(before, after), missing(after, before));
            if !gone.is_empty() {
                let text = format!("no longer {} {}", if flow == Flow::Request { "takes" } else { "has" }, values_of(&gone));
                node.add(Removed, flow == Flow::Request, path, text);
            }
            if !fresh.is_empty() {
                let text = format!("{} {}", if flow == Flow::Request { "also takes" } else { "can now have" }, values_of(&fresh));
                node.add(Added, flow == Flow::Response, path, text);
            }
        }
    }
}

fn values_of(values: &[String]) -> String {
    format!("the value{} {}", if values.len() == 1 { "" } else { "s" }, listed(values))
}

fn shown(value: &Value) -> String {
    const MAX_SHOWN: usize = 60;
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let short: String = text.chars().take(MAX_SHOWN).collect();
    format!("`{short}{}`", if short.len() < text.len() { "…" } else { "" })
}

fn listed(values: &[String]) -> String {
    let more = values.len().saturating_sub(MAX_NAMED);
    let named = values[..values.len() - more].join(", ");
    if more > 0 { format!("{named} and {more} more") } else { named }
}

/// A format that is added is a promise for answers and a condition on requests.
fn formats(old: &View<'_>, new: &View<'_>, flow: Flow, path: &str, node: &mut Node) {
    /// Whether all values of one format are values of the other. Numbers are taken to be of the widest anyway.
    fn within(inner: Option<&str>, outer: Option<&str>) -> bool {
        let narrow = |format: &&str| !matches!(*format, "int64" | "double");
        let (inner, outer) = (inner.filter(narrow), outer.filter(narrow));
        inner == outer || outer.is_none()
    }
    if old.format == new.format {
        return;
    }
    let text = match (old.format, new.format) {
        (Some(before), Some(after)) => format!("changed its format from {before} to {after}"),
        (None, after) => format!("now has the format {}", after.unwrap_or_default()),
        (Some(before), None) => format!("no longer has the format {before}"),
    };
    let (tightened, loosened) = (!within(old.format, new.format), !within(new.format, old.format));
    node.add(Changed, flow.breaks(tightened, loosened), path, text);
}
