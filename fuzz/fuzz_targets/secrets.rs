//! API keys and other secrets: what is taken for one has its form, and was made by the rule that it is checked by.
#![no_main]

use domain::rules::{
    base62::{CHECKSUM, checksum},
    credential::{Lookup, adopt, parse_api_key, token_environment},
};
use entities::enums::Environment;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let parsed = parse_api_key(text);
    assert_eq!(parsed, parse_api_key(text));
    if let Ok(key) = parsed {
        holds(text, &format!("{:?}", key.lookup));
    }
    // What is wrong by its checksum alone is right with it.
    if let Some(body) = text.len().checked_sub(CHECKSUM).and_then(|at| text.get(..at)) {
        let whole = format!("{body}{}", checksum(body));
        if let Ok(key) = parse_api_key(&whole) {
            holds(&whole, &format!("{:?}", key.lookup));
        }
    }
    if let Some(lookup) = Lookup::parse(text) {
        assert_eq!(lookup.bytes(), text.as_bytes());
    }
    let _ = token_environment(text);
    if let Ok(taken) = adopt("token", text.to_owned().into(), Environment::Production) {
        assert!((32..=512).contains(&text.len()) && parsed.is_err() && !taken.masked.contains(&text[4..]));
    }
});

fn holds(text: &str, lookup: &str) {
    assert!(text.len() == 71 && text.is_ascii() && text[9..21] == *lookup);
    assert!(text.starts_with("ptk_live_") || text.starts_with("ptk_test_"));
    for at in 0..text.len() {
        let mut other = text.to_owned();
        other.remove(at);
        assert!(parse_api_key(&other).is_err(), "{other}");
    }
}
