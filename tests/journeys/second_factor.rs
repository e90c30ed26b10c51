//! A second factor: set up, asked for at each sign-in, proven once a code, lost and reset.

use chrono::TimeDelta;
use data_encoding::BASE32_NOPAD;
use domain::rules::totp;
use entities::{
    access_token,
    enums::{AccessLevel, StaffRole},
    recovery_code, second_factor, session,
};
use reqwest::{Response, StatusCode};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};

use crate::{
    app::{Person, TestApp},
    instance::Settings,
    sign_in::{header, session_of},
};

/// A person's app, and what they wrote down.
pub struct Factor {
    secret: Vec<u8>,
    recovery: Vec<String>,
}

const BEGIN: &str = "mutation { beginSecondFactor { uri secret userErrors { code message } } }";
const VIEWER: &str = "{ viewer { user { email } secondFactor { enabled since recoveryCodesLeft required } } }";
const PROVE: &str =
    "SECOND_FACTOR_REQUIRED: prove your second factor first: send a code with proveSecondFactor, or open /auth/second-factor";
const SET_UP: &str = "SECOND_FACTOR_REQUIRED: your staff role needs a second factor here: set one up with beginSecondFactor and confirmSecondFactor; an access token needs one that its session has proven when it was made";

impl TestApp {
    /// Turns it on in this session.
    pub async fn enrol(&self, who: &Person) -> Factor {
        let mut begun = self.data(Some(who), BEGIN, json!({})).await["beginSecondFactor"].take();
        let secret = BASE32_NOPAD.decode(begun["secret"].take().as_str().expect("a secret").as_bytes()).expect("base32");
        let code = totp::code_at(&secret, self.domain().now());
        let done = self.with_code(who, "confirmSecondFactor", &code, "recoveryCodes").await;
        let recovery = serde_json::from_value(done["recoveryCodes"].clone()).expect("codes");
        // The code that was taken is not taken again.
        self.clock.advance(TimeDelta::seconds(30));
        Factor { secret, recovery }
    }

    async fn with_code(&self, who: &Person, field: &str, code: &str, select: &str) -> Value {
        self.mutate_as(Some(who), field, "SecondFactorCodeInput", json!({ "code": code }), select).await
    }

    /// Proves it in this session, which goes on under another token.
    async fn proves(&self, who: &Person, code: &str) -> Person {
        let mut done = self.with_code(who, "proveSecondFactor", code, "sessionToken viewer { activeSession { current } }").await;
        assert_eq!(done["viewer"]["activeSession"]["current"], true);
        let session = done["sessionToken"].take().as_str().expect("a token").to_owned();
        assert_ne!(session, who.session);
        Person { session, ..who.clone() }
    }

    async fn refused_code(&self, who: &Person, field: &str, code: &str) -> String {
        self.refusal(Some(who), field, "SecondFactorCodeInput", json!({ "code": code })).await
    }

    /// Of the app now; a moment later, so that each is new.
    fn code(&self, factor: &Factor) -> String {
        self.clock.advance(TimeDelta::seconds(30));
        totp::code_at(&factor.secret, self.domain().now())
    }

    /// What a query is refused with.
    async fn error(&self, who: &Person, query: &str) -> String {
        let answer = self.graphql(Some(who), query, json!({})).await;
        let error = &answer["errors"][0];
        format!("{}: {}", error["extensions"]["code"].as_str().unwrap_or("fine"), error["message"].as_str().unwrap_or_default())
    }

    async fn post(&self, path: &str, who: &Person, fields: &[(&str, &str)]) -> Response {
        let form = self.http.post(self.url(path)).form(fields).header("cookie", format!("portico_session={}", who.session));
        form.send().await.expect("an answer")
    }

    async fn get(&self, path: &str, who: &Person) -> Response {
        let cookie = format!("portico_session={}", who.session);
        self.http.get(self.url(path)).header("cookie", cookie).send().await.expect("an answer")
    }
}

fn way(response: &Response) -> (StatusCode, String) {
    (response.status(), header(response, "location"))
}

fn wrong(code: &str) -> String {
    code.chars().map(|digit| if digit == '9' { '0' } else { char::from(digit as u8 + 1) }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_sets_it_up_and_proves_it_in_each_session() {
    let app = TestApp::start().await;
    let ada = app.person("ada@acme.example", None).await;
    let before = app.signs_in(&ada).await;
    let begun = app.data(Some(&ada), BEGIN, json!({})).await["beginSecondFactor"].take();
    let uri = begun["uri"].as_str().unwrap();
    let expected = "otpauth://totp/Developer%20portal:ada%40acme.example?secret=";
    assert!(uri.starts_with(expected) && uri.contains(begun["secret"].as_str().unwrap()), "{uri}");
    assert_eq!(app.error(&ada, VIEWER).await, "fine: ", "nothing is asked for until it is confirmed");
    insta::assert_snapshot!(app.refused_code(&ada, "confirmSecondFactor", "000000").await, @"INVALID code: this is not the code that the app shows now: check that the device's clock is right, and try the next one");
    insta::assert_snapshot!(app.refused_code(&ada, "proveSecondFactor", "000000").await, @"WRONG_STATE : you have no second factor: set one up with beginSecondFactor");

    let factor = app.enrol(&ada).await;
    assert_eq!(factor.recovery.len(), 10);
    let seen = app.data(Some(&ada), VIEWER, json!({})).await["viewer"]["secondFactor"].take();
    let expected = json!({ "enabled": true, "since": "2026-01-05T09:00:00+00:00", "recoveryCodesLeft": 10, "required": false });
    assert_eq!(seen, expected);
    insta::assert_snapshot!(app.refusal(Some(&ada), "confirmSecondFactor", "SecondFactorCodeInput", json!({ "code": "000000" })).await, @"ALREADY_DONE : your second factor is confirmed already");
    assert_eq!(app.data(Some(&ada), BEGIN, json!({})).await["beginSecondFactor"]["userErrors"][0]["code"], "WRONG_STATE");

    // A session from before, and one that begins now.
    let now = app.signs_in(&ada).await;
    for session in [&before, &now] {
        for query in [
            VIEWER,
            "{ node(id: \"team_01h2xcejqtf2nbrexx3vqjhp41\") { id } viewer { teams { id } } }",
            "mutation { updateViewer(input: { name: \"A\" }) { user { id } } }",
            "mutation { createAccessToken(input: { name: \"A\" }) { secret } }",
            "mutation { createTeam(input: { name: \"A\" }) { team { id } } }",
            "mutation { revokeOtherSessions { revoked } }",
            BEGIN,
        ] {
            assert_eq!(app.error(session, query).await, PROVE, "{query}");
        }
        assert!(app.refused_code(session, "removeSecondFactor", &app.code(&factor)).await.starts_with("SECOND_FACTOR_REQUIRED"));
        assert!(
            app.refused_code(session, "regenerateRecoveryCodes", &app.code(&factor)).await.starts_with("SECOND_FACTOR_REQUIRED")
        );
        let log = app.get("/audit.jsonl?team=team_01h2xcejqtf2nbrexx3vqjhp41", session).await;
        assert_eq!(log.status(), StatusCode::UNAUTHORIZED);
        assert!(log.text().await.unwrap().starts_with("prove your second factor first"));
    }
    assert_eq!(app.error(&ada, VIEWER).await, "fine: ", "the session that turned it on has proven it");

    let code = app.code(&factor);
    let proven = app.proves(&now, &code).await;
    assert_eq!(app.error(&proven, VIEWER).await, "fine: ");
    let seen = app.data(Some(&now), "{ viewer { user { id } } }", json!({})).await;
    assert_eq!(seen["viewer"], Value::Null, "what was known of the session before opens nothing");
    insta::assert_snapshot!(app.refused_code(&before, "proveSecondFactor", &code).await, @"INVALID code: this code is wrong, too old, or was used: take the one that the app shows now, each works once");
    assert_eq!(app.error(&before, VIEWER).await, PROVE, "a code works once");
    let out = app.data(Some(&before), "mutation { signOut { signedOut } }", json!({})).await;
    assert_eq!(out["signOut"]["signedOut"], true, "whoever cannot prove it may leave");
    assert_eq!(app.data(Some(&before), "{ viewer { user { id } } }", json!({})).await["viewer"], Value::Null);

    let actions: Vec<_> = app.audited().await.into_iter().filter(|action| action.starts_with("second_factor.")).collect();
    assert_eq!(actions, ["second_factor.enabled", "second_factor.proven", "second_factor.failed"]);
    assert_eq!(app.last_audited("second_factor.failed").await.actor_id, Some(ada.id), "the log knows who it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_proves_it_is_kept_in_the_clear() {
    let app = TestApp::start().await;
    let ada = app.person("ada@acme.example", None).await;
    let factor = app.enrol(&ada).await;
    let db = &app.domain().db;
    let row = second_factor::Entity::find_by_id(ada.id).one(db).await.unwrap().unwrap();
    assert!(!row.sealed.contains(&BASE32_NOPAD.encode(&factor.secret)) && row.sealed.len() > 40);
    let codes = recovery_code::Entity::for_user(ada.id).all(db).await.unwrap();
    assert!(codes.len() == 10 && codes.iter().all(|code| code.code_hash.len() == 32 && code.used_at.is_none()));
    let log = format!("{:?}", app.last_audited("second_factor.enabled").await);
    assert!(factor.recovery.iter().all(|code| !log.contains(code)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_code_stands_in_once() {
    let app = TestApp::start().await;
    let ada = app.person("ada@acme.example", None).await;
    let factor = app.enrol(&ada).await;
    let (phone, laptop) = (app.signs_in(&ada).await, app.signs_in(&ada).await);
    let typed = factor.recovery[3].replace('-', " ").to_uppercase();
    let phone = app.proves(&phone, &typed).await;
    insta::assert_snapshot!(app.refused_code(&laptop, "proveSecondFactor", &typed).await, @"INVALID code: this recovery code is wrong or was used: each works once");
    insta::assert_snapshot!(app.refused_code(&laptop, "proveSecondFactor", "my-code").await, @"INVALID code: must be the six digits that the app shows, or a recovery code such as abcd-efgh-2345-6724");
    let left = async || app.data(Some(&phone), VIEWER, json!({})).await["viewer"]["secondFactor"]["recoveryCodesLeft"].take();
    assert_eq!(left().await, 9);
    let told = app.mails().await.into_iter().map(|mail| mail.subject).collect::<Vec<_>>();
    assert!(told.iter().any(|subject| subject.contains("Your second factor is on")), "{told:?}");
    assert!(told.iter().any(|subject| subject.contains("A recovery code of yours was used")), "{told:?}");

    let made = app.with_code(&phone, "regenerateRecoveryCodes", &factor.recovery[4], "recoveryCodes").await;
    let new: Vec<String> = serde_json::from_value(made["recoveryCodes"].clone()).unwrap();
    assert!(new.len() == 10 && new.iter().all(|code| !factor.recovery.contains(code)));
    assert_eq!(left().await, 10);
    assert!(app.refused_code(&laptop, "proveSecondFactor", &factor.recovery[5]).await.starts_with("INVALID"));
    app.proves(&laptop, &new[0]).await;
    assert_eq!(app.last_audited("second_factor.proven").await.changes["by"]["after"], "recovery_code");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_waits_and_the_owner_gets_in_all_the_same() {
    let app = TestApp::start().await;
    let ada = app.person("ada@acme.example", None).await;
    let factor = app.enrol(&ada).await;
    let thief = app.signs_in(&ada).await;
    for _ in 0..5 {
        let guess = wrong(&app.code(&factor));
        assert!(app.refused_code(&thief, "proveSecondFactor", &guess).await.starts_with("INVALID"));
    }
    // The right code is not looked at either: nobody learns by waiting which it was.
    let now = totp::code_at(&factor.secret, app.domain().now());
    insta::assert_snapshot!(app.refused_code(&thief, "proveSecondFactor", &now).await, @"RATE_LIMITED: too many requests: try again in 30 s");
    let owner = app.signs_in(&ada).await;
    assert!(app.refused_code(&owner, "proveSecondFactor", &now).await.starts_with("RATE_LIMITED"), "it is the person's wait");
    app.proves(&owner, &factor.recovery[0]).await;

    // What was right ends the wait; what is wrong ends the session in the end.
    let mut last = String::new();
    for _ in 0..5 {
        last = app.refused_code(&thief, "proveSecondFactor", &wrong(&app.code(&factor))).await;
    }
    insta::assert_snapshot!(last, @"LIMIT_REACHED code: too many wrong codes: this session has ended, sign in again");
    assert_eq!(app.refused_code(&thief, "proveSecondFactor", &app.code(&factor)).await, "UNAUTHENTICATED: sign in first");
    app.clock.advance(TimeDelta::minutes(15));
    let later = app.signs_in(&ada).await;
    app.proves(&later, &app.code(&factor)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_code_sent_twice_at_once_is_taken_once() {
    let app = TestApp::start().await;
    let ada = app.person("ada@acme.example", None).await;
    let factor = app.enrol(&ada).await;
    let mut sessions = Vec::new();
    for _ in 0..4 {
        sessions.push(app.signs_in(&ada).await);
    }
    for code in [app.code(&factor), factor.recovery[0].clone()] {
        let tries = sessions.iter().map(|session| app.refused_code(session, "proveSecondFactor", &code));
        let outcomes = futures_util::future::join_all(tries).await;
        assert_eq!(outcomes.iter().filter(|outcome| *outcome == "fine : ").count(), 1, "{outcomes:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn removing_it_takes_a_proof_and_lets_nobody_in_who_had_none() {
    let app = TestApp::start().await;
    let ada = app.person("ada@acme.example", None).await;
    let factor = app.enrol(&ada).await;
    let (proven, thief) = (app.signs_in(&ada).await, app.signs_in(&ada).await);
    let proven = app.proves(&proven, &app.code(&factor)).await;
    assert!(app.refused_code(&ada, "removeSecondFactor", &wrong(&app.code(&factor))).await.starts_with("INVALID"));
    let made = app.mutate(Some(&ada), "createAccessToken", json!({ "name": "ci" }), "secret").await;
    let token = made["secret"].as_str().unwrap();
    let remove = "mutation($code: String!) { removeSecondFactor(input: { code: $code }) { viewer { user { id } } } }";
    let by_token = app.by_token(token, remove, json!({ "code": app.code(&factor) })).await;
    assert_eq!(by_token["errors"][0]["message"], "this needs a session: an access token may not do it, so sign in");
    let removed = app
        .with_code(&ada, "removeSecondFactor", &app.code(&factor), "viewer { secondFactor { enabled recoveryCodesLeft } }")
        .await;
    assert_eq!(removed["viewer"]["secondFactor"], json!({ "enabled": false, "recoveryCodesLeft": 0 }));
    let is_in = async |who| !app.data(Some(who), "{ viewer { user { id } } }", json!({})).await["viewer"].is_null();
    assert_eq!((is_in(&ada).await, is_in(&proven).await, is_in(&thief).await), (true, true, false));

    // What was proven of it does not count for the next one.
    app.clock.advance(TimeDelta::seconds(1));
    app.enrol(&ada).await;
    assert_eq!((app.error(&ada, VIEWER).await, app.error(&proven, VIEWER).await), ("fine: ".to_owned(), PROVE.to_owned()));
    assert!(app.by_token(token, "{ viewer { user { id } } }", json!({})).await["data"]["viewer"].is_object(), "tokens work on");
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_roles_can_be_made_to_need_one() {
    let app = TestApp::start().await;
    let (owner, editor) = (app.staff(StaffRole::Owner).await, app.staff(StaffRole::Editor).await);
    let (_, team) = app.partner("acme").await;
    let made = app.mutate(Some(&editor), "createAccessToken", json!({ "name": "old" }), "secret").await;
    let old = made["secret"].as_str().unwrap();
    let provider = "{ provider { role settings { staffSecondFactor } } }";
    assert_eq!(app.data(Some(&editor), provider, json!({})).await["provider"]["settings"]["staffSecondFactor"], false);
    let both = app.member(&team, "both@acme.example", AccessLevel::None).await;
    app.mutate(Some(&owner), "setStaffRole", json!({ "email": both.email, "role": "OWNER" }), "member { id }").await;
    let input = json!({ "settings": { "staffSecondFactor": true } });
    app.mutate(Some(&owner), "updatePortal", input.clone(), "portal { name }").await;

    let of_team = format!("{{ team(id: {team}) {{ name auditLog(first: 1) {{ totalCount }} }} }}");
    for who in [&owner, &editor] {
        assert_eq!(app.error(who, provider).await, SET_UP);
        assert_eq!(app.refusal(Some(who), "updatePortal", "UpdatePortalInput", input.clone()).await, SET_UP);
        let seen = app.data(Some(who), VIEWER, json!({})).await["viewer"]["secondFactor"].take();
        assert_eq!((&seen["enabled"], &seen["required"]), (&json!(false), &json!(true)));
        assert_eq!(app.graphql(Some(who), &of_team, json!({})).await["data"]["team"], Value::Null);
    }
    // Who is a member keeps what members have: what only the role would show is not there, and to do it says why.
    let of_team = format!("{{ team(id: {team}) {{ name auditLog {{ totalCount }} requestLog {{ totalCount }} }} }}");
    let seen = app.data(Some(&both), &of_team, json!({})).await["team"].take();
    assert_eq!(seen, json!({ "name": "acme", "auditLog": null, "requestLog": null }));
    let rename = json!({ "teamId": team, "name": "Acme" });
    assert_eq!(app.refusal(Some(&both), "updateTeam", "UpdateTeamInput", rename).await, SET_UP);
    let refused = app.by_token(old, provider, json!({})).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "SECOND_FACTOR_REQUIRED");
    let audit = app.get("/audit.jsonl", &owner).await;
    assert_eq!(audit.status(), StatusCode::UNAUTHORIZED);

    let factor = app.enrol(&editor).await;
    assert_eq!(app.data(Some(&editor), provider, json!({})).await["provider"]["role"], "EDITOR");
    let made = app.mutate(Some(&editor), "createAccessToken", json!({ "name": "new" }), "secret").await;
    let new = made["secret"].as_str().unwrap();
    let role = async |token: &str| app.by_token(token, provider, json!({})).await["data"]["provider"]["role"].take();
    assert_eq!((role(new).await, role(old).await), (json!("EDITOR"), Value::Null));
    let session = app.signs_in(&editor).await;
    assert_eq!(app.error(&session, provider).await, PROVE);
    let session = app.proves(&session, &app.code(&factor)).await;
    assert_eq!(app.data(Some(&session), provider, json!({})).await["provider"]["role"], "EDITOR");
    let tokens = access_token::Entity::find().filter(access_token::Column::SecondFactor.eq(true)).all(&app.domain().db).await;
    assert_eq!(tokens.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_reset_the_factor_of_who_lost_it() {
    let app = TestApp::start().await;
    let (owner, admin) = (app.staff(StaffRole::Owner).await, app.staff(StaffRole::Admin).await);
    let (editor, ada) = (app.staff(StaffRole::Editor).await, app.person("ada@acme.example", None).await);
    let reset = async |by: &Person, whose: &Person| {
        app.refusal(Some(by), "resetSecondFactor", "ResetSecondFactorInput", json!({ "userId": whose.id })).await
    };
    insta::assert_snapshot!(reset(&admin, &ada).await, @"WRONG_STATE userId: this person has no second factor: there is nothing to reset");
    for who in [&owner, &editor, &ada] {
        app.enrol(who).await;
    }
    let half = app.signs_in(&ada).await;
    let made = app.mutate(Some(&ada), "createAccessToken", json!({ "name": "ci" }), "secret").await;
    insta::assert_snapshot!(reset(&editor, &ada).await, @"FORBIDDEN: this needs the staff role ADMIN or OWNER");
    insta::assert_snapshot!(reset(&admin, &owner).await, @"FORBIDDEN: this needs the staff role OWNER");
    insta::assert_snapshot!(reset(&owner, &owner).await, @"WRONG_STATE userId: this is your own: remove it with removeSecondFactor, by a code or a recovery code");
    assert_eq!(reset(&half, &ada).await, PROVE);
    assert_eq!(reset(&admin, &ada).await, "fine : ");
    assert_eq!(reset(&admin, &editor).await, "fine : ");

    let open = session::Entity::for_user(ada.id).filter(session::Column::RevokedAt.is_null()).all(&app.domain().db).await;
    assert!(open.unwrap().is_empty(), "a session that could not prove it is not let in by its end");
    let token = app.by_token(made["secret"].as_str().unwrap(), "{ viewer { user { id } } }", json!({})).await;
    assert!(token["data"]["viewer"].is_object());
    let again = app.signs_in(&ada).await;
    let seen = app.data(Some(&again), VIEWER, json!({})).await["viewer"]["secondFactor"].take();
    assert_eq!((&seen["enabled"], &seen["recoveryCodesLeft"]), (&json!(false), &json!(0)));
    let entry = app.last_audited("second_factor.reset").await;
    assert_eq!((entry.actor_id, entry.subject_id), (Some(admin.id), editor.id.0));
    let told = app.mails().await;
    let subjects: Vec<_> = told.iter().filter(|mail| mail.subject.contains("was reset")).map(|mail| mail.to.as_str()).collect();
    assert_eq!(subjects, ["ada@acme.example", "editor@provider.example"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_resets_an_only_owner() {
    let app = TestApp::start().await;
    let owner = app.staff(StaffRole::Owner).await;
    app.enrol(&owner).await;
    let home = app.stop().await;
    let settings = Settings::new(home.path(), home.database_url());
    let reset = ["staff", "reset-second-factor", "Owner@Provider.example"];
    assert_eq!(settings.print(&reset), "owner@provider.example signs in without a second factor");
    let again = settings.run(&reset);
    let told = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(!again.status.success() && told.contains("this person has no second factor"), "{told}");
    let left = second_factor::Entity::find().all(&home.open().await).await.unwrap();
    assert!(left.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_ask_for_the_code_and_go_on() {
    let app = TestApp::start().await;
    let ada = app.person("ada@acme.example", None).await;
    let factor = app.enrol(&ada).await;
    let ask = "mutation($input: RequestMagicLinkInput!) { requestMagicLink(input: $input) { sent } }";
    app.data(None, ask, json!({ "input": { "email": ada.email, "redirectTo": "/apps?tab=keys" } })).await;
    let pressed = app.press("/auth/magic-link", &[("token", &app.magic_token(&ada.email).await)]).await;
    let page = "/auth/second-factor?redirectTo=%2Fapps%3Ftab%3Dkeys";
    assert_eq!(way(&pressed), (StatusCode::SEE_OTHER, page.to_owned()));
    let browser = session_of(&pressed, &ada.email, &ada);
    let html = app.get(page, &browser).await.text().await.unwrap();
    let field = html.contains("name=\"code\"") && html.contains("name=\"redirectTo\" value=\"&#x2f;apps?tab=keys\"");
    assert!(field && !html.contains("<script"), "{html}");
    assert_eq!(
        header(&app.get("/auth/signed-in", &browser).await, "location"),
        "/auth/second-factor?redirectTo=%2Fauth%2Fsigned-in"
    );

    let guess = wrong(&app.code(&factor));
    let refused = app.post("/auth/second-factor", &browser, &[("code", &guess), ("redirectTo", "/apps?tab=keys")]).await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    let html = refused.text().await.unwrap();
    assert!(html.contains("This code is wrong") && html.contains("tab=keys"), "{html}");
    let code = app.code(&factor);
    let fields = [("code", code.as_str()), ("redirectTo", "/apps?tab=keys")];
    let proven = app.post("/auth/second-factor", &browser, &fields).await;
    assert_eq!(way(&proven), (StatusCode::SEE_OTHER, "/apps?tab=keys".to_owned()));
    assert!(header(&proven, "set-cookie").contains("; Path=/; HttpOnly; SameSite=Lax; Max-Age=259"), "{proven:?}");
    let (stale, browser) = (browser, session_of(&proven, &ada.email, &ada));
    assert_eq!(header(&app.get("/auth/signed-in", &stale).await, "location"), "/auth/sign-in");
    assert_eq!(app.get("/auth/signed-in", &browser).await.status(), StatusCode::OK);
    assert_eq!(way(&app.get(page, &browser).await), (StatusCode::SEE_OTHER, "/apps?tab=keys".to_owned()));

    // It leads nowhere else, and is nobody's who is not signed in.
    let other = app.signs_in(&ada).await;
    let code = app.code(&factor);
    let fields = [("code", code.as_str()), ("redirectTo", "https://evil.example/")];
    assert_eq!(
        way(&app.post("/auth/second-factor", &other, &fields).await),
        (StatusCode::SEE_OTHER, "/auth/signed-in".to_owned())
    );
    assert_eq!(header(&app.press("/auth/second-factor", &[("code", "000000")]).await, "location"), "/auth/sign-in");
    let foreign =
        app.http.post(app.url("/auth/second-factor")).form(&[("code", "000000")]).header("sec-fetch-site", "cross-site");
    assert_eq!(foreign.send().await.unwrap().status(), StatusCode::FORBIDDEN);

    // Too many guesses end the session, and the page says how to go on.
    let thief = app.signs_in(&ada).await;
    let mut last = None;
    for round in 0..10 {
        if round == 5 {
            app.clock.advance(TimeDelta::hours(1));
        }
        app.clock.advance(TimeDelta::minutes(15));
        last = Some(app.post("/auth/second-factor", &thief, &[("code", &wrong(&app.code(&factor)))]).await);
    }
    let html = last.unwrap().text().await.unwrap();
    assert!(html.contains("Sign in again") && html.contains("Mail me a sign-in link"), "{html}");
    assert_eq!(header(&app.get("/auth/signed-in", &thief).await, "location"), "/auth/sign-in");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_waits_until_it_is_proven() {
    let app = TestApp::start().await;
    let ada = app.person("ada@acme.example", None).await;
    let factor = app.enrol(&ada).await;
    let (boss, team) = app.partner("acme").await;
    let input =
        json!({ "teamId": team, "email": ada.email, "access": { "team": "READ", "credentials": "READ", "billing": "NONE" } });
    let invited = app.mutate(Some(&boss), "inviteMember", input, "invitation { id }").await;
    let token = app.invitation_token(&invited["invitation"]["id"]).await;
    let pressed = app.press("/auth/invitation", &[("token", &token)]).await;
    let way_on = format!("/auth/second-factor?redirectTo=%2Fauth%2Finvitation%3Ftoken%3D{token}");
    assert_eq!(way(&pressed), (StatusCode::SEE_OTHER, way_on));
    let browser = session_of(&pressed, &ada.email, &ada);
    let accept = json!({ "token": token });
    let accepted = async |who: &Person| app.refusal(Some(who), "acceptInvitation", "AcceptInvitationInput", accept.clone()).await;
    assert_eq!(accepted(&browser).await, PROVE, "the link has signed in once");
    let back = format!("/auth/invitation?token={token}");
    let proven = app.post("/auth/second-factor", &browser, &[("code", &app.code(&factor)), ("redirectTo", &back)]).await;
    assert_eq!(header(&proven, "location"), back);
    let browser = session_of(&proven, &ada.email, &ada);
    assert!(app.get(&back, &browser).await.text().await.unwrap().contains("Join acme"));
    assert_eq!(way(&app.post("/auth/invitation", &browser, &[("token", &token)]).await).1, "/auth/signed-in");
    let teams = app.data(Some(&browser), "{ viewer { teams { name } } }", json!({})).await;
    assert_eq!(teams["viewer"]["teams"], json!([{ "name": "acme" }]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frontend_asks_for_the_code() {
    let app = TestApp::start().await;
    let ada = app.person("ada@acme.example", None).await;
    let factor = app.enrol(&ada).await;
    app.ask(&ada.email).await;
    let query = "mutation($input: SignInWithMagicLinkInput!) { signInWithMagicLink(input: $input) { secondFactorRequired sessionToken viewer { user { id } } userErrors { code } } }";
    let answer = app.data(None, query, json!({ "input": { "token": app.magic_token(&ada.email).await } })).await;
    let mut payload = answer["signInWithMagicLink"].clone();
    let session = payload["sessionToken"].take();
    assert_eq!(payload, json!({ "secondFactorRequired": true, "sessionToken": null, "viewer": null, "userErrors": [] }));
    let half = Person { session: session.as_str().unwrap().to_owned(), ..ada.clone() };
    let public = app.data(Some(&half), "{ portal { name } products(first: 1) { totalCount } }", json!({})).await;
    assert_eq!(public["portal"]["name"], "Developer portal", "what anybody sees is seen");
    app.proves(&half, &app.code(&factor)).await;
    let plain = app.person("eve@other.example", None).await;
    app.ask(&plain.email).await;
    let answer = app.data(None, query, json!({ "input": { "token": app.magic_token(&plain.email).await } })).await;
    assert_eq!(answer["signInWithMagicLink"]["secondFactorRequired"], false);
}
