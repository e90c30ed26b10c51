//! What a session and an access token are good for, and when they end.

use chrono::TimeDelta;
use entities::{
    audit_event,
    enums::{AccessLevel, StaffRole},
    portal,
};
use reqwest::{Response, StatusCode};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde_json::{Value, json};

use crate::{
    app::{Person, TestApp},
    home::Home,
    instance::Settings,
    sign_in::{header, session_of},
    socket::Socket,
};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0";
const SESSIONS: &str = "{ viewer { sessions { id ip device userAgent lastSeenAt expiresAt current } } }";

impl TestApp {
    /// Presses the button of a new sign-in link in a browser that has this session, or none.
    async fn press_link(&self, email: &str, before: Option<&Person>) -> Response {
        self.ask(email).await;
        let token = self.magic_token(email).await;
        let form = self.http.post(self.url("/auth/magic-link")).form(&[("token", &token)]);
        self.in_browser(form, before).send().await.expect("an answer")
    }

    fn in_browser(&self, request: reqwest::RequestBuilder, who: Option<&Person>) -> reqwest::RequestBuilder {
        match who {
            Some(who) => request.header("cookie", format!("portico_session={}", who.session)),
            None => request,
        }
    }

    /// In one more browser.
    pub async fn signs_in(&self, who: &Person) -> Person {
        session_of(&self.press_link(&who.email, None).await, &who.email, who)
    }

    async fn is_in(&self, who: &Person) -> bool {
        !self.data(Some(who), "{ viewer { user { id } } }", json!({})).await["viewer"].is_null()
    }

    /// With an access token.
    pub async fn by_token(&self, token: &str, query: &str, variables: Value) -> Value {
        let ask =
            self.http.post(self.url("/graphql")).bearer_auth(token).json(&json!({ "query": query, "variables": variables }));
        ask.send().await.expect("an answer").json().await.expect("JSON")
    }

    /// What the audit log's last row of this action says.
    pub async fn last_audited(&self, action: &str) -> audit_event::Model {
        let rows = audit_event::Entity::find().filter(audit_event::Column::Action.eq(action));
        let last = rows.order_by_desc(audit_event::Column::Id).one(&self.domain().db).await;
        last.expect("the audit log").expect(action)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_shows_the_device_and_the_place_of_its_last_use() {
    let app = TestApp::start_with(|config| config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()]).await;
    let ada = app.person("ada@acme.example", None).await;
    let seen = async |address: &str, agent: &str| {
        let request = app.http.post(app.url("/graphql")).header("x-forwarded-for", address).header("user-agent", agent);
        let answer = app.in_browser(request.json(&json!({ "query": SESSIONS })), Some(&ada)).send().await.unwrap();
        answer.json::<Value>().await.unwrap()["data"]["viewer"]["sessions"][0].take()
    };
    let first = seen("203.0.113.9", FIREFOX).await;
    assert_eq!((&first["ip"], &first["device"]), (&Value::Null, &Value::Null), "within the minute nothing is written");
    for (address, agent, device) in [
        ("203.0.113.9", FIREFOX, json!("Firefox on Linux")),
        ("198.51.100.7", "curl/8.15.0", json!("curl")),
        ("::1", "x", json!(null)),
    ] {
        app.clock.advance(TimeDelta::minutes(1));
        // Written beside the request that was seen: a later one shows it.
        let mut last = seen(address, agent).await;
        for _ in 0..1000 {
            if last["ip"] == address {
                break;
            }
            last = seen(address, agent).await;
        }
        assert_eq!((&last["ip"], &last["userAgent"], &last["device"]), (&json!(address), &json!(agent), &device));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_end_all_sessions_of_a_person() {
    let app = TestApp::start().await;
    let (owner, admin, editor) =
        (app.staff(StaffRole::Owner).await, app.staff(StaffRole::Admin).await, app.staff(StaffRole::Editor).await);
    let lost = app.person("ada@acme.example", None).await;
    let phone = app.signs_in(&lost).await;
    let made = app.mutate(Some(&lost), "createAccessToken", json!({ "name": "ci" }), "secret").await;
    let token = made["secret"].as_str().expect("a token").to_owned();
    let by_token = async || {
        let request =
            app.http.post(app.url("/graphql")).bearer_auth(&token).json(&json!({ "query": "{ viewer { user { id } } }" }));
        request.send().await.unwrap().json::<Value>().await.unwrap()["data"]["viewer"].is_object()
    };
    let end = async |by: &Person, whose: &Person| {
        let input = json!({ "userId": whose.id });
        app.refusal(Some(by), "revokeAllSessions", "RevokeAllSessionsInput", input).await
    };
    insta::assert_snapshot!(end(&editor, &lost).await, @"FORBIDDEN: this needs the staff role ADMIN or OWNER");
    insta::assert_snapshot!(end(&phone, &lost).await, @"FORBIDDEN: this needs the staff role ADMIN or OWNER");
    insta::assert_snapshot!(end(&admin, &owner).await, @"FORBIDDEN: this needs the staff role OWNER");
    let mut socket = Socket::open(&app, Some(&phone)).await;
    let select = "revoked accessTokensRevoked user { email }";
    let input = json!({ "userId": lost.id });
    let done = app.mutate(Some(&admin), "revokeAllSessions", input.clone(), select).await;
    assert_eq!((&done["revoked"], &done["accessTokensRevoked"]), (&json!(2), &json!(0)));
    assert_eq!(
        [app.is_in(&lost).await, app.is_in(&phone).await, by_token().await, app.is_in(&admin).await],
        [false, false, true, true]
    );
    assert_eq!(socket.closed().await, 4403, "what they opened ends too, also where it asks for nothing");
    let event = app.last_audited("session.all_revoked").await;
    assert_eq!((&event.changes["revoked"]["after"], event.subject_id), (&json!(2), lost.id.0));

    let before = app.audited().await.len();
    assert_eq!(app.mutate(Some(&admin), "revokeAllSessions", input, select).await["revoked"], 0);
    assert_eq!(app.audited().await.len(), before, "nothing was there to end");
    let both = json!({ "userId": lost.id, "accessTokens": true });
    assert_eq!(app.mutate(Some(&owner), "revokeAllSessions", both, select).await["accessTokensRevoked"], 1);
    assert!(!by_token().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_other_sessions_end_at_once() {
    let app = TestApp::start().await;
    let lost = app.person("ada@acme.example", None).await;
    let eve = app.person("eve@other.example", None).await;
    let (phone, laptop) = (app.signs_in(&lost).await, app.signs_in(&lost).await);
    let others = "mutation { revokeOtherSessions { revoked viewer { sessions { current } } userErrors { code } } }";
    let done = app.data(Some(&laptop), others, json!({})).await;
    let expected = json!({ "revoked": 2, "viewer": { "sessions": [{ "current": true }] }, "userErrors": [] });
    assert_eq!(done["revokeOtherSessions"], expected);
    let mut left = Vec::new();
    for who in [&lost, &phone, &laptop, &eve] {
        left.push(app.is_in(who).await);
    }
    assert_eq!(left, [false, false, true, true]);
    assert_eq!(app.last_audited("session.others_revoked").await.changes["revoked"]["after"], 2);

    let before = app.audited().await.len();
    assert_eq!(app.data(Some(&laptop), others, json!({})).await["revokeOtherSessions"]["revoked"], 0);
    assert_eq!(app.audited().await.len(), before);
    let nobody = app.graphql(None, others, json!({})).await;
    assert_eq!(nobody["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_lies_unused_ends_and_one_in_use_does_not() {
    let app = TestApp::start().await;
    let (ada, eve) = (app.person("ada@acme.example", None).await, app.person("eve@other.example", None).await);
    let admin = app.staff(StaffRole::Admin).await;
    let ends = async || app.data(Some(&ada), SESSIONS, json!({})).await["viewer"]["sessions"][0]["expiresAt"].take();
    assert_eq!(ends().await, "2026-02-04T09:00:00+00:00");
    let set = async |hours: Value| {
        app.refusal(Some(&admin), "updatePortal", "UpdatePortalInput", json!({ "settings": { "sessionIdleHours": hours } })).await
    };
    assert_eq!(set(json!(0)).await, "INVALID settings.sessionIdleHours: must be from 1 to 8784, or null");
    assert_eq!(set(json!(8785)).await, "INVALID settings.sessionIdleHours: must be from 1 to 8784, or null");
    assert_eq!(set(json!(72)).await, "fine : ");
    let settings = app.data(Some(&admin), "{ provider { settings { sessionIdleHours } } }", json!({})).await;
    assert_eq!(settings["provider"]["settings"]["sessionIdleHours"], 72);
    assert_eq!(ends().await, "2026-01-08T09:01:00+00:00");

    // A use may be a minute later than its mark: the last moment is that much later.
    app.clock.advance(TimeDelta::hours(72) + TimeDelta::seconds(59));
    let before = ends().await;
    let mut after = ends().await;
    for _ in 0..1000 {
        if after != before {
            break;
        }
        after = ends().await;
    }
    assert_eq!(after, "2026-01-11T09:01:59+00:00");
    app.clock.advance(TimeDelta::seconds(1));
    assert_eq!((app.is_in(&ada).await, app.is_in(&eve).await), (true, false));
    app.clock.advance(TimeDelta::hours(73));
    assert!(!app.is_in(&ada).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_portal_ends_sessions_after_three_days_unused() {
    let home = Home::new().await;
    Settings::new(home.path(), home.database_url()).print(&["migrate"]);
    let row = portal::Entity::find_by_id(1).one(&home.open().await).await.unwrap().unwrap();
    assert_eq!((row.session_hours, row.session_idle_hours, row.staff_second_factor), (720, Some(72), false));
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_ends_the_session_that_the_browser_had() {
    let app = TestApp::start().await;
    let (ada, eve) = (app.person("ada@acme.example", None).await, app.person("eve@other.example", None).await);
    let elsewhere = app.signs_in(&ada).await;

    // By the page, as oneself.
    let second = session_of(&app.press_link(&ada.email, Some(&ada)).await, &ada.email, &ada);
    assert_eq!((app.is_in(&ada).await, app.is_in(&second).await, app.is_in(&elsewhere).await), (false, true, true));
    assert!(app.last_audited("session.signed_in").await.changes["replacedSession"]["after"].is_string());

    // Over GraphQL, as somebody else.
    app.ask(&eve.email).await;
    let input = json!({ "input": { "token": app.magic_token(&eve.email).await } });
    let query = "mutation($input: SignInWithMagicLinkInput!) { signInWithMagicLink(input: $input) { viewer { user { email } activeSession { current } } } }";
    let request = app.http.post(app.url("/graphql")).json(&json!({ "query": query, "variables": input }));
    let answer = app.in_browser(request, Some(&second)).send().await.unwrap();
    let third = session_of(&answer, &eve.email, &eve);
    let expected = json!({ "user": { "email": "eve@other.example" }, "activeSession": { "current": true } });
    assert_eq!(answer.json::<Value>().await.unwrap()["data"]["signInWithMagicLink"]["viewer"], expected);
    assert_eq!((app.is_in(&second).await, app.is_in(&third).await, app.is_in(&eve).await), (false, true, true));

    // By an invitation, as the invited.
    let (boss, team) = app.partner("acme").await;
    let input = json!({ "teamId": team, "email": "new@acme.example", "access": { "team": "READ", "credentials": "READ", "billing": "NONE" } });
    let invited = app.mutate(Some(&boss), "inviteMember", input, "invitation { id }").await;
    let token = app.invitation_token(&invited["invitation"]["id"]).await;
    let form = app.http.post(app.url("/auth/invitation")).form(&[("token", token.as_str()), ("switch", "yes")]);
    let joined = app.in_browser(form, Some(&third)).send().await.unwrap();
    assert_eq!(joined.status(), StatusCode::SEE_OTHER);
    let fourth = session_of(&joined, "new@acme.example", &boss);
    assert_eq!((app.is_in(&third).await, app.is_in(&fourth).await), (false, true));

    // A link that does not sign in ends nothing.
    let wrong = app.http.post(app.url("/auth/magic-link")).form(&[("token", "wrong")]);
    app.in_browser(wrong, Some(&fourth)).send().await.unwrap();
    assert!(app.is_in(&fourth).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn cookies_are_for_the_browser_alone_and_secure_where_the_portal_is() {
    // The listener speaks plain HTTP each time: with https before it, a proxy ends TLS.
    for (base_url, secure) in [(None, false), (Some("http://portal.example"), false), (Some("https://portal.example"), true)] {
        let app = TestApp::start_with(|config| config.base_url = base_url.map(|url| url.parse().unwrap())).await;
        let ada = app.person("ada@acme.example", None).await;
        let page = app.press_link(&ada.email, None).await;
        let browser = session_of(&page, &ada.email, &ada);
        app.ask(&ada.email).await;
        let token = app.magic_token(&ada.email).await;
        let query = format!("mutation {{ signInWithMagicLink(input: {{ token: \"{token}\" }}) {{ redirectTo }} }}");
        let graphql = app.http.post(app.url("/graphql")).json(&json!({ "query": query })).send().await.unwrap();
        let out = app.in_browser(app.http.post(app.url("/auth/sign-out")), Some(&browser)).send().await.unwrap();
        for (answer, life) in [(page, "2592000"), (graphql, "2592000"), (out, "0")] {
            let cookie = header(&answer, "set-cookie");
            let flags = cookie.split_once("; ").unwrap().1;
            let end = if secure { "; Secure" } else { "" };
            assert_eq!(flags, format!("Path=/; HttpOnly; SameSite=Lax; Max-Age={life}{end}"), "{base_url:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_token_decides_about_no_session_and_no_other_token() {
    let app = TestApp::start().await;
    let ada = app.person("ada@acme.example", None).await;
    let make = async |name: &str| {
        app.mutate(Some(&ada), "createAccessToken", json!({ "name": name, "expiresInDays": 1 }), "secret accessToken { id }")
            .await
    };
    let (own, other) = (make("own").await, make("other").await);
    let secret = own["secret"].as_str().unwrap();
    let refused = async |call: String| {
        let answer = app.by_token(secret, &format!("mutation {{ {call} }}"), json!({})).await;
        let error = &answer["errors"][0];
        format!("{} {}", error["extensions"]["code"].as_str().unwrap_or("fine"), error["message"].as_str().unwrap_or_default())
    };
    let session = app.data(Some(&ada), SESSIONS, json!({})).await["viewer"]["sessions"][0]["id"].take();
    let needs = "FORBIDDEN this needs a session: an access token may not do it, so sign in";
    for call in [
        "createAccessToken(input: { name: \"longer\" }) { secret }".to_owned(),
        format!("revokeSession(input: {{ sessionId: {session} }}) {{ viewer {{ user {{ id }} }} }}"),
        "revokeOtherSessions { revoked }".to_owned(),
        format!("revokeAccessToken(input: {{ id: {} }}) {{ viewer {{ user {{ id }} }} }}", other["accessToken"]["id"]),
    ] {
        assert_eq!(refused(call.clone()).await, needs, "{call}");
    }
    let itself = format!("revokeAccessToken(input: {{ id: {} }}) {{ userErrors {{ code }} }}", own["accessToken"]["id"]);
    assert_eq!(refused(itself).await, "fine ");
    let viewer = "{ viewer { user { id } } }";
    assert!(app.by_token(secret, viewer, json!({})).await["data"]["viewer"].is_null());
    let other = other["secret"].as_str().unwrap();
    assert!(app.by_token(other, viewer, json!({})).await["data"]["viewer"].is_object());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_token_may_what_its_owner_may_at_that_moment() {
    let app = TestApp::start().await;
    let owner = app.staff(StaffRole::Owner).await;
    let (boss, team) = app.partner("acme").await;
    let member = app.member(&team, "ops@acme.example", AccessLevel::Full).await;
    let made = app.mutate(Some(&member), "createAccessToken", json!({ "name": "ci" }), "secret").await;
    let secret = made["secret"].as_str().unwrap();
    let seen = async || {
        let query = "query($id: ID!) { team(id: $id) { name viewerAccess { credentials } } provider { role } }";
        app.by_token(secret, query, json!({ "id": team })).await["data"].take()
    };
    assert_eq!(seen().await["team"]["viewerAccess"]["credentials"], "FULL");
    let input = json!({ "teamId": team, "userId": user_id(&app, &member).await, "access": { "team": "READ", "credentials": "READ", "billing": "NONE" } });
    app.mutate(Some(&boss), "setMemberAccess", input, "team { id }").await;
    assert_eq!(seen().await["team"]["viewerAccess"]["credentials"], "READ");
    app.mutate(Some(&boss), "removeMember", json!({ "teamId": team, "userId": user_id(&app, &member).await }), "team { id }")
        .await;
    assert_eq!(seen().await, json!({ "team": null, "provider": null }));
    for (role, expected) in [(json!("EDITOR"), json!({ "role": "EDITOR" })), (Value::Null, Value::Null)] {
        app.mutate_as(
            Some(&owner),
            "setStaffRole",
            "SetStaffRoleInput",
            json!({ "email": member.email, "role": role }),
            "member { role }",
        )
        .await;
        assert_eq!(seen().await["provider"], expected);
    }
}

async fn user_id(app: &TestApp, who: &Person) -> Value {
    app.data(Some(who), "{ viewer { user { id } } }", json!({})).await["viewer"]["user"]["id"].take()
}
