//! One of the two documents: its components are parsed when something refers to them, and once.

use std::{
    cell::OnceCell,
    collections::{HashMap, HashSet},
};

use serde_json::Value;

use crate::rules::{
    openapi::{Document, follow, steps},
    patience::Patience,
};

/// A chain of references longer than this leads nowhere.
const MAX_CHAIN: usize = 32;

/// What a reference can be to: a section of the components, or `paths`, and the name in it.
pub type Named<'d> = (&'d str, &'d str);

pub struct Side<'d> {
    pub document: &'d Document,
    /// In OpenAPI 3.0, what stands beside a `$ref` is ignored.
    pub ignores_siblings: bool,
    /// By section and name.
    slots: HashMap<&'d str, HashMap<&'d str, Slot<'d>>>,
    pub patience: Patience,
}

struct Slot<'d> {
    text: &'d str,
    value: OnceCell<Option<Value>>,
}

impl<'d> Side<'d> {
    pub fn of(document: &'d Document, patience: Patience) -> Self {
        let components = document.component_texts().map(|(section, name, text)| ((section, name), text));
        let paths = document.path_texts().map(|(path, text)| (("paths", path), text));
        let mut slots: HashMap<&str, HashMap<&str, Slot<'_>>> = HashMap::new();
        for ((section, name), text) in components.chain(paths) {
            slots.entry(section).or_default().insert(name, Slot { text, value: OnceCell::new() });
        }
        Self { document, ignores_siblings: document.openapi().starts_with("3.0"), slots, patience }
    }

    /// What a reference leads to, through references in between.
    pub fn target(&self, reference: &str) -> Option<&Value> {
        let mut reference = reference;
        for _ in 0..MAX_CHAIN {
            let steps = steps(reference)?;
            let value = match &steps[..] {
                [first, section, name, rest @ ..] if first == "components" => follow(self.slot(section, name)?, rest)?,
                [first, path, rest @ ..] if first == "paths" => follow(self.slot("paths", path)?, rest)?,
                _ => return None,
            };
            match reference_of(value) {
                Some(next) if value.as_object().is_some_and(|map| map.len() == 1) => reference = next,
                _ => return Some(value),
            }
        }
        None
    }

    /// The value itself, or what it refers to.
    pub fn resolved<'v>(&'v self, value: &'v Value) -> Option<&'v Value> {
        match reference_of(value) {
            Some(reference) => self.target(reference),
            None => Some(value),
        }
    }

    /// A flag such as `readOnly` beside a reference or behind it.
    pub fn flag(&self, value: &Value, name: &str) -> bool {
        let set = |value: &Value| value.get(name) == Some(&Value::Bool(true));
        set(value) || reference_of(value).and_then(|reference| self.target(reference)).is_some_and(set)
    }

    fn slot(&self, section: &str, name: &str) -> Option<&Value> {
        let slot = self.slots.get(section)?.get(name)?;
        slot.value.get_or_init(|| serde_json::from_str(slot.text).ok()).as_ref()
    }
}

impl<'d> Side<'d> {
    fn texts(&self) -> impl Iterator<Item = (Named<'d>, &'d str)> {
        self.slots.iter().flat_map(|(section, names)| names.iter().map(|(name, slot)| ((*section, *name), slot.text)))
    }

    fn text(&self, (section, name): Named<'_>) -> Option<&'d str> {
        Some(self.slots.get(section)?.get(name)?.text)
    }
}

pub fn reference_of(value: &Value) -> Option<&str> {
    value.get("$ref").and_then(Value::as_str)
}

/// The components and path items of which the text, or that of something they lead to, is not the same on both sides.
pub fn changed<'d>(old: &Side<'d>, new: &Side<'d>) -> HashSet<Named<'d>> {
    let mut changed: HashSet<Named<'d>> = HashSet::new();
    let mut used_by: HashMap<(String, String), Vec<Named<'d>>> = HashMap::new();
    for (key, text) in new.texts() {
        if old.text(key) != Some(text) {
            changed.insert(key);
            continue;
        }
        for target in references(text) {
            match target {
                Some(target) => used_by.entry(target).or_default().push(key),
                None => drop(changed.insert(key)),
            }
        }
    }
    changed.extend(old.texts().map(|(key, _)| key).filter(|key| new.text(*key).is_none()));
    let mut todo: Vec<Named<'d>> = changed.iter().copied().collect();
    while let Some((section, name)) = todo.pop() {
        for user in used_by.remove(&(section.to_owned(), name.to_owned())).unwrap_or_default() {
            if changed.insert(user) {
                todo.push(user);
            }
        }
    }
    changed
}

/// What a text of compact JSON refers to; `None` for a reference that is not to something named.
fn references(text: &str) -> impl Iterator<Item = Option<(String, String)>> + '_ {
    text.split("\"$ref\":\"").skip(1).map(|rest| {
        let mut steps = steps(rest.split('"').next()?)?.into_iter();
        match (steps.next()?.as_str(), steps.next()?) {
            ("components", section) => Some((section, steps.next()?)),
            ("paths", path) => Some(("paths".to_owned(), path)),
            _ => None,
        }
    })
}
