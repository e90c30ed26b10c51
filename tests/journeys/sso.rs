//! Signing in by an organisation's identity provider: who is signed in, and what is refused and said where something is wrong.

mod people;
mod setting_up;

use std::collections::HashMap;

use chrono::TimeDelta;
use entities::{audit_event, sso_provider};
use reqwest::{Response, StatusCode};
use sea_orm::{EntityTrait, QueryOrder};
use serde_json::{Value, json};
use url::Url;

use crate::{
    app::{Person, TestApp},
    domains::with_dns,
    identity_provider::{CLIENT_ID, IdentityProvider, InToken, Lie, SECRET, Somebody, somebody},
    name_server::NameServer,
    sign_in::header,
};

/// A team with a proven domain, `acme.example`, whose people sign in by a provider of its own.
struct Organisation {
    app: TestApp,
    /// Answers as long as it is held.
    _dns: NameServer,
    idp: IdentityProvider,
    dev: Person,
    team: Value,
    provider: Value,
}

/// On the way to a provider.
struct Left {
    url: String,
    cookie: String,
}

impl Organisation {
    async fn new() -> Self {
        let (app, dns) = with_dns().await;
        let idp = IdentityProvider::start().await.by(&app.domain().env);
        let (dev, team) = app.partner("acme").await;
        app.proven(&dns, &dev, &team, "acme.example").await;
        let own = Self { app, _dns: dns, idp, dev, team, provider: Value::Null };
        let provider = own.configure(json!({})).await["id"].take();
        Self { provider, ..own }
    }

    fn input(&self, more: Value) -> Value {
        let mut input = json!({
            "teamId": self.team, "name": "Acme's own", "issuer": self.idp.issuer, "clientId": CLIENT_ID, "clientSecret": SECRET,
            "domains": ["acme.example"], "enforced": false,
        });
        if !self.provider.is_null() {
            input["providerId"] = self.provider.clone();
        }
        input.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
        input
    }

    async fn configure(&self, more: Value) -> Value {
        let select = "provider { id name issuer clientId domains enforced lastSignInAt }";
        self.app.mutate(Some(&self.dev), "configureSso", self.input(more), select).await["provider"].take()
    }

    async fn configure_refused(&self, who: &Person, more: Value) -> String {
        self.app.refusal(Some(who), "configureSso", "ConfigureSsoInput", self.input(more)).await
    }

    /// From the address to the callback's answer.
    async fn signs_in(&self, who: Somebody) -> Response {
        let left = self.app.leaves("ada@acme.example").await;
        self.app.comes_back(&self.idp.signs_in(&left.url, who), &left.cookie).await
    }

    /// What the page says; nobody is signed in.
    async fn refused(&self, who: Somebody) -> String {
        told(self.signs_in(who).await).await
    }

    /// The address that a session belongs to.
    async fn address_of(&self, response: &Response) -> String {
        let session = Person { session: cookie_of(response, "portico_session"), ..self.dev.clone() };
        let seen = self.app.data(Some(&session), "{ viewer { user { email } } }", json!({})).await;
        seen["viewer"]["user"]["email"].as_str().unwrap_or("nobody").to_owned()
    }
}

impl TestApp {
    /// By the page that mails and the sign-in page lead to.
    async fn leaves(&self, email: &str) -> Left {
        self.leaves_for(email, "/apps").await
    }

    /// As a mail leads: its page starts nothing, its button does.
    async fn leaves_by(&self, link: &str) -> Left {
        let page = self.http.get(link).send().await.expect("a page");
        assert!(!page.headers().contains_key("refresh") && !page.headers().contains_key("set-cookie"), "{page:?}");
        let html = page.text().await.expect("text");
        let asked: HashMap<_, _> = Url::parse(link).expect("a URL").query_pairs().into_owned().collect();
        assert!(html.contains(&format!("sign in as {}", asked["email"])), "{html}");
        assert!(html.contains(r#"<form method="post" action="&#x2f;auth&#x2f;sso">"#), "{html}");
        self.leaves_for(&asked["email"], &asked["redirectTo"]).await
    }

    async fn leaves_for(&self, email: &str, redirect_to: &str) -> Left {
        let page = self.press("/auth/sso", &[("email", email), ("redirectTo", redirect_to)]).await;
        assert_eq!(page.status(), StatusCode::OK, "{email}");
        let cookie = header(&page, "set-cookie");
        let url = header(&page, "refresh").strip_prefix("0; url=").expect("a way on").to_owned();
        Left { url, cookie: cookie.split(';').next().expect("a cookie").to_owned() }
    }

    /// To the one provider's own address.
    async fn comes_back(&self, back: &[(String, String)], cookie: &str) -> Response {
        let provider = sso_provider::Entity::find().one(&self.domain().db).await.expect("providers");
        let own = provider.map_or_else(|| "staff".to_owned(), |row| row.team_id.to_string());
        self.comes_back_by(&own, back, cookie).await
    }

    async fn comes_back_by(&self, own: &str, back: &[(String, String)], cookie: &str) -> Response {
        let url = self.url(&format!("/auth/sso/callback/{own}"));
        self.http.get(url).query(back).header("cookie", cookie).send().await.expect("an answer")
    }

    async fn last_failure(&self) -> String {
        self.audited().await.pop().expect("an event")
    }

    async fn may_leave(&self, email: &str) -> String {
        self.refusal(None, "startSso", "StartSsoInput", json!({ "email": email })).await
    }
}

fn cookie_of(response: &Response, name: &str) -> String {
    let cookies = response.headers().get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
    let own = cookies.filter_map(|cookie| cookie.split(';').next()?.split_once('=')).find(|(own, _)| *own == name);
    own.map(|(_, value)| value.to_owned()).unwrap_or_default()
}

/// The refusal on a page that signs nobody in.
async fn told(response: Response) -> String {
    assert_eq!((response.status(), cookie_of(&response, "portico_session")), (StatusCode::BAD_REQUEST, String::new()));
    let html = response.text().await.expect("a page");
    let text = html.split("<p>").nth(1).and_then(|rest| rest.split("</p>").next()).expect("a paragraph");
    text.replace("&#x27;", "'")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organisations_people_sign_in_by_its_own_accounts() {
    let org = Organisation::new().await;
    let app = &org.app;
    let start = "mutation($input: StartSsoInput!) { startSso(input: $input) { authorizationUrl userErrors { message } } }";
    let input = json!({ "input": { "email": "Bob@Acme.example", "redirectTo": "/apps?tab=keys" } });
    let request = app.http.post(app.url("/graphql")).json(&json!({ "query": start, "variables": input }));
    let answer = request.send().await.expect("an answer");
    let cookie = header(&answer, "set-cookie");
    assert!(
        cookie.starts_with("portico_sso_") && cookie.ends_with("; Path=/auth/sso/callback; HttpOnly; SameSite=Lax; Max-Age=600"),
        "{cookie}"
    );
    let answer: Value = answer.json().await.expect("JSON");
    let url = answer["data"]["startSso"]["authorizationUrl"].as_str().expect("a URL").to_owned();
    let asked: Vec<_> = Url::parse(&url).expect("a URL").query_pairs().map(|(name, _)| name.into_owned()).collect();
    assert_eq!(
        asked,
        [
            "response_type",
            "client_id",
            "state",
            "code_challenge",
            "code_challenge_method",
            "redirect_uri",
            "scope",
            "login_hint",
            "nonce"
        ]
    );
    assert!(
        url.starts_with(&format!("{}/authorize?", org.idp.issuer))
            && url.contains("login_hint=bob%40acme.example")
            && url.contains("scope=openid+email"),
        "{url}"
    );

    // Bob is new: his organisation's domain lets him in, and brings him into the team.
    let back = org.idp.signs_in(&url, somebody("b-1", "Bob@acme.example"));
    let done = app.comes_back(&back, cookie.split(';').next().expect("a cookie")).await;
    assert_eq!((done.status(), header(&done, "location")), (StatusCode::SEE_OTHER, "/apps?tab=keys".to_owned()));
    let cookies: Vec<_> =
        done.headers().get_all("set-cookie").iter().map(|value| value.to_str().expect("text").to_owned()).collect();
    assert!(
        cookies[0].starts_with("portico_session=")
            && cookies[1].contains("=; Path=/auth/sso/callback")
            && cookies[1].contains("Max-Age=0"),
        "{cookies:?}"
    );
    let bob = Person { session: cookie_of(&done, "portico_session"), ..org.dev.clone() };
    let query = "{ viewer { user { email } activeSession { method } teams { slug viewerAccess { role } members(first: 9) { nodes { joinedBy } } } } }";
    insta::assert_json_snapshot!(app.data(Some(&bob), query, json!({})).await["viewer"], @r#"
    {
      "user": {
        "email": "bob@acme.example"
      },
      "activeSession": {
        "method": "SSO"
      },
      "teams": [
        {
          "slug": "acme",
          "viewerAccess": {
            "role": "RESTRICTED"
          },
          "members": {
            "nodes": [
              {
                "joinedBy": "SSO"
              },
              {
                "joinedBy": "FOUNDER"
              }
            ]
          }
        }
      ]
    }
    "#);
    let rows =
        audit_event::Entity::find().order_by_asc(audit_event::Column::Id).all(&app.domain().db).await.expect("the audit log");
    let [.., row, joined] = rows.as_slice() else { panic!("two events") };
    let told = ["method", "issuer", "registered", "linked"].map(|name| row.changes[name]["after"].clone());
    assert_eq!(
        (row.action.as_str(), told),
        ("session.signed_in", [json!("SSO"), json!(org.idp.issuer), json!(true), json!(true)])
    );
    let told = ["by", "domain"].map(|name| joined.changes[name]["after"].clone());
    assert_eq!((joined.action.as_str(), told), ("member.joined", [json!("SSO"), json!("acme.example")]));

    // He is who he was, whatever address the provider gives him now; and nobody else gets his account by his address.
    for renamed in ["robert@acme.example", "bob@acme.example"] {
        assert_eq!(org.address_of(&org.signs_in(somebody("b-1", renamed)).await).await, "bob@acme.example");
    }
    assert_eq!(org.address_of(&org.signs_in(somebody("r-1", "robert@acme.example")).await).await, "robert@acme.example");
    // Who was known by mail is linked by the address, once.
    assert_eq!(org.address_of(&org.signs_in(somebody("d-1", "dev@acme.example")).await).await, "dev@acme.example");
    let seen = app.data(Some(&org.dev), "{ portal { signInMethods } }", json!({})).await;
    assert_eq!(seen["portal"]["signInMethods"], json!(["MAGIC_LINK", "SSO"]));
    let query = "query($id: ID!) { team(id: $id) { sso { name issuer clientId domains enforced lastSignInAt } } }";
    let seen = app.data(Some(&org.dev), query, json!({ "id": org.team })).await["team"]["sso"][0].take();
    assert_eq!(seen["lastSignInAt"].as_str().map(|at| &at[..10]), Some("2026-01-05"));
    let page = app.http.get(app.url("/auth/sign-in")).send().await.expect("a page").text().await.expect("text");
    assert!(
        page.contains("Sign in with your organisation&#x27;s account")
            || page.contains("Sign in with your organisation's account"),
        "{page}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_says_has_to_hold() {
    let org = Organisation::new().await;
    let bob = || somebody("b-1", "bob@acme.example");
    for (lie, reason) in [
        (Lie::Issuer, "unproven"),
        (Lie::Audience, "unproven"),
        (Lie::ForOthersToo, "unproven"),
        (Lie::AuthorizedParty, "unproven"),
        (Lie::Nonce, "unproven"),
        (Lie::NoNonce, "unproven"),
        (Lie::Expired, "unproven"),
        (Lie::FromTheFuture, "unproven"),
        (Lie::Key, "unproven"),
        (Lie::Unsigned, "unproven"),
        (Lie::SharedSecret, "unproven"),
        (Lie::AccessTokenHash, "unproven"),
        (Lie::NoIdToken, "unproven"),
        (Lie::Refuses, "misconfigured"),
    ] {
        org.idp.lies(lie);
        org.refused(bob()).await;
        assert_eq!(org.app.last_failure().await, format!("session.sign_in_failed ({reason})"), "{lie:?}");
        // Too many bad ones from one source are put off.
        org.app.clock.advance(TimeDelta::minutes(10));
    }
    org.idp.lies(Lie::OtherSubject);
    let elsewhere = || Somebody { in_token: InToken::Nothing, ..bob() };
    insta::assert_snapshot!(org.refused(elsewhere()).await, @"What your organisation's identity provider said does not hold, so nobody is signed in: start again, or ask your administrator.");
    org.idp.lies(Lie::None);
    assert_eq!(org.address_of(&org.signs_in(elsewhere()).await).await, "bob@acme.example", "told by the userinfo endpoint");

    // Keys change without us, and a provider that is down says so before anybody leaves for it.
    org.idp.rotate();
    org.app.clock.advance(TimeDelta::seconds(31));
    assert_eq!(org.address_of(&org.signs_in(bob()).await).await, "bob@acme.example");
    org.idp.lies(Lie::Down);
    org.app.clock.advance(TimeDelta::minutes(6));
    insta::assert_snapshot!(org.app.may_leave("bob@acme.example").await, @"WRONG_STATE email: your organisation's identity provider does not answer as it should: try again in a minute, or ask your administrator");
    // Not asked again at once, however many come.
    org.idp.lies(Lie::None);
    assert!(org.app.may_leave("bob@acme.example").await.starts_with("WRONG_STATE"));
    org.app.clock.advance(TimeDelta::seconds(10));
    assert_eq!(org.app.may_leave("bob@acme.example").await, "fine : ");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_counts_in_the_browser_that_asked_and_once() {
    let org = Organisation::new().await;
    let app = &org.app;
    let bob = || somebody("b-1", "bob@acme.example");
    let (left, other) = (app.leaves("bob@acme.example").await, app.leaves("bob@acme.example").await);
    assert_ne!(left.cookie.split('=').next(), other.cookie.split('=').next(), "two tabs do not disturb each other");
    let back = org.idp.signs_in(&left.url, bob());
    insta::assert_snapshot!(told(app.comes_back(&back, "").await).await, @"This sign-in was not started in this browser, or was used already: start it again from the sign-in page.");
    told(app.comes_back(&back, &other.cookie).await).await;
    let renamed =
        format!("{}={}", left.cookie.split('=').next().expect("a name"), other.cookie.split_once('=').expect("a value").1);
    told(app.comes_back(&back, &renamed).await).await;
    assert_eq!(app.last_failure().await, "session.sign_in_failed (not_started)");

    // The code of another sign-in, and an answer of another provider.
    let theirs = org.idp.signs_in(&other.url, bob());
    let mixed = [theirs[0].clone(), back[1].clone(), back[2].clone()];
    told(app.comes_back(&mixed, &left.cookie).await).await;
    assert_eq!(app.last_failure().await, "session.sign_in_failed (unproven)");
    // A start is good for one code.
    told(app.comes_back(&back, &left.cookie).await).await;
    assert_eq!(app.last_failure().await, "session.sign_in_failed (not_started)");
    for issuer in [None, Some("https://login.example")] {
        let left = app.leaves("bob@acme.example").await;
        let mut mixed = org.idp.signs_in(&left.url, bob());
        mixed.truncate(2);
        mixed.extend(issuer.map(|issuer| ("iss".to_owned(), issuer.to_owned())));
        told(app.comes_back(&mixed, &left.cookie).await).await;
        assert_eq!(app.last_failure().await, "session.sign_in_failed (other_issuer)");
    }
    let left = app.leaves("bob@acme.example").await;
    let back = org.idp.signs_in(&left.url, bob());
    let said_no = [("error".to_owned(), "access_denied".to_owned()), back[1].clone(), back[2].clone()];
    insta::assert_snapshot!(told(app.comes_back(&said_no, &left.cookie).await).await, @"Your organisation's sign-in was not completed: start it again, or ask your administrator.");

    let done = app.comes_back(&back, &left.cookie).await;
    assert_eq!((done.status(), header(&done, "location")), (StatusCode::SEE_OTHER, "/apps".to_owned()));
    told(app.comes_back(&back, &left.cookie).await).await;
    let late = org.idp.signs_in(&other.url, bob());
    app.clock.advance(TimeDelta::minutes(10));
    insta::assert_snapshot!(told(app.comes_back(&late, &other.cookie).await).await, @"This sign-in took longer than ten minutes: start it again.");
    // Providers that do not name themselves are no worse for it: an answer comes to the address of who was asked, or counts nothing.
    org.idp.names_itself(false);
    let left = app.leaves("bob@acme.example").await;
    assert_eq!(app.comes_back(&org.idp.signs_in(&left.url, bob()), &left.cookie).await.status(), StatusCode::SEE_OTHER);
    let left = app.leaves("bob@acme.example").await;
    let back = org.idp.signs_in(&left.url, bob());
    let (_, others) = app.partner("globex").await;
    for other in [others.as_str().expect("an id"), "staff", "nobody"] {
        told(app.comes_back_by(other, &back, &left.cookie).await).await;
        assert_eq!(app.last_failure().await, "session.sign_in_failed (other_issuer)");
    }
    assert_eq!(app.comes_back(&back, &left.cookie).await.status(), StatusCode::SEE_OTHER, "its code was shown to nobody");
    // However many come back from there with nothing of ours, whoever left from here is signed in, or told what is wrong.
    for _ in 0..40 {
        app.comes_back(&back, "").await;
    }
    assert_eq!(app.comes_back(&back, "").await.status(), StatusCode::TOO_MANY_REQUESTS);
    let left = app.leaves("bob@acme.example").await;
    let back = org.idp.signs_in(&left.url, bob());
    assert_eq!(app.comes_back(&back, &left.cookie).await.status(), StatusCode::SEE_OTHER);
    assert_eq!(app.comes_back(&back, &left.cookie).await.status(), StatusCode::TOO_MANY_REQUESTS, "it was used");
    app.clock.advance(TimeDelta::hours(1));
    // Nothing at all, and nonsense.
    for back in [vec![], vec![("state".to_owned(), "%00\u{fffd}".to_owned()), ("code".to_owned(), "x".repeat(9000))]] {
        told(app.comes_back(&back, &left.cookie).await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_needs_may_be_odd() {
    let org = Organisation::new().await;
    org.idp.is_odd();
    org.app.clock.advance(TimeDelta::minutes(6));
    for in_token in [InToken::All, InToken::Address, InToken::Nothing] {
        let bob = Somebody { in_token, ..somebody("b-1", "bob@acme.example") };
        assert_eq!(org.address_of(&org.signs_in(bob).await).await, "bob@acme.example", "{in_token:?}");
    }
    org.idp.lies(Lie::Refuses);
    org.refused(somebody("b-1", "bob@acme.example")).await;
    assert_eq!(org.app.last_failure().await, "session.sign_in_failed (misconfigured)");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_providers_keys_may_change_in_any_way() {
    let org = Organisation::new().await;
    let signs_in = async || org.address_of(&org.signs_in(somebody("b-1", "bob@acme.example")).await).await;
    assert_eq!(signs_in().await, "bob@acme.example");
    let named = |mut key: Value, like: &Value| {
        key["kid"] = like["kid"].clone();
        key
    };
    let nameless = |mut key: Value| {
        key.as_object_mut().expect("a key").remove("kid");
        key
    };
    type Change<'a> = (&'a str, &'a dyn Fn(Value, Value) -> Vec<Value>);
    let changes: [Change<'_>; 6] = [
        ("another", &|_, new| vec![new]),
        ("both", &|old, new| vec![old, new]),
        ("both, the new one first", &|old, new| vec![new, old]),
        ("without a name", &|_, new| vec![nameless(new)]),
        ("several without a name", &|old, new| vec![nameless(old), nameless(new)]),
        ("two of one name", &|old, new| vec![named(old, &new), new]),
    ];
    for (how, published) in changes {
        // Within the time for which what was read is believed, and at once.
        org.idp.changes(published);
        assert_eq!(signs_in().await, "bob@acme.example", "{how}");
    }
    // The name stays, and is another key's.
    org.idp.changes(|old, new| vec![named(old, &new)]);
    org.refused(somebody("b-1", "bob@acme.example")).await;
    org.idp.changes(|_, new| vec![new]);
    assert_eq!(signs_in().await, "bob@acme.example");
    // None for a moment.
    let keys = org.idp.publishes(Vec::new());
    org.app.clock.advance(TimeDelta::minutes(6));
    org.refused(somebody("b-1", "bob@acme.example")).await;
    org.idp.publishes(keys);
    assert_eq!(signs_in().await, "bob@acme.example");
}
