//! The road that the demo walks: from an empty instance to a call that both sides see.

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use super::{
    person::{Failure, Person, eventually},
    report::Report,
    upstream,
};

/// The demo plan's rate limit: low, so that the demo can run into it.
const CALLS_PER_MINUTE: u32 = 20;

/// Where the instance is reached.
pub struct Places {
    pub portal: String,
    pub gateway: String,
    pub upstream: String,
}

/// What the partner starts with.
pub struct Sandbox {
    pub subscription: String,
    /// The credential that came with the subscription.
    pub key: String,
}

/// What the partner holds at the end of the road.
pub struct Access {
    pub subscription: String,
    pub key: String,
}

pub(super) fn text(value: &Value, pointer: &str) -> Result<String, Failure> {
    value.pointer(pointer).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| format!("no {pointer} in {value}").into())
}

/// The provider publishes an API with a plan; gives the plan's id.
pub async fn provider(report: &Report, owner: &mut Person, places: &Places) -> Result<String, Failure> {
    report.title("The provider");
    report
        .step("asks for a sign-in link and follows it", async {
            owner.request_link().await?;
            owner.follow_mailed_link("/auth/magic-link").await?;
            Ok((owner.email.clone(), ()))
        })
        .await?;
    let product = report.step("creates the product Shipments", create_product(owner, places)).await?;
    report.step("publishes its OpenAPI document", publish_spec(owner, &product)).await?;
    let plan = report.step("offers the plan Standard", create_plan(owner, &product)).await?;
    report
        .step("keeps a second product to itself", async {
            let input = json!({
                "slug": "customs", "name": "Customs", "summary": "Declarations, for staff",
                "basePath": "customs", "visibility": "ASSIGNED",
            });
            owner.change("createProduct", "CreateProductInput", input, "product { id }").await?;
            Ok(("draft, assigned to nobody".to_owned(), ()))
        })
        .await?;
    Ok(plan)
}

async fn create_product(owner: &Person, places: &Places) -> Result<(String, String), Failure> {
    let input = json!({
        "slug": "shipments", "name": "Shipments", "summary": "Book shipments and follow them from door to door",
        "basePath": "shipping", "visibility": "MEMBERS",
    });
    let made = owner.change("createProduct", "CreateProductInput", input, "product { id }").await?;
    let product = text(&made, "/product/id")?;
    let production = json!({
        "productId": product, "environment": "PRODUCTION", "backend": "UPSTREAM", "upstreamUrl": places.upstream,
        "headers": [{ "name": "X-Api-Token", "value": "of-the-provider-alone", "secret": true }],
    });
    let sandbox = json!({ "productId": product, "environment": "SANDBOX", "backend": "MOCK" });
    for input in [sandbox, production] {
        owner.change("setProductEnvironment", "SetProductEnvironmentInput", input, "product { id }").await?;
    }
    let input = json!({ "productId": product, "status": "PUBLISHED" });
    owner.change("setProductStatus", "SetProductStatusInput", input, "product { id }").await?;
    Ok((format!("{}/shipping → {}", places.gateway, places.upstream), product))
}

async fn publish_spec(owner: &Person, product: &str) -> Result<(String, ()), Failure> {
    let input = json!({ "productId": product, "document": upstream::DOCUMENT, "publishEndpoints": true });
    let select = "spec { version openapi } product { endpoints { totalCount } }";
    let made = owner.change("publishSpec", "PublishSpecInput", input, select).await?;
    let count = &made["product"]["endpoints"]["totalCount"];
    let result =
        format!("version {}, OpenAPI {}, {count} operations", text(&made, "/spec/version")?, text(&made, "/spec/openapi")?);
    Ok((result, ()))
}

async fn create_plan(owner: &Person, product: &str) -> Result<(String, String), Failure> {
    let environment = |name: &str| {
        json!({
            "environment": name, "authMethod": "API_KEY", "allowedMethods": ["GET", "POST"],
            "rateLimit": { "requests": CALLS_PER_MINUTE, "window": "MINUTE" },
            "quota": { "requests": 50_000, "period": "DAY" },
        })
    };
    let input = json!({
        "productId": product, "slug": "standard", "name": "Standard", "pricing": { "model": "FREE" }, "hasSandbox": true,
        "approval": "STANDARD", "environments": [environment("SANDBOX"), environment("PRODUCTION")],
        "submissionForm": { "steps": [{ "title": "Your plans", "fields": [
            { "key": "use", "label": "What you build", "type": "TEXT", "required": true },
        ] }] },
        "scopes": [
            { "name": "shipments:read", "grant": "DEFAULT" },
            { "name": "shipments:write", "grant": "RESTRICTED" },
        ],
    });
    let made = owner.change("createPlan", "CreatePlanInput", input, "plan { id }").await?;
    let plan = text(&made, "/plan/id")?;
    let input = json!({ "planId": plan, "status": "ACTIVE" });
    owner.change("setPlanStatus", "SetPlanStatusInput", input, "plan { id }").await?;
    Ok((format!("free, {CALLS_PER_MINUTE} calls a minute, production after a review"), plan))
}

/// The partner is invited, signs in and subscribes: its sandbox is open.
pub async fn partner(report: &Report, owner: &Person, developer: &mut Person, plan: &str) -> Result<Sandbox, Failure> {
    report.title("The partner");
    let team = report
        .step("is invited by mail", async {
            let made =
                owner.change("createPartnerTeam", "CreatePartnerTeamInput", json!({ "name": "Acme Logistics" }), "team { id }");
            let team = text(&made.await?, "/team/id")?;
            let full = json!({ "team": "FULL", "credentials": "FULL", "billing": "FULL" });
            let input = json!({ "teamId": team, "email": developer.email, "access": full });
            owner.change("inviteMember", "InviteMemberInput", input, "invitation { id }").await?;
            Ok((developer.email.clone(), team))
        })
        .await?;
    report
        .step("follows the link: signed in, no password", async {
            developer.follow_mailed_link("/auth/invitation").await?;
            let seen = developer.ask("{ viewer { teams { name } } }", json!({})).await?;
            Ok((format!("a member of {}", text(&seen, "/viewer/teams/0/name")?), ()))
        })
        .await?;
    report
        .step("sees exactly its catalog", async {
            let seen = developer.ask("{ products { totalCount nodes { name } } }", json!({})).await?;
            Ok((format!("{} of 2 products: {}", seen["products"]["totalCount"], text(&seen, "/products/nodes/0/name")?), ()))
        })
        .await?;
    report.step("subscribes to Standard", subscribe(developer, &team, plan)).await
}

async fn subscribe(developer: &Person, team: &str, plan: &str) -> Result<(String, Sandbox), Failure> {
    let input = json!({ "planId": plan, "teamId": team, "name": "Order tracking" });
    let select = "subscription { id status } issued { secret }";
    let made = developer.change("subscribe", "SubscribeInput", input, select).await?;
    let result = format!("{}, with a sandbox key, shown once", text(&made, "/subscription/status")?);
    Ok((result, Sandbox { subscription: text(&made, "/subscription/id")?, key: text(&made, "/issued/secret")? }))
}

/// A call, and what came back: status, the refusal's code, the request's id.
pub(super) struct Call {
    pub status: StatusCode,
    pub code: String,
    pub request_id: String,
}

pub(super) async fn call(http: &Client, method: Method, url: String, key: Option<&str>) -> Result<Call, Failure> {
    let mut request = http.request(method, url);
    if let Some(key) = key {
        request = request.header("X-API-Key", key);
    }
    let answer = request.send().await?;
    let status = answer.status();
    let request_id = answer.headers().get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
    let body: Value = answer.json().await.unwrap_or_default();
    let code = if status.is_success() { "" } else { body["code"].as_str().unwrap_or_default() };
    Ok(Call { status, code: code.to_owned(), request_id })
}

/// The first call in production, seen by both sides.
pub async fn first_call(
    report: &Report,
    (owner, developer): (&Person, &Person),
    access: &Access,
    places: &Places,
    http: &Client,
) -> Result<(), Failure> {
    report.title("The call");
    let made = report
        .step("GET /shipping/shipments/SH-1001 with the key", async {
            let url = format!("{}/shipping/shipments/SH-1001", places.gateway);
            // A new key is in force within a second, here after a few milliseconds.
            let made = eventually("the gateway did not accept the key", async || {
                let made = call(http, Method::GET, url.clone(), Some(&access.key)).await.ok()?;
                (made.status == StatusCode::OK).then_some(made)
            })
            .await?;
            Ok((format!("200 OK, {}", made.request_id), made))
        })
        .await?;
    report
        .step("the partner finds it in the request log", async {
            let query = "query($id: ID!, $filter: RequestLogFilter) { subscription(id: $id) { requestLog(filter: $filter) { nodes { endpoint status latencyMs } } } }";
            let variables = json!({ "id": access.subscription, "filter": { "requestId": made.request_id } });
            let entry = logged(developer, query, variables, "/subscription/requestLog/nodes/0").await?;
            Ok((format!("{}: {} in {} ms", text(&entry, "/endpoint")?, entry["status"], entry["latencyMs"]), ()))
        })
        .await?;
    report
        .step("and so does the provider", async {
            let query = "query($filter: RequestLogFilter) { provider { requestLog(filter: $filter) { nodes { client { name } product { name } } } } }";
            let variables = json!({ "filter": { "requestId": made.request_id } });
            let entry = logged(owner, query, variables, "/provider/requestLog/nodes/0").await?;
            Ok((format!("{} called {}", text(&entry, "/client/name")?, text(&entry, "/product/name")?), ()))
        })
        .await
}

/// The log is written behind the call: it shows within two seconds.
async fn logged(person: &Person, query: &str, variables: Value, pointer: &str) -> Result<Value, Failure> {
    eventually("the call did not show in the log", async || {
        let seen = person.ask(query, variables.clone()).await.ok()?;
        seen.pointer(pointer).cloned()
    })
    .await
}

/// One call for each kind of answer; false where one answered otherwise.
pub async fn checks(report: &Report, access: &Access, places: &Places, http: &Client) -> Result<bool, Failure> {
    report.title("What the gateway answers");
    let key = Some(access.key.as_str());
    let url = |path: &str| format!("{}/shipping{path}", places.gateway);
    // The last letter is changed: the checksum tells, without a look into the database.
    let typo: String = access.key.chars().take(access.key.len() - 1).chain(['~']).collect();
    let table = [
        ("a call in order", Method::GET, "/shipments", key, 200),
        ("no credential", Method::GET, "/shipments", None, 401),
        ("a key with a typing error", Method::GET, "/shipments", Some(typo.as_str()), 401),
        ("a scope that was not granted", Method::POST, "/shipments", key, 403),
        ("a path that the document does not have", Method::GET, "/parcels", key, 404),
        ("a method that the path does not have", Method::DELETE, "/shipments", key, 405),
    ];
    let mut as_expected = true;
    for (what, method, path, key, expected) in table {
        let made = call(http, method, url(path), key).await?;
        report.check(what, made.status.as_u16(), expected, &made.code);
        as_expected &= made.status.as_u16() == expected;
    }
    for _ in 0..=CALLS_PER_MINUTE {
        let made = call(http, Method::GET, url("/shipments"), key).await?;
        if made.status != StatusCode::OK {
            report.check("one call too many in a minute", made.status.as_u16(), 429, &made.code);
            return Ok(as_expected && made.status == StatusCode::TOO_MANY_REQUESTS);
        }
    }
    Err(format!("{CALLS_PER_MINUTE} calls a minute were allowed, and more went through").into())
}
