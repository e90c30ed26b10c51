//! A quota is not had anew by cancelling.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::{
    app::{Person, TestApp},
    offer::Held,
    onboarding::product,
};

struct Road {
    app: TestApp,
    editor: Person,
    dev: Person,
    team: Value,
    product: Value,
}

impl Road {
    async fn start() -> Self {
        let app = TestApp::start().await;
        let editor = app.editor().await;
        let product = product(&app, &editor).await;
        let (dev, team) = app.partner("acme").await;
        Self { app, editor, dev, team, product }
    }

    async fn plan(&self, slug: &str, quota: Value, more: Value) -> Value {
        let environment = |name: &str| json!({ "environment": name, "authMethod": "API_KEY", "quota": quota });
        let mut input = json!({ "environments": [environment("SANDBOX"), environment("PRODUCTION")] });
        for (key, value) in more.as_object().into_iter().flatten() {
            input[key] = value.clone();
        }
        self.app.plan(&self.editor, &self.product, slug, true, input).await
    }

    /// How many of these calls are let through, in the sandbox.
    async fn passed(&self, held: &Held, calls: usize) -> usize {
        let mut passed = 0;
        for _ in 0..calls {
            let status = self.counted(held).await;
            assert!(matches!(status, 200 | 429), "{status}");
            passed += usize::from(status == 200);
        }
        passed
    }

    /// What a call is answered that is counted: others come again, where the database is slow to lease, or where the clock has
    /// been set and the gateway has not shown since that it lives, so that nobody waits for it.
    async fn counted(&self, held: &Held) -> u16 {
        let mut status = 0;
        for _ in 0..500 {
            status = self.app.call("/ship/shipments", held.secret.as_str().expect("a key")).await;
            if !matches!(status, 401 | 503) {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        status
    }

    async fn held(&self, plan: &Value) -> Held {
        self.app.subscribed(&self.dev, &self.team, plan).await
    }

    async fn cancel(&self, held: &Held) {
        let input = json!({ "subscriptionId": held.id });
        self.app.mutate(Some(&self.dev), "cancelSubscription", input, "subscription { id }").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_and_subscribing_again_gives_no_fresh_quota() {
    let road = Road::start().await;
    let month = json!({ "requests": 5, "period": "MONTH" });
    let plan = road.plan("five", month, json!({ "maxSubscriptionsPerTeam": 1 })).await;
    let mut passed = Vec::new();
    for calls in [2, 6, 6] {
        let held = road.held(&plan).await;
        passed.push(road.passed(&held, calls).await);
        road.cancel(&held).await;
    }
    assert_eq!(passed, [2, 3, 0]);
    // Nor under another plan of the product, whose quota goes by another period.
    let week = road.plan("week", json!({ "requests": 5, "period": "WEEK" }), json!({})).await;
    let held = road.held(&week).await;
    assert_eq!(road.passed(&held, 6).await, 5, "the month's quota tells nothing of the week");
    road.cancel(&held).await;
    let eight = road.plan("eight", json!({ "requests": 8, "period": "MONTH" }), json!({})).await;
    assert_eq!(road.passed(&road.held(&eight).await, 9).await, 3, "what was used in the month is used");
    // Other teams have used nothing.
    let (other, team) = road.app.partner("other").await;
    let held = road.app.subscribed(&other, &team, &plan).await;
    assert_eq!(road.passed(&held, 6).await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_at_once_count_each_its_own_and_a_new_period_is_a_new_one() {
    let road = Road::start().await;
    let plan = road.plan("five", json!({ "requests": 5, "period": "DAY" }), json!({})).await;
    let (one, two) = (road.held(&plan).await, road.held(&plan).await);
    assert_eq!((road.passed(&one, 6).await, road.passed(&two, 2).await), (5, 2));
    road.cancel(&one).await;
    assert_eq!(road.passed(&two, 6).await, 3, "it counts what it used");
    let three = road.held(&plan).await;
    assert_eq!(road.passed(&three, 6).await, 0, "the first has ended");
    road.app.clock.advance(TimeDelta::days(1));
    road.cancel(&three).await;
    assert_eq!(road.passed(&road.held(&plan).await, 6).await, 5, "a new day");
}
