//! Documents as they are downloaded: calls go to the gateway, and what the reader may not see is not in them.

use std::{borrow::Cow, collections::HashSet};

use serde::ser::{Error, Serialize, SerializeMap, Serializer};
use serde_json::{Value, value::RawValue};

use super::{
    document::{Document, Entries, Members},
    operations::METHODS,
    prune,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    Json,
    Yaml,
}

/// Operations that are left out: template and lower case method.
pub type Hidden = HashSet<(String, String)>;

impl Document {
    /// The document with `server` as its only server, whichever the provider named for itself, and without the hidden
    /// operations and the components that only they needed.
    pub fn render(&self, server: &str, hidden: &Hidden, format: Format) -> Result<String, String> {
        let json = self.render_json(server, hidden).map_err(|error| error.to_string())?;
        match format {
            Format::Json => Ok(json),
            Format::Yaml => yaml(&json),
        }
    }

    fn render_json(&self, server: &str, hidden: &Hidden) -> serde_json::Result<String> {
        let paths = self.paths_without(hidden)?;
        let mut out = String::with_capacity(paths.len() + 1_024);
        let servers = serde_json::json!([{ "url": server }]).to_string();
        for (key, span) in self.top.iter() {
            let value = match key {
                "servers" => continue,
                "paths" => Cow::Borrowed(paths.as_str()),
                "components" if !hidden.is_empty() => Cow::Owned(self.components_for(&paths)?),
                _ => Cow::Borrowed(self.slice(&span)),
            };
            entry(&mut out, key, &value)?;
            if key == "info" {
                entry(&mut out, "servers", &servers)?;
            }
        }
        out.push('}');
        Ok(out)
    }

    fn paths_without(&self, hidden: &Hidden) -> serde_json::Result<String> {
        let concerned: HashSet<&str> = hidden.iter().map(|(path, _)| path.as_str()).collect();
        let mut out = String::new();
        for (path, span) in self.paths.iter() {
            let text = self.slice(&span);
            let hides = concerned.contains(path);
            if !hides && !text.contains("\"servers\"") {
                entry(&mut out, path, text)?;
                continue;
            }
            // A path item that is shared by reference is written out where a part of it is hidden.
            let item = match self.path_item(path) {
                Some(item) if hides => Cow::Owned(item.to_string()),
                _ => Cow::Borrowed(text),
            };
            let (kept, operations) = item_without(&item, |method| hidden.contains(&(path.to_owned(), method.to_owned())))?;
            if operations > 0 || !hides {
                entry(&mut out, path, &kept)?;
            }
        }
        closed(&mut out);
        Ok(out)
    }

    /// The components that the paths and the rest of the document lead to; security schemes are named, not referred to.
    fn components_for(&self, paths: &str) -> serde_json::Result<String> {
        let others = self.top.iter().filter(|(key, _)| !matches!(*key, "paths" | "components"));
        let spans: Vec<_> = others.map(|(_, span)| span).collect();
        let texts: Vec<&str> = spans.iter().map(|span| self.slice(span)).chain([paths]).collect();
        let needed = prune::needed(self, &texts);
        let mut out = String::new();
        for (section, members) in &self.sections {
            let kept = self.section_with(members, |name| {
                section == "securitySchemes" || needed.contains(&(section.clone(), name.to_owned()))
            })?;
            if kept != "{}" {
                entry(&mut out, section, &kept)?;
            }
        }
        closed(&mut out);
        Ok(out)
    }

    fn section_with(&self, members: &Members, keep: impl Fn(&str) -> bool) -> serde_json::Result<String> {
        let mut out = String::new();
        for (name, span) in members.iter().filter(|(name, _)| keep(name)) {
            entry(&mut out, name, self.slice(&span))?;
        }
        closed(&mut out);
        Ok(out)
    }
}

/// A path item without hidden operations and without servers of its own or its operations'; and how many operations stay.
fn item_without(text: &str, hidden: impl Fn(&str) -> bool) -> serde_json::Result<(String, usize)> {
    let (mut out, mut operations) = (String::new(), 0);
    let Entries(entries) = serde_json::from_str(text)?;
    for (key, value) in entries {
        let is_operation = METHODS.contains(&key.as_str()) || key == "query";
        if key == "servers" || is_operation && hidden(&key) {
            continue;
        }
        if is_operation && value.get().contains("\"servers\"") {
            let Entries(fields) = serde_json::from_str(value.get())?;
            let mut operation = String::new();
            for (field, value) in fields.iter().filter(|(field, _)| field != "servers") {
                entry(&mut operation, field, value.get())?;
            }
            closed(&mut operation);
            entry(&mut out, &key, &operation)?;
        } else {
            entry(&mut out, &key, value.get())?;
        }
        operations += usize::from(is_operation);
    }
    closed(&mut out);
    Ok((out, operations))
}

/// Adds an entry to an object that is being written.
fn entry(out: &mut String, key: &str, value: &str) -> serde_json::Result<()> {
    out.push(if out.is_empty() { '{' } else { ',' });
    out.push_str(&serde_json::to_string(key)?);
    out.push(':');
    out.push_str(value);
    Ok(())
}

fn closed(out: &mut String) {
    if out.is_empty() {
        out.push('{');
    }
    out.push('}');
}

fn yaml(json: &str) -> Result<String, String> {
    let document: &RawValue = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let mut out = String::with_capacity(json.len());
    let part = Part { text: document.get(), levels: 3 };
    serde_saphyr::to_fmt_writer(&mut out, &part).map_err(|error| error.to_string())?;
    Ok(out)
}

/// Written part by part, so that a large document is never in memory as values at once.
struct Part<'a> {
    text: &'a str,
    /// So many levels are taken apart before a part is parsed as a whole.
    levels: u8,
}

impl Serialize for Part<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.levels == 0 || !self.text.starts_with('{') {
            let value: Value = serde_json::from_str(self.text).map_err(S::Error::custom)?;
            return value.serialize(serializer);
        }
        let Entries(entries) = serde_json::from_str(self.text).map_err(S::Error::custom)?;
        let mut map = serializer.serialize_map(Some(entries.len()))?;
        for (key, value) in &entries {
            map.serialize_entry(key, &Part { text: value.get(), levels: self.levels - 1 })?;
        }
        map.end()
    }
}
