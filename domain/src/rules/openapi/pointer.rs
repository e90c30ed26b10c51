//! JSON pointers (RFC 6901), also as fragments of references.

use std::{borrow::Cow, fmt};

/// A place in a document while it is walked; text only where a fault is told.
#[derive(Clone, Copy)]
pub struct At<'a> {
    parent: Option<&'a At<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Root,
    Key(&'a str),
    Index(usize),
}

impl At<'static> {
    pub fn root() -> Self {
        Self { parent: None, step: Step::Root }
    }
}

impl<'a> At<'a> {
    pub fn key(&'a self, key: &'a str) -> Self {
        Self { parent: Some(self), step: Step::Key(key) }
    }

    pub fn index(&'a self, index: usize) -> Self {
        Self { parent: Some(self), step: Step::Index(index) }
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.step {
            Step::Root => Ok(()),
            Step::Key(key) => write!(f, "/{}", escape(key)),
            Step::Index(index) => write!(f, "/{index}"),
        }
    }
}

fn escape(key: &str) -> Cow<'_, str> {
    if key.contains(['~', '/']) { key.replace('~', "~0").replace('/', "~1").into() } else { key.into() }
}

/// The steps that a local reference (`#/components/…`) names; `None` where it is no JSON pointer.
pub fn steps(reference: &str) -> Option<Vec<String>> {
    let fragment = reference.strip_prefix('#')?;
    let pointer = percent_decoded(fragment)?;
    if pointer.is_empty() {
        return Some(Vec::new());
    }
    Some(pointer.strip_prefix('/')?.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect())
}

fn percent_decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(text.into());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        bytes.push(u8::try_from(high << 4 | low).ok()?);
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

/// The value that steps lead to.
pub fn follow<'v>(value: &'v serde_json::Value, steps: &[String]) -> Option<&'v serde_json::Value> {
    steps.iter().try_fold(value, |value, step| match value {
        serde_json::Value::Object(map) => map.get(step),
        serde_json::Value::Array(list) => list.get(step.parse::<usize>().ok()?),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_pointer() {
        let root = At::root();
        let (paths, pets) = (root.key("paths"), "/pets/{id}~x");
        let item = paths.key(pets);
        assert_eq!(item.key("get").index(3).to_string(), "/paths/~1pets~1{id}~0x/get/3");
        assert_eq!(root.to_string(), "");
    }

    #[test]
    fn references_name_steps() {
        let steps = |text| steps(text).map(|steps| steps.join("|"));
        assert_eq!(steps("#/components/schemas/Pet").as_deref(), Some("components|schemas|Pet"));
        assert_eq!(steps("#/paths/~1pets~1%7Bid%7D/get").as_deref(), Some("paths|/pets/{id}|get"));
        assert_eq!(steps("#").as_deref(), Some(""));
        for wrong in ["", "other.yaml", "#anchor", "#/%zz", "#/%f", "https://x.example/#/a"] {
            assert_eq!(steps(wrong), None, "{wrong}");
        }
    }
}
