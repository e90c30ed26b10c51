//! Requests at the token endpoint: a content type, an `Authorization` and a body, each ended by a line end.
#![no_main]

use domain::rules::oauth::{Authentication, Form, OAuthError, granted, refused, scopes};
use libfuzzer_sys::fuzz_target;
use secrecy::ExposeSecret;

const HELD: [&str; 3] = ["ship:read", "ship:write", "b"];

fn told(error: &OAuthError) {
    let text = &error.description;
    assert!((400..=503).contains(&error.code.status()) && !text.is_empty() && text.len() < 400, "{text}");
    assert_eq!(refused(error.code, text.as_str()), *error, "has characters that it may not have");
}

/// What a request comes to, in words, so that two readings can be compared.
fn read(kind: Option<&str>, authorization: Option<&str>, body: &[u8]) -> Result<String, OAuthError> {
    let form = Form::parse(kind, body)?;
    let asked = scopes(&form)?;
    if let Some(asked) = &asked {
        for (place, scope) in asked.iter().enumerate() {
            assert!(!asked[..place].contains(scope) && !scope.is_empty() && scope.bytes().all(|b| b.is_ascii_graphic()));
        }
    }
    let got = granted(asked.as_deref(), &HELD)?;
    assert!(got.iter().all(|scope| HELD.contains(scope)));
    let who = match Authentication::read(authorization, &form, None)? {
        Authentication::Secret { client, secret, basic } => {
            assert_eq!(basic, authorization.is_some());
            assert!(basic || form.get("client_secret") == Some(secret.expose_secret()));
            format!("{client} {}", secret.expose_secret())
        }
        Authentication::Assertion { client, assertion } => format!("{client:?} {}", assertion.expose_secret()),
        Authentication::Certificate { .. } => unreachable!("none was shown"),
    };
    Ok(format!("{who} {got:?} {:?}", form.require("grant_type")?))
}

fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(3, |b| *b == b'\n');
    let mut header = || parts.next().and_then(|part| std::str::from_utf8(part).ok()).filter(|text| !text.is_empty());
    let (kind, authorization) = (header(), header());
    let body = parts.next().unwrap_or_default();
    let outcome = read(kind, authorization, body);
    outcome.as_ref().err().into_iter().for_each(told);
    assert_eq!(outcome, read(kind, authorization, body));
});
