//! What teams are told of in time: a credential that expires, an old secret that is in use and about to end.

use chrono::TimeDelta;
use domain::{
    Actor,
    actor::Origin,
    ops::rotation::{self, RotateSecret},
};
use serde_json::{Value, json};

use crate::{
    app::{Person, TestApp},
    offer::Held,
    onboarding::product,
};

async fn partner(app: &TestApp, plan: Value) -> (Person, Held, Value) {
    let editor = app.editor().await;
    let product = product(app, &editor).await;
    let plan = app.plan(&editor, &product, "free", true, plan).await;
    let (dev, team) = app.partner("acme").await;
    let held = app.subscribed(&dev, &team, &plan).await;
    let query = "query($id: ID!) { subscription(id: $id) { lanes { credentials { id } } } }";
    let mut seen = app.data(Some(&dev), query, json!({ "id": held.id })).await;
    let credential = seen["subscription"]["lanes"][0]["credentials"][0]["id"].take();
    (dev, held, credential)
}

impl TestApp {
    /// The subjects of the mails that a sweep, so many days later, sends.
    async fn told_after(&self, days: i64) -> Vec<String> {
        let before = self.mails().await.len();
        self.clock.advance(TimeDelta::days(days));
        domain::ops::credential_warnings::warn(self.domain()).await.expect("a sweep");
        self.mails().await.into_iter().skip(before).map(|mail| mail.subject).collect()
    }

    async fn with_new_secret(&self, who: &Person, id: &Value) -> Value {
        let made = self.mutate(Some(who), "rotateSecret", json!({ "credentialId": id }), "issued { secret }").await;
        made["issued"]["secret"].clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_warns_of_its_end_three_times_and_a_rotation_begins_a_new_term() {
    let app = TestApp::start().await;
    let (dev, held, id) = partner(&app, json!({ "credentialLifetimeDays": 60 })).await;
    let expires = |left: &str| {
        let secret = held.secret.as_str().expect("a key");
        vec![format!("{}_•••••••• expires in {left}", &secret[..21])]
    };
    let none = Vec::<String>::new();
    assert_eq!((app.told_after(29).await, app.told_after(1).await), (none.clone(), expires("30 days")));
    assert_eq!((app.told_after(0).await, app.told_after(23).await), (none.clone(), expires("7 days")), "once each");
    assert_eq!(app.told_after(6).await, expires("1 day"));
    // Not over HTTP: a session lasts 30 days.
    let dev = Actor::user(dev.id, None, Origin::default());
    let credential = id.as_str().and_then(|id| id.parse().ok()).expect("an id");
    let cmd = RotateSecret {
        credential,
        overlap_hours: None,
        end_when_silent_minutes: None,
        given: Default::default(),
        idempotency_key: None,
    };
    rotation::rotate(app.domain(), &dev, cmd).await.expect("a new secret");
    assert_eq!((app.told_after(10).await, app.told_after(21).await.len()), (none, 1), "30 days before the new term ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_hears_of_an_old_secret_that_is_in_use_before_it_ends() {
    let app = TestApp::start().await;
    let (dev, held, id) = partner(&app, json!({ "rotationOverlapHours": 24 })).await;
    let new = app.with_new_secret(&dev, &id).await;
    let before = app.mails().await.len();
    let told = async || app.mails().await.into_iter().skip(before).collect::<Vec<_>>();
    app.clock.advance(TimeDelta::hours(18));
    assert!(told().await.is_empty(), "nobody uses it");
    app.clock.advance(TimeDelta::hours(4));
    app.answers([&held.secret, &new], [200, 200]).await;
    let query = "query($id: ID!) { node(id: $id) { ... on Credential { previousLastUsedAt } } }";
    for _ in 0..400 {
        if app.data(Some(&dev), query, json!({ "id": id })).await["node"]["previousLastUsedAt"] != Value::Null {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    app.clock.advance(TimeDelta::minutes(31));
    let mails = told().await;
    assert!(mails[0].subject.starts_with("An old secret of ptk_test_"), "{}", mails[0].subject);
    assert!(mails[0].text.contains("Put the new secret in its place"), "{}", mails[0].text);
    app.clock.advance(TimeDelta::hours(1));
    assert_eq!(told().await.len(), 1, "once");
}
