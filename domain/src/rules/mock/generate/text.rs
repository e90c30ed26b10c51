//! Texts by format, pattern and length.

use serde_json::{Map, Value};

use super::Maker;
use crate::rules::mock::{check::count, format, pattern};

/// Characters that are made at most.
const MOST: usize = 10_000;

impl Maker<'_> {
    pub(super) fn text(&mut self, map: &Map<String, Value>) -> Option<String> {
        let least = count(map, "minLength").unwrap_or(0);
        let most = count(map, "maxLength");
        if least > MOST {
            return None;
        }
        let of = |key: &str| map.get(key).and_then(Value::as_str);
        if let Some(pattern) = of("pattern") {
            // One that cannot be read is not held against the text either.
            if let Some(regex) = self.source.pattern(pattern) {
                // What has a format too has to fit both.
                let formatted =
                    of("format").and_then(|name| stretched(name, format::sample(name, &mut self.random)?, least, most));
                if let Some(text) = formatted.filter(|text| regex.is_match(text)) {
                    return Some(text);
                }
                return pattern::sample(pattern, &regex, (least, most), &mut self.random);
            }
        }
        if of("contentEncoding") == Some("base64") {
            return format::sample("byte", &mut self.random);
        }
        if let Some(text) = of("format").and_then(|name| format::sample(name, &mut self.random)) {
            return stretched(of("format").unwrap_or_default(), text, least, most);
        }
        let mut text = self.random.word().to_owned();
        while text.len() < least {
            text.push(' ');
            text.push_str(self.random.word());
        }
        text.truncate(most.unwrap_or(text.len()).max(least).min(text.len()));
        // A space at the end would look like a mistake.
        if text.ends_with(' ') {
            text.replace_range(text.len() - 1.., "s");
        }
        Some(text)
    }
}

/// A text of a format, as long as asked for where the format lets it be.
fn stretched(name: &str, mut text: String, least: usize, most: Option<usize>) -> Option<String> {
    if text.len() < least {
        let more = "x".repeat(least - text.len());
        match name {
            "email" | "idn-email" => text.insert_str(0, &more),
            "uri" | "url" | "iri" | "uri-reference" | "iri-reference" => text.push_str(&more),
            _ => {}
        }
    }
    if most.is_some_and(|most| text.len() > most) {
        text = match name {
            "email" | "idn-email" => "a@b.co".to_owned(),
            "uri" | "url" | "iri" => "http://a.b".to_owned(),
            "hostname" | "idn-hostname" => "a".to_owned(),
            "ipv4" => "1.1.1.1".to_owned(),
            "ipv6" => "::1".to_owned(),
            "byte" => "YQ==".to_owned(),
            _ => text,
        };
    }
    let fits = text.len() >= least && most.is_none_or(|most| text.len() <= most);
    fits.then_some(text)
}
