//! A published document kept as text with an index: one operation is read without parsing the rest.

use std::{collections::HashMap, fmt, ops::Range};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Value, value::RawValue};

use super::pointer::{follow, steps};

pub type Span = Range<usize>;

/// Compact JSON as [`super::read`] made it, and where its path items and components stand in it.
#[derive(Debug)]
pub struct Document {
    text: String,
    pub(super) openapi: String,
    pub(super) top: Members,
    pub(super) paths: Members,
    pub(super) sections: Vec<(String, Members)>,
}

/// An object's keys in their order, and where their values stand.
#[derive(Debug, Default)]
pub struct Members {
    list: Vec<(String, Span)>,
    places: HashMap<String, usize>,
}

impl Document {
    pub fn index(text: String) -> Result<Self, serde_json::Error> {
        let top = Members::of(&text, 0..text.len())?;
        let inside = |key: &str| top.get(key).map_or_else(|| Ok(Members::default()), |span| Members::of(&text, span));
        let (paths, components) = (inside("paths")?, inside("components")?);
        let sections = components
            .iter()
            .filter(|(_, span)| text[span.clone()].starts_with('{'))
            .map(|(name, span)| Ok((name.to_owned(), Members::of(&text, span)?)))
            .collect::<Result<_, serde_json::Error>>()?;
        let openapi = match top.get("openapi") {
            Some(span) => serde_json::from_str(&text[span])?,
            None => String::new(),
        };
        Ok(Self { text, openapi, top, paths, sections })
    }

    /// Bytes that it takes in memory, about.
    pub fn weight(&self) -> usize {
        const ENTRY: usize = 160;
        let members = [&self.top, &self.paths].into_iter().chain(self.sections.iter().map(|(_, members)| members));
        self.text.len() + members.map(|members| members.list.len() * ENTRY).sum::<usize>()
    }

    /// The version of the OpenAPI specification that it follows.
    pub fn openapi(&self) -> &str {
        &self.openapi
    }

    /// The text of a key at the top.
    pub(in crate::rules) fn top_level(&self, key: &str) -> Option<&str> {
        self.top.get(key).map(|span| self.slice(&span))
    }

    /// Path templates with the texts of their items, in their order.
    pub(in crate::rules) fn path_texts(&self) -> impl Iterator<Item = (&str, &str)> {
        let paths = self.paths.iter().filter(|(path, _)| !path.starts_with("x-"));
        paths.map(|(path, span)| (path, &self.text[span]))
    }

    /// Every component: its section, its name and its text.
    pub(in crate::rules) fn component_texts(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.sections.iter().flat_map(move |(section, members)| {
            members.iter().map(move |(name, span)| (section.as_str(), name, &self.text[span]))
        })
    }

    pub(super) fn slice(&self, span: &Span) -> &str {
        &self.text[span.clone()]
    }

    pub(super) fn section(&self, name: &str) -> Option<&Members> {
        self.sections.iter().find(|(section, _)| section == name).map(|(_, members)| members)
    }

    /// The value that a local reference names, and how many bytes of text the nearest indexed thing around it has.
    pub(super) fn lookup(&self, reference: &str) -> Option<(usize, impl FnOnce() -> Option<Value> + '_)> {
        let steps = steps(reference)?;
        let (span, rest) = match &steps[..] {
            [first, path, rest @ ..] if first == "paths" => (self.paths.get(path)?, rest.to_vec()),
            [first, section, name, rest @ ..] if first == "components" => (self.section(section)?.get(name)?, rest.to_vec()),
            [first, rest @ ..] => (self.top.get(first)?, rest.to_vec()),
            [] => return None,
        };
        let size = span.len();
        let parse = move || {
            let value: Value = serde_json::from_str(&self.text[span]).ok()?;
            if rest.is_empty() { Some(value) } else { follow(&value, &rest).cloned() }
        };
        Some((size, parse))
    }

    /// An operation's text and that of the parameters that it shares with the others of its path.
    pub(super) fn operation_texts(&self, path: &str, method: &str) -> Option<(&str, Option<&str>)> {
        let item = |span: Range<usize>| Members::of(&self.text, span).ok();
        let mut members = item(self.paths.get(path)?)?;
        if let Some(reference) = members.get("$ref") {
            let reference: String = serde_json::from_str(self.slice(&reference)).ok()?;
            members = item(self.place(&steps(&reference)?)?)?;
        }
        let text = |key: &str| members.get(key).map(|span| &self.text[span]);
        Some((text(method)?, text("parameters")))
    }

    /// Where a value stands that a reference's steps lead to.
    fn place(&self, steps: &[String]) -> Option<Span> {
        let (mut span, rest) = match steps {
            [first, path, rest @ ..] if first == "paths" => (self.paths.get(path)?, rest),
            [first, section, name, rest @ ..] if first == "components" => (self.section(section)?.get(name)?, rest),
            [first, rest @ ..] => (self.top.get(first)?, rest),
            [] => return None,
        };
        for step in rest {
            span = Members::of(&self.text, span).ok()?.get(step)?;
        }
        Some(span)
    }

    /// The path item, or the one that it refers to.
    pub(in crate::rules) fn path_item(&self, path: &str) -> Option<Value> {
        let item: Value = serde_json::from_str(&self.text[self.paths.get(path)?]).ok()?;
        match item.get("$ref").and_then(Value::as_str) {
            Some(reference) => self.lookup(reference).and_then(|(_, parse)| parse()),
            None => Some(item),
        }
    }
}

impl Members {
    pub fn of(text: &str, span: Span) -> Result<Self, serde_json::Error> {
        let Entries(entries) = serde_json::from_str(&text[span])?;
        let start = text.as_ptr() as usize;
        let list: Vec<_> = entries
            .into_iter()
            .map(|(key, raw)| {
                let at = raw.get().as_ptr() as usize - start;
                (key, at..at + raw.get().len())
            })
            .collect();
        let places = list.iter().enumerate().map(|(i, (key, _))| (key.clone(), i)).collect();
        Ok(Self { list, places })
    }

    pub fn get(&self, key: &str) -> Option<Span> {
        self.places.get(key).map(|&i| self.list[i].1.clone())
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, Span)> {
        self.list.iter().map(|(key, span)| (key.as_str(), span.clone()))
    }
}

/// An object's entries with their values' texts, borrowed from the text itself.
pub struct Entries<'a>(pub Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Entries<'de>, A::Error> {
                let mut list = Vec::new();
                while let Some(entry) = entries.next_entry()? {
                    list.push(entry);
                }
                Ok(Entries(list))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}
