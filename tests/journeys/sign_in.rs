//! Signing in by mail, sessions, access tokens.

use chrono::TimeDelta;
use entities::{
    audit_event, authorized_email, client,
    enums::{AccessLevel, JobState, StaffRole},
    magic_link, outbox_job,
};
use reqwest::{Method, Response, StatusCode};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};
use serde_json::{Value, json};

use crate::app::{Person, TestApp};

pub const ASK: &str = "mutation($input: RequestMagicLinkInput!) {
    requestMagicLink(input: $input) { sent userErrors { code message path } }
}";
pub const REDEEM: &str = "mutation($input: SignInWithMagicLinkInput!) {
    signInWithMagicLink(input: $input) { sessionToken redirectTo viewer { user { email name } activeSession { current method } } userErrors { code message } }
}";

impl TestApp {
    pub async fn ask(&self, email: &str) -> Value {
        self.data(None, ASK, json!({ "input": { "email": email } })).await["requestMagicLink"].take()
    }

    async fn open(&self, method: Method, path: &str, token: &str) -> Response {
        let url = self.url(&format!("{path}?token={token}"));
        self.http.request(method, url).send().await.expect("an answer")
    }

    pub async fn press(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        self.http.post(self.url(path)).form(fields).send().await.expect("an answer")
    }

    /// The code of the refusal, or `fine`.
    pub async fn redeem(&self, token: &str) -> String {
        let answer = self.data(None, REDEEM, json!({ "input": { "token": token } })).await;
        let code = &answer["signInWithMagicLink"]["userErrors"][0]["code"];
        code.as_str().unwrap_or("fine").to_owned()
    }

    pub async fn links(&self) -> u64 {
        magic_link::Entity::find().count(&self.domain().db).await.expect("links")
    }

    /// Actions in the audit log, oldest first, with why a sign-in failed.
    pub async fn audited(&self) -> Vec<String> {
        let rows = audit_event::Entity::find().order_by_asc(audit_event::Column::Id).all(&self.domain().db).await;
        let told = |row: audit_event::Model| match row.changes["reason"]["after"].as_str() {
            Some(reason) => format!("{} ({reason})", row.action),
            None => row.action,
        };
        rows.expect("the audit log").into_iter().map(told).collect()
    }
}

pub fn header(response: &Response, name: &str) -> String {
    response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("-").to_owned()
}

/// The session that an answer's cookie carries.
pub fn session_of(response: &Response, email: &str, like: &Person) -> Person {
    let cookie = header(response, "set-cookie");
    let token = cookie.split_once("portico_session=").and_then(|(_, rest)| rest.split(';').next()).expect("a session");
    Person { id: like.id, email: email.to_owned(), session: token.to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_from_their_mailbox() {
    let app = TestApp::start().await;
    let ada = app.person("ada@acme.example", None).await;
    let input = json!({ "input": { "email": " Ada@Acme.example", "redirectTo": "/apps?tab=keys" } });
    let asked = app.data(None, ASK, input).await;
    assert_eq!(asked["requestMagicLink"], json!({ "sent": true, "userErrors": [] }));

    let token = app.magic_token(&ada.email).await;
    for method in [Method::GET, Method::HEAD].into_iter().cycle().take(30) {
        let page = app.open(method.clone(), "/auth/magic-link", &token).await;
        assert_eq!(page.status(), StatusCode::OK);
        if method == Method::GET {
            let guards = ["referrer-policy", "cache-control", "x-content-type-options"].map(|name| header(&page, name));
            assert_eq!(guards, ["no-referrer", "no-store", "nosniff"]);
            assert!(header(&page, "content-security-policy").starts_with("default-src 'none'; style-src 'self'; "));
            let html = page.text().await.unwrap();
            assert!(html.contains("You are about to sign in as ada@acme.example") && !html.contains("<script"), "{html}");
        }
    }

    let done = app.press("/auth/magic-link", &[("token", &token)]).await;
    assert_eq!((done.status(), header(&done, "location")), (StatusCode::SEE_OTHER, "/apps?tab=keys".to_owned()));
    let cookie = header(&done, "set-cookie");
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=2592000"), "{cookie}");
    let browser = session_of(&done, &ada.email, &ada);
    let seen = app.data(Some(&browser), "{ viewer { user { email name } sessions { current } staffRole } }", json!({})).await;
    insta::assert_json_snapshot!(seen["viewer"], @r#"
    {
      "user": {
        "email": "ada@acme.example",
        "name": "ada"
      },
      "sessions": [
        {
          "current": true
        },
        {
          "current": false
        }
      ],
      "staffRole": null
    }
    "#);

    let again = app.press("/auth/magic-link", &[("token", &token)]).await;
    assert_eq!((again.status(), header(&again, "set-cookie")), (StatusCode::GONE, "-".to_owned()));
    let html = again.text().await.unwrap();
    assert!(html.contains("This link was used") && html.contains("Mail me a sign-in link"), "{html}");
    assert_eq!(app.audited().await, ["session.signed_in", "session.sign_in_failed (used)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_page_leads_to_the_sign_in_and_from_there_to_the_explorer() {
    let app = TestApp::start().await;
    let dev = app.person("dev@acme.example", None).await;
    let leads = async |app: &TestApp, who: Option<&Person>| {
        let mut asked = app.http.get(app.url("/"));
        if let Some(person) = who {
            asked = asked.header("cookie", format!("portico_session={}", person.session));
        }
        let answer = asked.send().await.expect("an answer");
        (answer.status().as_u16(), header(&answer, "location"))
    };
    assert_eq!(leads(&app, None).await, (303, "/auth/sign-in".to_owned()));
    assert_eq!(leads(&app, Some(&dev)).await, (303, "/graphql".to_owned()));
    let plain = TestApp::start_with(|config| config.graphiql = false).await;
    let dev = plain.person("dev@acme.example", None).await;
    assert_eq!(leads(&plain, Some(&dev)).await, (303, "/auth/signed-in".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frontend_signs_a_person_in_over_graphql() {
    let app = TestApp::start_with(|config| config.base_url = Some("https://portal.example".parse().unwrap())).await;
    let ada = app.person("ada@acme.example", None).await;
    app.ask(&ada.email).await;
    let token = app.magic_token(&ada.email).await;
    let body = json!({ "query": REDEEM, "variables": { "input": { "token": token } } });
    let answer = app.http.post(app.url("/graphql")).json(&body).send().await.unwrap();
    let browser = session_of(&answer, &ada.email, &ada);
    assert!(header(&answer, "set-cookie").ends_with("; Secure"));
    let mut answer: Value = answer.json().await.unwrap();
    let mut payload = answer["data"]["signInWithMagicLink"].take();
    assert_eq!(payload["sessionToken"].take(), browser.session);
    insta::assert_json_snapshot!(payload, @r#"
    {
      "sessionToken": null,
      "redirectTo": null,
      "viewer": {
        "user": {
          "email": "ada@acme.example",
          "name": "ada"
        },
        "activeSession": {
          "current": true,
          "method": "MAGIC_LINK"
        }
      },
      "userErrors": []
    }
    "#);
    let bearer = app
        .http
        .post(app.url("/graphql"))
        .bearer_auth(&browser.session)
        .json(&json!({ "query": "{ viewer { user { email } } }" }));
    let seen: Value = bearer.send().await.unwrap().json().await.unwrap();
    assert_eq!(seen["data"]["viewer"]["user"]["email"], "ada@acme.example");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_press_at_once_one_wins() {
    let app = TestApp::start().await;
    let ada = app.person("ada@acme.example", None).await;
    app.ask(&ada.email).await;
    let token = app.magic_token(&ada.email).await;
    let fields = [("token", token.as_str())];
    let presses = futures_util::future::join_all((0..50).map(|_| app.press("/auth/magic-link", &fields))).await;
    let with = |status| presses.iter().filter(|response| response.status() == status).count();
    assert_eq!(with(StatusCode::SEE_OTHER), 1);
    assert_eq!(with(StatusCode::GONE) + with(StatusCode::TOO_MANY_REQUESTS), 49);
    let signed_in = app.audited().await.iter().filter(|action| *action == "session.signed_in").count();
    assert_eq!(signed_in, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn links_that_are_old_older_or_changed_do_not_sign_in() {
    let app = TestApp::start().await;
    let ada = app.person("ada@acme.example", None).await;
    app.ask(&ada.email).await;
    let first = app.magic_token(&ada.email).await;
    app.clock.advance(TimeDelta::minutes(1));
    app.ask(&ada.email).await;
    let second = app.magic_token(&ada.email).await;
    let mut tampered = second.clone();
    tampered.replace_range(30..31, if &second[30..31] == "A" { "B" } else { "A" });
    for wrong in ["", "x", &tampered, &second[1..], &format!("{second}A"), "ünïcode"] {
        assert_eq!(app.redeem(wrong).await, "INVALID", "{wrong}");
    }
    app.clock.advance(TimeDelta::minutes(9));
    assert_eq!(app.redeem(&first).await, "EXPIRED");
    assert_eq!(app.redeem(&second).await, "fine");
    assert_eq!(app.redeem(&second).await, "ALREADY_DONE");

    app.ask(&ada.email).await;
    let older = app.magic_token(&ada.email).await;
    app.ask(&ada.email).await;
    assert_eq!(app.redeem(&app.magic_token(&ada.email).await).await, "fine");
    assert_eq!(app.redeem(&older).await, "ALREADY_DONE");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_learns_which_addresses_are_known() {
    let app = TestApp::start().await;
    let ada = app.person("ada@acme.example", None).await;
    let mut answers = Vec::new();
    for email in [ada.email.as_str(), "nobody@acme.example"] {
        let body = json!({ "query": ASK, "variables": { "input": { "email": email } } });
        let answer = app.http.post(app.url("/graphql")).json(&body).send().await.unwrap();
        let form = app.press("/auth/sign-in", &[("email", email)]).await;
        let mut names: Vec<_> = answer.headers().keys().chain(form.headers().keys()).map(ToString::to_string).collect();
        names.sort();
        let styles =
            |html: String| html.split("nonce=\"").map(|part| part[part.find('"').unwrap_or(0)..].to_owned()).collect::<String>();
        answers.push((answer.status(), form.status(), names, answer.text().await.unwrap(), styles(form.text().await.unwrap())));
    }
    assert_eq!(answers[0], answers[1]);
    // The same work, too: the job decides about the mail.
    let jobs = outbox_job::Entity::find().filter(outbox_job::Column::State.eq(JobState::Ready));
    assert_eq!((app.links().await, jobs.count(&app.domain().db).await.unwrap()), (4, 4));
    assert_eq!(app.redeem(&app.magic_token("nobody@acme.example").await).await, "WRONG_STATE");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_request_is_said() {
    let app = TestApp::start_with(|config| config.allowed_origins = vec!["https://apps.example".to_owned()]).await;
    let ask = async |email: &str, to: &str| {
        let input = json!({ "email": email, "redirectTo": to });
        app.refusal(None, "requestMagicLink", "RequestMagicLinkInput", input).await
    };
    assert_eq!(ask("ada@acme.example", "https://apps.example/in").await, "fine : ");
    insta::assert_snapshot!(ask("ada", "/").await, @"INVALID email: must be a mail address such as ada@example.com");
    insta::assert_snapshot!(ask("ada@acme.example", "//evil.example").await, @"INVALID redirectTo: must be a path such as /apps, or an address within an origin that PORTICO_ALLOWED_ORIGINS names");
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_of_other_sites_do_nothing() {
    let app = TestApp::start().await;
    let ada = app.person("ada@acme.example", None).await;
    app.ask(&ada.email).await;
    let token = app.magic_token(&ada.email).await;
    let press = async |name: &str, value: &str| {
        let form = app.http.post(app.url("/auth/magic-link")).form(&[("token", &token)]).header(name, value);
        form.send().await.unwrap().status()
    };
    assert_eq!(press("origin", "https://evil.example").await, StatusCode::FORBIDDEN);
    assert_eq!(press("sec-fetch-site", "cross-site").await, StatusCode::FORBIDDEN);
    assert_eq!(press("origin", &app.url("")).await, StatusCode::SEE_OTHER);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_listed_end_by_time_and_can_be_ended_at_once() {
    let app = TestApp::start().await;
    let phone = app.person("ada@acme.example", None).await;
    let eve = app.person("eve@other.example", None).await;
    app.ask(&phone.email).await;
    let done = app.press("/auth/magic-link", &[("token", &app.magic_token(&phone.email).await)]).await;
    let laptop = session_of(&done, &phone.email, &phone);
    let list = "{ viewer { sessions { id current } activeSession { id } } }";
    let sessions = app.data(Some(&laptop), list, json!({})).await["viewer"].take();
    assert_eq!(sessions["sessions"].as_array().unwrap().len(), 2);
    assert_eq!((&sessions["sessions"][0]["current"], &sessions["sessions"][1]["current"]), (&json!(true), &json!(false)));
    let (own, lost) = (sessions["sessions"][0]["id"].clone(), sessions["sessions"][1]["id"].clone());

    let refused = app.refusal(Some(&eve), "revokeSession", "RevokeSessionInput", json!({ "sessionId": lost })).await;
    assert_eq!(refused, "NOT_FOUND: no such session");
    let node = app.data(Some(&eve), "query($id: ID!) { node(id: $id) { id } }", json!({ "id": own })).await;
    assert_eq!(node["node"], Value::Null);
    app.mutate(Some(&laptop), "revokeSession", json!({ "sessionId": lost }), "viewer { user { name } }").await;
    let viewer = async |who| app.data(Some(who), "{ viewer { user { name } } }", json!({})).await["viewer"].is_null();
    assert_eq!((viewer(&phone).await, viewer(&laptop).await), (true, false));

    let out = "mutation { signOut { signedOut } }";
    assert_eq!(app.data(Some(&laptop), out, json!({})).await["signOut"]["signedOut"], true);
    assert!(viewer(&laptop).await);
    assert_eq!(app.data(Some(&laptop), out, json!({})).await["signOut"]["signedOut"], false);
    app.clock.advance(TimeDelta::hours(720));
    assert!(viewer(&eve).await);
    assert_eq!(app.audited().await, ["session.signed_in", "session.revoked", "session.signed_out"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_says_when_it_was_last_seen() {
    let app = TestApp::start().await;
    let ada = app.person("ada@acme.example", None).await;
    let seen = async || {
        let answer = app.data(Some(&ada), "{ viewer { activeSession { lastSeenAt } } }", json!({})).await;
        answer["viewer"]["activeSession"]["lastSeenAt"].as_str().unwrap_or_default().to_owned()
    };
    let first = seen().await;
    app.clock.advance(TimeDelta::seconds(59));
    assert_eq!((seen().await, seen().await), (first.clone(), first.clone()));
    app.clock.advance(TimeDelta::seconds(1));
    // Written beside the request that was seen: a later one shows it.
    let mut later = seen().await;
    for _ in 0..1000 {
        if later != first {
            break;
        }
        later = seen().await;
    }
    assert_eq!(later, "2026-01-05T09:01:00+00:00");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_token_works_until_it_is_revoked() {
    let app = TestApp::start().await;
    let ada = app.person("ada@acme.example", None).await;
    let input = json!({ "name": "ci", "expiresInDays": 7 });
    let made = app.mutate(Some(&ada), "createAccessToken", input, "secret accessToken { id name prefix expiresAt }").await;
    let secret = made["secret"].as_str().unwrap().to_owned();
    assert_eq!(made["accessToken"]["expiresAt"], "2026-01-12T09:00:00+00:00");
    assert!(secret.starts_with(made["accessToken"]["prefix"].as_str().unwrap()) && secret.len() == 53);
    let works = async |secret: &str| {
        let ask =
            app.http.post(app.url("/graphql")).bearer_auth(secret).json(&json!({ "query": "{ viewer { user { email } } }" }));
        let answer: Value = ask.send().await.unwrap().json().await.unwrap();
        !answer["data"]["viewer"].is_null()
    };
    assert!(works(&secret).await);
    assert!(!works(&format!("{}x", &secret[..52])).await);
    let query = "{ viewer { accessTokens { id name } } }";
    let listed = app.data(Some(&ada), query, json!({})).await;
    assert_eq!(listed["viewer"]["accessTokens"], json!([{ "id": made["accessToken"]["id"], "name": "ci" }]));

    let eve = app.person("eve@other.example", None).await;
    let id = json!({ "id": made["accessToken"]["id"] });
    let refused = app.refusal(Some(&eve), "revokeAccessToken", "RevokeAccessTokenInput", id.clone()).await;
    assert_eq!(refused, "NOT_FOUND: no such access token");
    app.mutate(Some(&ada), "revokeAccessToken", id, "viewer { accessTokens { id } }").await;
    assert!(!works(&secret).await);
    let other = app.mutate(Some(&ada), "createAccessToken", json!({ "name": "short", "expiresInDays": 1 }), "secret").await;
    app.clock.advance(TimeDelta::days(1));
    assert!(!works(other["secret"].as_str().unwrap()).await);
    assert!(app.audited().await.contains(&"access_token.revoked".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authorised_address_signs_in_and_joins_its_clients_team() {
    let app = TestApp::start().await;
    let editor = app.staff(StaffRole::Editor).await;
    let made = app.mutate(Some(&editor), "createPartnerTeam", json!({ "name": "Acme" }), "team { id }").await;
    let domain = app.domain();
    let (now, team) = (domain.now(), made["team"]["id"].as_str().unwrap().parse().unwrap());
    let gateway_client = client::Model {
        id: domain.env.id(),
        team_id: team,
        subscription_id: None,
        name: "Acme pay".to_owned(),
        description: None,
        enabled: false,
        portal_access: false,
        policy_id: None,
        created_at: now,
        version: 1,
    };
    client::Entity::insert(client::ActiveModel::from(gateway_client.clone())).exec_without_returning(&domain.db).await.unwrap();
    let authorised = authorized_email::Model {
        id: domain.env.id(),
        team_id: team,
        client_id: gateway_client.id,
        email: "dev@acme.example".to_owned(),
        access_team: AccessLevel::Read,
        access_credentials: AccessLevel::Full,
        access_billing: AccessLevel::None,
        invited_at: now,
        last_sign_in_at: None,
    };
    authorized_email::Entity::insert(authorized_email::ActiveModel::from(authorised))
        .exec_without_returning(&domain.db)
        .await
        .unwrap();

    app.ask("dev@acme.example").await;
    let token = app.magic_token("dev@acme.example").await;
    assert_eq!(app.redeem(&token).await, "WRONG_STATE", "portal access is off");
    let on = client::ActiveModel { id: Set(gateway_client.id), portal_access: Set(true), ..Default::default() };
    client::Entity::update(on).exec(&domain.db).await.unwrap();
    let done = app.press("/auth/magic-link", &[("token", &token)]).await;
    let dev = session_of(&done, "dev@acme.example", &editor);
    let seen = app.data(Some(&dev), "{ viewer { teams { name viewerAccess { role team credentials } } } }", json!({})).await;
    insta::assert_json_snapshot!(seen["viewer"]["teams"], @r#"
    [
      {
        "name": "Acme",
        "viewerAccess": {
          "role": "RESTRICTED",
          "team": "READ",
          "credentials": "FULL"
        }
      }
    ]
    "#);
    let marked = authorized_email::Entity::find().one(&domain.db).await.unwrap().unwrap();
    assert_eq!(marked.last_sign_in_at, Some(now));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_beyond_ascii_is_known_as_dns_has_it() {
    let app = TestApp::start().await;
    let ada = app.person("ada@xn--bcher-kva.example", None).await;
    for typed in ["Ada@Bücher.example", "ada@bu\u{308}cher.EXAMPLE", "ada@XN--bcher-kva.example"] {
        assert_eq!(app.ask(typed).await["sent"], true, "{typed}");
        let mail = app.mails().await.pop().expect("a mail");
        assert_eq!(mail.to, ada.email, "{typed}");
        assert!(mail.message.contains("\r\nTo: ada@xn--bcher-kva.example\r\n"), "{}", mail.message);
    }
    assert_eq!(app.redeem(&app.magic_token(&ada.email).await).await, "fine");
    let (dev, team) = app.partner("acme").await;
    let input = json!({ "teamId": team, "email": "Bob@例え.テスト", "access": { "team": "READ", "credentials": "NONE", "billing": "NONE" } });
    let invited = app.mutate(Some(&dev), "inviteMember", input, "invitation { id email }").await;
    assert_eq!(invited["invitation"]["email"], "bob@xn--r8jz45g.xn--zckzah");
    assert_eq!(app.mails().await.pop().expect("a mail").to, "bob@xn--r8jz45g.xn--zckzah");
}
