use entities::enums::LeakedKeyAction::{Narrow, Notify, Rotate};
use serde_json::json;

use super::*;

/// The sample of GitHub's documentation, and the key that it is signed with.
const SAMPLE: &str =
    r#"[{"source":"commit","token":"some_token","type":"some_type","url":"https://example.com/base-repo-url/"}]"#;
const SIGNED: &str = "MEQCIQDaMKqrGnE27S0kgMrEK0eYBmyG0LeZismAEz/BgZyt7AIfXt9fErtRS4XaeSt/AO1RtBY66YcAdjxji410VQV4xg==";
const IDENTIFIER: &str = "bcb53661c06b4728e59d897fb6165d5c9cda0fd9cdf9d09ead458168deb7518c";
const KEY: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYAGMWO8XgCamYKMJS6jc/qgvSlAd\nAjPuDPRcXU22YxgBrz+zoN19MzuRyW87qEt9/AmtoNP5GrobzUvQSyJFVw==\n-----END PUBLIC KEY-----\n";

fn keys(list: &Value) -> Option<ScannerKeys> {
    ScannerKeys::parse(&json!({ "public_keys": list }).to_string())
}

fn key(pem: &str) -> Value {
    json!({ "key_identifier": IDENTIFIER, "key": pem, "is_current": true })
}

#[test]
fn what_a_scanner_signed_is_taken_and_nothing_else() {
    let keys = keys(&json!([key(KEY)])).expect("GitHub's key");
    let verify = |identifier: &str, signature: &str, body: &str| keys.verify(Some(identifier), Some(signature), body.as_bytes());
    assert_eq!(verify(IDENTIFIER, SIGNED, SAMPLE), Ok(()));
    assert_eq!(verify(IDENTIFIER, SIGNED, &SAMPLE.replace("some_token", "same_token")), Err(Unsigned::Wrong));
    assert_eq!(verify(IDENTIFIER, SIGNED, &format!("{SAMPLE} ")), Err(Unsigned::Wrong));
    assert_eq!(verify(IDENTIFIER, &SIGNED.replace("MEQC", "MEUC"), SAMPLE), Err(Unsigned::Wrong));
    assert_eq!(verify(IDENTIFIER, "", SAMPLE), Err(Unsigned::Wrong));
    assert_eq!(verify(IDENTIFIER, "not base64!", SAMPLE), Err(Unsigned::Malformed));
    assert_eq!(verify(&IDENTIFIER.replace('b', "c"), SIGNED, SAMPLE), Err(Unsigned::UnknownKey));
    assert_eq!(verify("", SIGNED, SAMPLE), Err(Unsigned::UnknownKey));
    assert_eq!(keys.verify(None, Some(SIGNED), SAMPLE.as_bytes()), Err(Unsigned::NotSigned));
    assert_eq!(keys.verify(Some(IDENTIFIER), None, SAMPLE.as_bytes()), Err(Unsigned::NotSigned));
}

#[test]
fn only_lists_of_p256_keys_are_keys() {
    assert!(keys(&json!([key(&KEY.replace('\n', "\r\n")), { "key_identifier": "other", "key": KEY }])).is_some());
    let off_the_curve = KEY.replace("RyW87", "RyW88");
    let ed25519 =
        "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----";
    for wrong in [
        json!([]),
        json!([key(KEY), key(KEY)]),
        json!([{ "key_identifier": "", "key": KEY }]),
        json!([{ "key": KEY }]),
        json!([key(&off_the_curve)]),
        json!([key(ed25519)]),
        json!([key(&KEY.replace("PUBLIC", "PRIVATE"))]),
        json!([key(KEY), key("")]),
        json!("keys"),
    ] {
        assert_eq!(keys(&wrong), None, "{wrong}");
    }
    assert_eq!((ScannerKeys::parse("[]"), ScannerKeys::parse("")), (None, None));
}

#[test]
fn a_report_is_read_and_what_is_wrong_with_it_is_said_without_a_word_of_it() {
    let finds = parse(SAMPLE.as_bytes()).expect("a report");
    let find = &finds[0];
    assert_eq!(
        (find.token.expose_secret(), find.kind.as_deref(), find.source.as_deref()),
        ("some_token", Some("some_type"), Some("commit"))
    );
    let bare = parse(br#"[{"token":"a"},{"token":"b","url":null,"more":[1],"source":"so\nurce","type":""}]"#).expect("a report");
    assert_eq!(bare.iter().map(|f| (f.kind.as_deref(), f.source.as_deref())).collect::<Vec<_>>(), [(None, None), (None, None)]);
    assert_eq!(parse(b"[]").map(|finds| finds.len()), Ok(0));
    let wrong = |body: &str| parse(body.as_bytes()).err().map(|error| error.to_string()).unwrap_or_default();
    let many = format!("[{}{}]", r#"{"token":"a"},"#.repeat(MAX_FINDS), r#"{"token":"a"}"#);
    let said = [
        "",
        r#"[{"token":"hidden}]"#,
        r#"{"token":"hidden"}"#,
        r#"["hidden"]"#,
        r#"[{"token":"a"},{"token":["hidden"]}]"#,
        r#"[{"token":""}]"#,
        r#"[{"url":"hidden"}]"#,
        r#"[{"token":"hidden","url":1}]"#,
        r#"[{"token":"hidden","type":{}}]"#,
        r#"[{"token":"hidden","source":true}]"#,
        &many,
        &"[".repeat(200),
    ]
    .map(wrong)
    .join("\n");
    insta::assert_snapshot!(said, @r#"
    the body is no JSON: see line 1, column 0
    the body is no JSON: see line 1, column 19
    the body must be a list of finds, such as [{"token": "…", "url": "…"}]
    find 0: must be an object with a token
    find 1: token must be a text
    find 0: token is missing
    find 0: token is missing
    find 0: url must be a text
    find 0: type must be a text
    find 0: source must be a text
    at most 1000 finds in one report: send the rest in another
    the body is no JSON: see line 1, column 128
    "#);
    assert!(!said.contains("hidden"));
    assert_eq!(parse(&[0xff]).err().map(|error| error.to_string()).as_deref(), Some("the body is no JSON: see line 1, column 1"));
}

#[test]
fn a_place_is_on_the_web_and_does_not_tell_the_secret() {
    let secret = SecretString::from("ptk_test_0123456789ab_Secret");
    let odd = SecretString::from("own/token+of=32~characters#or?more");
    let place = |url: &str| {
        let body = json!([{ "token": "t", "url": url }]).to_string();
        parse(body.as_bytes()).expect("a report")[0].place(&[&secret, &odd]).unwrap_or_else(|| "-".to_owned())
    };
    let long = |length: usize| format!("https://a.example/{}", "x".repeat(length - 18));
    for (url, shown) in [
        ("https://github.com/o/r/blob/1/a%20b.txt#L7", "https://github.com/o/r/blob/1/a%20b.txt#L7"),
        ("HTTP://A.example:80/ä b\n", "http://a.example/%C3%A4%20b"),
        ("https://me:password@a.example/x", "https://a.example/x"),
        ("https://a.example/?key=ptk_test_0123456789ab_Secret", "https://a.example/"),
        ("https://a.example/PTK_TEST_0123456789AB_SECRET/x", "https://a.example/"),
        ("https://a.example:8443/%70tk_test_0123456789ab_%2553ecret", "https://a.example:8443/"),
        ("https://a.example/own%2Ftoken%2Bof%3D32~characters%23or%3Fmore", "https://a.example/"),
        ("https://me:ptk_test_0123456789ab_Secret@a.example/x", "https://a.example/x"),
        ("https://ptk_test_0123456789ab_Secret.example/x", "-"),
        ("ftp://a.example/x", "-"),
        ("javascript:alert(1)", "-"),
        ("https://", "-"),
        ("/relative", "-"),
        ("", "-"),
    ] {
        assert_eq!(place(url), shown, "{url}");
    }
    assert_eq!((place(&long(2048)), place(&long(2049)).as_str()), (long(2048), "-"));
}

#[test]
fn what_is_done_is_what_the_plan_says_and_no_secret_works_longer_for_it() {
    let at = |hour: i64| DateTime::UNIX_EPOCH + TimeDelta::hours(hour);
    let scope = |name: &str, grant, environments: &[Environment]| PlanScope {
        name: name.to_owned(),
        description: None,
        grant,
        environments: environments.to_vec(),
    };
    let scopes = [
        scope("read", ScopeGrantKind::Default, &Environment::ALL),
        scope("try", ScopeGrantKind::Default, &[Environment::Sandbox]),
        scope("write", ScopeGrantKind::Optional, &Environment::ALL),
        scope("erase", ScopeGrantKind::Restricted, &Environment::ALL),
    ];
    let decided = |action, change: fn(&mut Facts<'_>)| {
        let mut facts = Facts {
            environment: Environment::Production,
            newest: true,
            valid_until: None,
            expires_at: None,
            now: at(10),
            plan: Some((action, &scopes)),
        };
        change(&mut facts);
        decide(facts)
    };
    let narrow = |left: &[&str]| Measure::Narrow { scopes: left.iter().map(|name| (*name).to_owned()).collect() };
    let end = |hour, claimable| Measure::End { at: at(hour), claimable };
    assert_eq!(decided(Notify, |_| ()), Measure::None);
    assert_eq!(decided(Rotate, |f| f.plan = None), Measure::None, "a client made by hand has no plan");
    assert_eq!(decided(Narrow, |_| ()), narrow(&["read"]));
    assert_eq!(decided(Narrow, |f| f.environment = Environment::Sandbox), narrow(&["read", "try"]));
    assert_eq!(decided(Narrow, |f| f.plan = Some((Narrow, &[]))), narrow(&[]));
    assert_eq!(decided(Rotate, |_| ()), end(11, true));
    assert_eq!(decided(Rotate, |f| f.newest = false), end(11, false));
    assert_eq!(decided(Rotate, |f| f.valid_until = Some(f.now + TimeDelta::days(1))), end(11, true));
    let soon = TimeDelta::minutes(20);
    assert_eq!(decided(Rotate, |f| f.valid_until = Some(f.now + TimeDelta::minutes(20))).ends(), Some(at(10) + soon));
    assert_eq!(decided(Rotate, |f| f.expires_at = Some(f.now + TimeDelta::minutes(20))).ends(), Some(at(10) + soon));
    for action in [Notify, Narrow, Rotate] {
        assert_eq!(decided(action, |_| ()).action(), action);
    }
}
