//! The JSON of a token as a tree that borrows from its text. Unlike `serde_json::Value` it keeps doubled names, so that they
//! can be refused; nesting is bounded by serde_json, at 128 levels.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};

#[derive(Debug)]
pub enum Json<'a> {
    Text(Cow<'a, str>),
    Integer(i64),
    /// With a fraction or an exponent, or too large for an integer.
    Float(f64),
    List(Vec<Json<'a>>),
    Object(Members<'a>),
    /// `true`, `false`, `null`: nothing here asks for them.
    Literal,
}

/// In their order.
#[derive(Debug)]
pub struct Members<'a>(Vec<(Cow<'a, str>, Json<'a>)>);

impl<'a> Members<'a> {
    /// `None` where the text is anything but one JSON object.
    pub fn parse(text: &'a str) -> Option<Self> {
        match serde_json::from_str(text) {
            Ok(Json::Object(members)) => Some(members),
            Ok(_) | Err(_) => None,
        }
    }

    pub fn get(&self, name: &str) -> Option<&Json<'a>> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// A name that stands twice in one object, here or further in.
    pub fn doubled(&self) -> Option<&str> {
        let mut names: Vec<&str> = self.0.iter().map(|(name, _)| name.as_ref()).collect();
        names.sort_unstable();
        let here = names.iter().zip(names.iter().skip(1)).find(|(name, next)| name == next).map(|(name, _)| *name);
        here.or_else(|| self.0.iter().find_map(|(_, value)| value.doubled()))
    }
}

impl Json<'_> {
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Integer(_) | Self::Float(_) | Self::List(_) | Self::Object(_) | Self::Literal => None,
        }
    }

    fn doubled(&self) -> Option<&str> {
        match self {
            Self::Object(members) => members.doubled(),
            Self::List(list) => list.iter().find_map(Self::doubled),
            Self::Text(_) | Self::Integer(_) | Self::Float(_) | Self::Literal => None,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Json<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Tree)
    }
}

struct Tree;

impl<'de> Visitor<'de> for Tree {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Json<'de>, E> {
        Ok(Json::Literal)
    }
    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Literal)
    }
    fn visit_i64<E>(self, value: i64) -> Result<Json<'de>, E> {
        Ok(Json::Integer(value))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Json<'de>, E> {
        Ok(i64::try_from(value).map_or(Json::Float(value as f64), Json::Integer))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Json<'de>, E> {
        Ok(Json::Float(value))
    }
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }
    fn visit_str<E>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = seq.next_element()? {
            list.push(value);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some(name) = entries.next_key::<Json<'de>>()? {
            let Json::Text(name) = name else { return Err(de::Error::custom("a name that is not a text")) };
            members.push((name, entries.next_value()?));
        }
        Ok(Json::Object(Members(members)))
    }
}
