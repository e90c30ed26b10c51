//! An instance of its own for each test, with a clock that moves only when told.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use api::{
    app::{App, Parts, Role},
    config::Config,
    gateway::LinesTo,
};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Domain,
    env::{Clock, Env, Randomness},
    keyring::{Purpose, sha256},
};
use entities::{
    enums::{SignInMethod, StaffRole},
    id::{InvitationId, SessionId, UserId},
    invitation, magic_link, portal, session, user,
};
use jobs::mail::{Delivery, SentMail, SentMails};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::home::Home;

/// Microseconds since the epoch.
pub struct TestClock(AtomicI64);

impl TestClock {
    pub fn advance(&self, by: TimeDelta) {
        self.0.fetch_add(by.num_microseconds().expect("a short time"), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0.load(Ordering::SeqCst)).expect("a valid time")
    }
}

/// The same bytes in every run (splitmix64): ids and secrets in snapshots stay put.
struct Seeded(AtomicU64);

impl Randomness for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let mut z = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst).wrapping_add(0x9e37_79b9_7f4a_7c15);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes()[..chunk.len()]);
        }
    }
}

/// A running instance.
pub struct TestApp {
    pub app: App,
    pub clock: Arc<TestClock>,
    pub http: reqwest::Client,
    sent: SentMails,
    /// What its gateway says of calls.
    lines: Arc<Mutex<Vec<u8>>>,
    home: Home,
}

/// Somebody who is signed in, by the cookie's value.
#[derive(Clone)]
pub struct Person {
    pub id: UserId,
    pub email: String,
    pub session: String,
}

pub const TEST_KEY: &str = "a-key-for-tests-of-thirty-two-letters";
pub const METRICS_TOKEN: &str = "a-token-for-the-counters-of-tests";

impl TestApp {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        Self::start_parts(true, change).await
    }

    /// One whose database nothing asks but its own requests.
    pub async fn start_without_gateway() -> Self {
        Self::start_parts(false, |_| {}).await
    }

    async fn start_parts(gateway: bool, change: impl FnOnce(&mut Config)) -> Self {
        let home = Home::new().await;
        let mut config = Config {
            data_dir: home.path().to_owned(),
            database_url: home.database_url().map(Into::into),
            database_wait: Duration::from_secs(20),
            listen: ([127, 0, 0, 1], 0).into(),
            gateway_listen: ([127, 0, 0, 1], 0).into(),
            secret_key: Some(TEST_KEY.to_owned().into()),
            metrics_token: Some(METRICS_TOKEN.to_owned().into()),
            ..Config::default()
        };
        change(&mut config);
        // Monday, 5 January 2026, 09:00 UTC.
        let clock = Arc::new(TestClock(AtomicI64::new(1_767_603_600_000_000)));
        let env = Env::new(clock.clone(), Arc::new(Seeded(AtomicU64::new(1))));
        let sent = SentMails::default();
        let lines = Arc::<Mutex<Vec<u8>>>::default();
        let (delivery, lines_to) = (Some(Delivery::Memory(sent.clone())), LinesTo::Memory(lines.clone()));
        let parts = Parts { gateway, worker: false, delivery, lines_to, ..Parts::of(Role::All) };
        let app = App::start_with(config, env, parts).await.expect("the instance starts");
        // Days pass in a moment here: nobody is signed out by it, but where a test sets the limit.
        let row = portal::ActiveModel { id: Set(1), session_idle_hours: Set(None), ..Default::default() };
        portal::Entity::update(row).exec(&app.domain.db).await.expect("the portal");
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(20))
            .build()
            .expect("a client");
        Self { app, clock, http, sent, lines, home }
    }

    /// Ends the instance; where it kept what it had, which nobody else asks any more.
    pub async fn stop(self) -> Home {
        self.app.stop().await;
        self.home
    }

    /// What the gateway has said of calls so far: a line of JSON for each.
    pub fn lines_of_calls(&self) -> String {
        String::from_utf8_lossy(&self.lines.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    pub fn home(&self) -> &Home {
        &self.home
    }

    pub fn domain(&self) -> &Domain {
        &self.app.domain
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.app.api.expect("the API is served"))
    }

    /// A person with a session, without the mail in between; `journeys::sign_in` walks that road.
    pub async fn person(&self, email: &str, staff: Option<StaffRole>) -> Person {
        let domain = self.domain();
        let (id, now) = (domain.env.id(), domain.now());
        let row = user::ActiveModel {
            id: Set(id),
            email: Set(email.to_owned()),
            name: Set(None),
            staff_role: Set(staff),
            created_at: Set(now),
        };
        user::Entity::insert(row).exec(&domain.db).await.expect("a new address");
        let token = format!("session-of-{email}");
        let row = session::ActiveModel {
            id: Set(domain.env.id::<SessionId>()),
            user_id: Set(id),
            token_hash: Set(sha256(&token).to_vec()),
            method: Set(SignInMethod::MagicLink),
            ip: Set(None),
            user_agent: Set(None),
            created_at: Set(now),
            last_seen_at: Set(now),
            expires_at: Set(now + TimeDelta::days(30)),
            revoked_at: Set(None),
            second_factor_at: Set(None),
            second_factor_failures: Set(0),
        };
        session::Entity::insert(row).exec(&domain.db).await.expect("a session");
        Person { id, email: email.to_owned(), session: token }
    }

    /// The token in the last sign-in mail to this address, made or not.
    pub async fn magic_token(&self, email: &str) -> String {
        let domain = self.domain();
        let newest = magic_link::Entity::find().filter(magic_link::Column::Email.eq(email));
        let link = newest.order_by_desc(magic_link::Column::Id).one(&domain.db).await.expect("links").expect("a link");
        domain.keys.link_token(Purpose::MagicLink, link.id, 0).expose_secret().to_owned()
    }

    /// The token in the last mail of an invitation.
    pub async fn invitation_token(&self, id: &Value) -> String {
        let id: InvitationId = id.as_str().and_then(|id| id.parse().ok()).expect("an invitation's id");
        let domain = self.domain();
        let row = invitation::Entity::find_by_id(id).one(&domain.db).await.expect("invitations").expect("an invitation");
        domain.keys.link_token(Purpose::Invitation, id, row.generation).expose_secret().to_owned()
    }

    pub async fn staff(&self, role: StaffRole) -> Person {
        self.person(&format!("{role:?}@provider.example").to_lowercase(), Some(role)).await
    }

    /// Runs what is due, and answers all mails so far.
    pub async fn mails(&self) -> Vec<SentMail> {
        jobs::drain::drain(self.domain(), &self.app.mailer).await.expect("no job dies");
        self.sent.mails()
    }

    /// The whole answer: `data` and `errors`.
    pub async fn graphql(&self, who: Option<&Person>, query: &str, variables: Value) -> Value {
        let mut request = self.http.post(self.url("/graphql")).json(&json!({ "query": query, "variables": variables }));
        if let Some(person) = who {
            request = request.header("cookie", format!("{}={}", self.app.site.session_cookie(), person.session));
        }
        request.send().await.expect("an answer").json().await.expect("JSON")
    }

    /// The user errors of the input's mutation: its refusal, as `CODE path: message`.
    pub async fn refusal(&self, who: Option<&Person>, field: &str, input_type: &str, input: Value) -> String {
        let query =
            format!("mutation($input: {input_type}!) {{ {field}(input: $input) {{ userErrors {{ code message path }} }} }}");
        let answer = self.graphql(who, &query, json!({ "input": input })).await;
        if let Some(error) = answer["errors"].get(0) {
            return format!(
                "{}: {}",
                error["extensions"]["code"].as_str().unwrap_or("?"),
                error["message"].as_str().unwrap_or("?")
            );
        }
        let error = &answer["data"][field]["userErrors"][0];
        let path: Vec<_> = error["path"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        format!("{} {}: {}", error["code"].as_str().unwrap_or("fine"), path.join("."), error["message"].as_str().unwrap_or(""))
    }

    /// `data`; fails the test on an error.
    pub async fn data(&self, who: Option<&Person>, query: &str, variables: Value) -> Value {
        let mut answer = self.graphql(who, query, variables).await;
        assert_eq!(answer.get("errors"), None, "{query}");
        answer["data"].take()
    }

    /// The input's mutation: fails the test on an error or a user error.
    pub async fn mutate(&self, who: Option<&Person>, field: &str, input: Value, select: &str) -> Value {
        let type_name = format!("{}{}Input", field[..1].to_uppercase(), &field[1..]);
        self.mutate_as(who, field, &type_name, input, select).await
    }

    /// As `mutate`, where the input's type is not named after the field.
    pub async fn mutate_as(&self, who: Option<&Person>, field: &str, input_type: &str, input: Value, select: &str) -> Value {
        let query = format!(
            "mutation($input: {input_type}!) {{ {field}(input: $input) {{ {select} userErrors {{ code message path }} }} }}"
        );
        let mut data = self.data(who, &query, json!({ "input": input })).await;
        assert_eq!(data[field]["userErrors"], json!([]), "{field} {input}");
        data[field].take()
    }
}
