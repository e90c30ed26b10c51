//! Key sets: what is read comes out as it went in, and without a private part.
#![no_main]

use domain::rules::jose::{Jws, KeySet, assertion};
use libfuzzer_sys::fuzz_target;

/// Signed by nobody: `{"alg":"ES256"}`, `RS256` and `EdDSA`, each with claims that would be good.
const UNSIGNED: [&str; 3] = [
    "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJjIiwic3ViIjoiYyIsImF1ZCI6ImkiLCJqdGkiOiIxIiwiZXhwIjoyMDB9.AQEB",
    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJjIiwic3ViIjoiYyIsImF1ZCI6ImkiLCJqdGkiOiIxIiwiZXhwIjoyMDB9.AQEB",
    "eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJjIiwic3ViIjoiYyIsImF1ZCI6ImkiLCJqdGkiOiIxIiwiZXhwIjoyMDB9.AQEB",
];

/// The set is the same after it was written and read, and takes no token that nobody signed.
fn holds(keys: &KeySet) {
    let json = keys.to_json();
    assert_eq!(KeySet::published(&json.to_string()).as_ref(), Ok(keys));
    for key in json["keys"].as_array().expect("keys") {
        for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
            assert!(key.get(private).is_none(), "{private}");
        }
    }
    let now = chrono::DateTime::from_timestamp(100, 0).expect("a time");
    for token in UNSIGNED {
        let jws = Jws::parse(token).expect("a token");
        let expected = assertion::Expected { client_id: "c", issuer: "i" };
        assert!(assertion::check(&jws, keys, expected, now).is_err());
    }
}

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(keys) = KeySet::published(text) {
        holds(&keys);
    }
    let Ok(value) = serde_json::from_str(text) else { return };
    match KeySet::registered(&value, "jwks") {
        Ok(keys) => {
            assert!((1..=16).contains(&keys.keys().len()));
            assert_eq!(KeySet::registered(&keys.to_json(), "jwks").as_ref(), Ok(&keys));
            holds(&keys);
        }
        Err(problems) => assert!(!problems.is_empty() && problems.iter().all(|problem| !problem.message.is_empty())),
    }
});
