//! What somebody may not see is absent wherever they look; and how staff keep the catalog.

use entities::{
    assignment, client,
    columns::{PlanFeatures, PlanScopes, Pricing},
    enums::{
        AccessLevel, ApprovalLevel, JoinMethod, LeakedKeyAction, PlanStatus, PricingModel, StaffRole, SubscriptionStatus,
        TeamStatus,
    },
    id::{ClientId, PlanId, ProductId, SubscriptionId, TeamId, TierId, UserId},
    membership, plan, subscription, team, tier,
};
use sea_orm::{EntityTrait, IntoActiveModel, ModelTrait};
use serde_json::{Value, json};

use crate::app::{Person, TestApp};

const PETS: &str = "openapi: 3.1.0\ninfo: { title: Pets, version: '1' }\npaths: { /pets: { get: { operationId: listPets } } }\n";

async fn insert<M: ModelTrait + IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel>>(app: &TestApp, row: M) {
    M::Entity::insert(row.into_active_model()).exec_without_returning(&app.domain().db).await.expect("a new row");
}

/// A product with one published endpoint.
async fn product(app: &TestApp, staff: &Person, slug: &str, visibility: &str, status: &[&str]) -> String {
    let input = json!({ "slug": slug, "name": slug, "summary": "An API", "basePath": slug, "visibility": visibility });
    let made = app.mutate(Some(staff), "createProduct", input, "product { id }").await;
    let id = made["product"]["id"].as_str().expect("an id").to_owned();
    let input = json!({ "productId": id, "document": PETS, "publishEndpoints": true });
    app.mutate(Some(staff), "publishSpec", input, "spec { id }").await;
    for status in status {
        app.mutate(Some(staff), "setProductStatus", json!({ "productId": id, "status": status }), "product { id }").await;
    }
    id
}

struct Partner {
    team: TeamId,
    tier: TierId,
    client: ClientId,
}

/// A team of its own tier, with a client, and this person in it.
async fn partner(app: &TestApp, name: &str, user: UserId, status: TeamStatus) -> Partner {
    let (env, now) = (&app.domain().env, app.domain().now());
    let (team, tier, client) = (env.id(), env.id(), env.id());
    insert(app, tier::Model { id: tier, name: format!("{name} tier"), description: None }).await;
    let row = team::Model {
        id: team,
        name: name.into(),
        slug: name.into(),
        internal: false,
        status,
        tier_id: Some(tier),
        created_at: now,
        version: 1,
    };
    insert(app, row).await;
    let row = membership::Model {
        id: env.id(),
        team_id: team,
        user_id: user,
        access_team: AccessLevel::None,
        access_credentials: AccessLevel::None,
        access_billing: AccessLevel::None,
        joined_by: JoinMethod::Staff,
        joined_at: now,
    };
    insert(app, row).await;
    let row = client::Model {
        id: client,
        team_id: team,
        subscription_id: None,
        name: "by hand".into(),
        description: None,
        enabled: false,
        portal_access: false,
        policy_id: None,
        created_at: now,
        version: 1,
    };
    insert(app, row).await;
    Partner { team, tier, client }
}

/// A subscription as `subscribe` leaves it: with an assignment that it gave.
async fn subscription(app: &TestApp, partner: &Partner, product: &str, status: SubscriptionStatus) {
    let (env, now) = (&app.domain().env, app.domain().now());
    let product_id: ProductId = product.parse().expect("an id");
    let (plan_id, id): (PlanId, SubscriptionId) = (env.id(), env.id());
    let row = plan::Model {
        id: plan_id,
        product_id,
        slug: format!("free-{plan_id}"),
        name: "Free".into(),
        description: None,
        status: PlanStatus::Active,
        version: 1,
        pricing: Pricing::of(PricingModel::Free),
        approval: ApprovalLevel::Automatic,
        approval_group_id: None,
        submission_form: None,
        has_sandbox: false,
        scopes: PlanScopes::default(),
        features: PlanFeatures::default(),
        custom_properties: Vec::new().into_iter().collect(),
        sandbox_test_data: Vec::new().into_iter().collect(),
        review_checklist: Default::default(),
        duration_days: None,
        max_subscriptions_per_team: None,
        credential_lifetime_days: None,
        rotation_overlap_hours: 24,
        elevated: false,
        leaked_key_action: LeakedKeyAction::Notify,
        auto_subscribe: false,
        superseded_by: None,
        created_at: now,
    };
    insert(app, row).await;
    let row = subscription::Model {
        id,
        team_id: partner.team,
        plan_id,
        product_id,
        name: "ours".into(),
        owner_id: None,
        status,
        phase: None,
        changes_requested: false,
        awaits_payment: false,
        status_reason: None,
        created_at: now,
        activated_at: None,
        cancel_at: None,
        pending_plan_id: None,
        expires_at: None,
        expiry_warned_days: None,
        custom_properties: Vec::new().into_iter().collect(),
        version: 1,
    };
    insert(app, row).await;
    let row = assignment::Model {
        id: env.id(),
        product_id,
        tier_id: None,
        team_id: None,
        client_id: Some(partner.client),
        subscription_id: Some(id),
        since: now,
        assigned_by: None,
        scopes: None,
    };
    insert(app, row).await;
}

/// What one person finds of a product, by every way there is.
async fn sight(app: &TestApp, who: Option<&Person>, slug: &str, id: &str) -> String {
    let query = "query($slug: String!, $id: ID!, $search: String) {
        products(first: 100) { nodes { slug } totalCount }
        found: products(search: $search) { nodes { slug } totalCount }
        product(slug: $slug) { endpoints { totalCount } }
        node(id: $id) { id }
    }";
    let data = app.data(who, query, json!({ "slug": slug, "id": id, "search": slug })).await;
    let listed = |list: &Value| list["nodes"].as_array().is_some_and(|nodes| nodes.iter().any(|node| node["slug"] == slug));
    let counted = |list: &Value| list["totalCount"].as_u64() == list["nodes"].as_array().map(|nodes| nodes.len() as u64);
    assert!(counted(&data["products"]) && counted(&data["found"]), "{data}");
    let download = download(app, who, &format!("/products/{slug}/openapi/latest.json")).await.status();
    let seen =
        [listed(&data["products"]), listed(&data["found"]), !data["product"].is_null(), !data["node"].is_null(), download == 200];
    assert!(download == 200 || download == 404, "{download}");
    match seen {
        [true, true, true, true, true] => "seen".to_owned(),
        [false, false, false, false, false] => "-".to_owned(),
        mixed => format!("{mixed:?}"),
    }
}

async fn download(app: &TestApp, who: Option<&Person>, path: &str) -> reqwest::Response {
    let mut request = app.http.get(app.url(path));
    if let Some(person) = who {
        request = request.header("cookie", format!("{}={}", api::auth::SESSION_COOKIE, person.session));
    }
    request.send().await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_seen_is_absent_everywhere() {
    let app = TestApp::start().await;
    let editor = app.staff(StaffRole::Editor).await;
    let (viewer, auditor) = (app.staff(StaffRole::Viewer).await, app.staff(StaffRole::Auditor).await);
    let outsider = app.person("olga@outside.example", None).await;
    let ada = app.person("ada@acme.example", None).await;
    let bob = app.person("bob@bolt.example", None).await;
    let dan = app.person("dan@declined.example", None).await;
    let acme = partner(&app, "acme", ada.id, TeamStatus::Active).await;
    partner(&app, "bolt", bob.id, TeamStatus::Active).await;
    let declined = partner(&app, "declined", dan.id, TeamStatus::Declined).await;

    let assign = async |slug: &str, target: Value| {
        let id = product(&app, &editor, slug, "ASSIGNED", &["PUBLISHED"]).await;
        let mut input = target;
        input["productId"] = json!(id);
        app.mutate_as(Some(&editor), "assignProduct", "AssignProductInput", input, "product { id }").await;
        id
    };
    let mut all = Vec::new();
    for (slug, visibility, status) in [
        ("open", "PUBLIC", &["PUBLISHED"][..]),
        ("ageing", "PUBLIC", &["PUBLISHED", "DEPRECATED"]),
        ("members", "MEMBERS", &["PUBLISHED"]),
        ("nobodys", "ASSIGNED", &["PUBLISHED"]),
        ("draft", "PUBLIC", &[]),
        ("retired", "PUBLIC", &["RETIRED"]),
    ] {
        all.push((slug, product(&app, &editor, slug, visibility, status).await));
    }
    all.push(("by-tier", assign("by-tier", json!({ "tierId": acme.tier.to_string() })).await));
    all.push(("by-team", assign("by-team", json!({ "teamId": acme.team.to_string() })).await));
    all.push(("by-client", assign("by-client", json!({ "clientId": acme.client.to_string() })).await));
    all.push(("declined", assign("declined", json!({ "teamId": declined.team.to_string() })).await));
    for (slug, status) in [
        ("subscribed", SubscriptionStatus::Active),
        ("suspended", SubscriptionStatus::Suspended),
        ("cancelled", SubscriptionStatus::Cancelled),
    ] {
        let id = product(&app, &editor, slug, "ASSIGNED", &["PUBLISHED"]).await;
        subscription(&app, &acme, &id, status).await;
        all.push((slug, id));
    }

    let people = [None, Some(&outsider), Some(&ada), Some(&bob), Some(&dan), Some(&viewer), Some(&auditor)];
    let mut table = "product: stranger, signed in, acme, bolt, declined team, staff, auditor\n".to_owned();
    for (slug, id) in &all {
        let mut cells = Vec::new();
        for who in people {
            cells.push(sight(&app, who, slug, id).await);
        }
        table += &format!("{slug}: {}\n", cells.join(" "));
    }
    insta::assert_snapshot!(table, @r"
    product: stranger, signed in, acme, bolt, declined team, staff, auditor
    open: seen seen seen seen seen seen seen
    ageing: seen seen seen seen seen seen seen
    members: - seen seen seen seen seen seen
    nobodys: - - - - - seen -
    draft: - - - - - seen -
    retired: - - - - - seen -
    by-tier: - - seen - - seen -
    by-team: - - seen - - seen -
    by-client: - - seen - - seen -
    declined: - - - - - seen -
    subscribed: - - seen - - seen -
    suspended: - - seen - - seen -
    cancelled: - - - - - seen -
    ");

    let input = json!({ "productId": all[6].1, "tierId": acme.tier.to_string() });
    app.mutate_as(Some(&editor), "unassignProduct", "UnassignProductInput", input, "product { id }").await;
    assert_eq!(sight(&app, Some(&ada), "by-tier", &all[6].1).await, "-");
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_versions_and_headings_are_as_hidden_as_their_product() {
    let app = TestApp::start().await;
    let editor = app.staff(StaffRole::Editor).await;
    let member = app.person("mia@member.example", None).await;
    let heading = app.mutate(Some(&editor), "createCategory", json!({ "name": "Secret things" }), "category { id slug }").await;
    let heading = &heading["category"];
    let id = product(&app, &editor, "members", "MEMBERS", &["PUBLISHED"]).await;
    app.mutate(Some(&editor), "updateProduct", json!({ "productId": id, "categories": [heading["id"]] }), "product { id }").await;
    let select = "{ product(slug: \"members\") { currentSpec { id } categories { slug } endpoints { nodes { id } } } }";
    let product = app.data(Some(&member), select, json!({})).await["product"].take();
    assert_eq!(product["categories"], json!([{ "slug": "secret-things" }]));
    let ids = [&product["currentSpec"]["id"], &product["endpoints"]["nodes"][0]["id"], &heading["id"]];
    for id in ids {
        let node =
            async |who| app.data(who, "query($id: ID!) { node(id: $id) { id } }", json!({ "id": id })).await["node"].take();
        assert_eq!(node(Some(&member)).await["id"], *id);
        assert_eq!(node(None).await, Value::Null, "{id}");
    }
    let headings = async |who| app.data(who, "{ categories { slug } }", json!({})).await["categories"].take();
    assert_eq!(headings(Some(&member)).await, json!([{ "slug": "secret-things" }]));
    assert_eq!(headings(None).await, json!([]));
    let search = "query($s: String, $c: String) { products(search: $s, category: $c) { nodes { slug } } }";
    for variables in [json!({ "s": "SECRET api" }), json!({ "c": "secret-things" }), json!({ "s": "mem", "c": "secret-things" })]
    {
        assert_eq!(app.data(Some(&member), search, variables.clone()).await["products"]["nodes"], json!([{ "slug": "members" }]));
        assert_eq!(app.data(None, search, variables).await["products"]["nodes"], json!([]));
    }
    for variables in [json!({ "s": "secret x_y" }), json!({ "s": "%" }), json!({ "c": "other" })] {
        assert_eq!(app.data(Some(&member), search, variables).await["products"]["nodes"], json!([]));
    }
    app.mutate_as(Some(&editor), "deleteCategory", "CategoryIdInput", json!({ "categoryId": heading["id"] }), "deletedId").await;
    assert_eq!(headings(Some(&editor)).await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_paged_by_name_both_ways() {
    let app = TestApp::start().await;
    let editor = app.staff(StaffRole::Editor).await;
    for (slug, name) in [("c", "beta"), ("a", "Alpha"), ("e", "Beta"), ("b", "alpha 2"), ("d", "Gamma")] {
        let input = json!({ "slug": slug, "name": name, "summary": "s", "basePath": slug, "visibility": "PUBLIC" });
        app.mutate(Some(&editor), "createProduct", input, "product { id }").await;
    }
    let query = "query($first: Int, $after: String, $last: Int, $before: String) {
        products(first: $first, after: $after, last: $last, before: $before) {
            nodes { slug } totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
        }
    }";
    let page = async |variables: Value| {
        let list = app.data(Some(&editor), query, variables).await["products"].take();
        let slugs: Vec<_> = list["nodes"].as_array().into_iter().flatten().filter_map(|node| node["slug"].as_str()).collect();
        let info = &list["pageInfo"];
        let text = format!("{} of {}, {} {}", slugs.join(" "), list["totalCount"], info["hasPreviousPage"], info["hasNextPage"]);
        (text, info["startCursor"].clone(), info["endCursor"].clone())
    };
    let (first, _, end) = page(json!({ "first": 2 })).await;
    assert_eq!(first, "a b of 5, false true");
    let (second, start, end) = page(json!({ "first": 2, "after": end })).await;
    assert_eq!(second, "c e of 5, true true");
    assert_eq!(page(json!({ "first": 2, "after": end })).await.0, "d of 5, true false");
    assert_eq!(page(json!({ "last": 5, "before": start })).await.0, "a b of 5, false true");
    assert_eq!(page(json!({ "last": 3 })).await.0, "c e d of 5, true false");
    for wrong in [json!({ "after": "prod_x" }), json!({ "after": "prod_00000000000000000000000000" }), json!({ "first": 101 })] {
        let answer = app.graphql(Some(&editor), query, wrong.clone()).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_product_is_said_at_once() {
    let app = TestApp::start().await;
    let editor = app.staff(StaffRole::Editor).await;
    product(&app, &editor, "pets", "PUBLIC", &["PUBLISHED"]).await;
    let wrong = async |field: &str, input_type: &str, input: Value| {
        let query =
            format!("mutation($input: {input_type}!) {{ {field}(input: $input) {{ userErrors {{ code path message }} }} }}");
        let data = app.data(Some(&editor), &query, json!({ "input": input })).await;
        let errors = data[field]["userErrors"].as_array().cloned().unwrap_or_default();
        let line = |error: &Value| format!("{} {}: {}\n", error["code"], error["path"], error["message"]);
        errors.iter().map(line).collect::<String>()
    };
    let pets = app.data(None, "{ product(slug: \"pets\") { id } }", json!({})).await["product"]["id"].take();
    let create = json!({
        "slug": "pets", "name": " ", "summary": "two\nlines", "basePath": "oauth2", "visibility": "PUBLIC", "categories": ["cat_x"]
    });
    let environment = json!({
        "productId": pets, "environment": "SANDBOX", "backend": "UPSTREAM", "upstreamUrl": "http://169.254.169.254/", "timeoutMs": 0,
        "headers": [
            { "name": "Host", "value": "x", "secret": false }, { "name": "X-Key", "value": "a\nb", "secret": true },
            { "name": "X-A", "value": "", "secret": true }, { "name": "x-a", "value": "1", "secret": false },
        ]
    });
    let told = [
        wrong("createProduct", "CreateProductInput", create).await,
        wrong("setProductStatus", "SetProductStatusInput", json!({ "productId": pets, "status": "RETIRED" })).await,
        wrong("setProductEnvironment", "SetProductEnvironmentInput", environment).await,
        wrong(
            "setProductEnvironment",
            "SetProductEnvironmentInput",
            json!({ "productId": pets, "environment": "SANDBOX", "backend": "UPSTREAM" }),
        )
        .await,
        wrong(
            "setProductEnvironment",
            "SetProductEnvironmentInput",
            json!({ "productId": pets, "environment": "SANDBOX", "backend": "MOCK", "upstreamUrl": "https://x.example",
                "headers": [{ "name": "X-A", "value": "1", "secret": false }] }),
        )
        .await,
        wrong("assignProduct", "AssignProductInput", json!({ "productId": pets })).await,
        wrong("assignProduct", "AssignProductInput", json!({ "productId": pets, "teamId": "nonsense" })).await,
        wrong("createCategory", "CreateCategoryInput", json!({ "name": "日本" })).await,
    ];
    insta::assert_snapshot!(told.join("\n"), @r#"
    "REQUIRED" ["name"]: "must not be empty"
    "INVALID" ["summary"]: "must be one line without control, zero-width and text direction characters: take out U+000A"
    "INVALID" ["basePath"]: "is one of the gateway's own paths (oauth2, .well-known, _portico): choose another"
    "TAKEN" ["slug"]: "pets is taken by another product: choose another"
    "NOT_FOUND" ["categories"]: "names a category that does not exist"

    "WRONG_STATE" ["status"]: "product cannot become RETIRED while PUBLISHED: deprecate it first"

    "INVALID" ["upstreamUrl"]: "must not be a link-local, metadata, multicast or unspecified address"
    "INVALID" ["timeoutMs"]: "must be from 1 to 120000 milliseconds"
    "INVALID" ["headers","0","name"]: "Host is set by the gateway itself: choose another name"
    "INVALID" ["headers","1","value"]: "must be one line of visible ASCII without spaces around it"
    "REQUIRED" ["headers","2","value"]: "must not be empty"
    "INVALID" ["headers","3","name"]: "x-a stands twice in the list"

    "REQUIRED" ["upstreamUrl"]: "is where calls go: give a URL such as https://api.example.com"

    "INVALID" ["upstreamUrl"]: "a MOCK answers from the document and calls nobody: leave it out"
    "INVALID" ["headers"]: "a MOCK has no upstream that they could be sent to: leave them out"

    "INVALID" []: "give exactly one of tierId, teamId and clientId"

    "NOT_FOUND" ["teamId"]: "there is no such team"

    "INVALID" ["name"]: "must contain a letter a to z or a digit"
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_editors_change_the_catalog() {
    let app = TestApp::start().await;
    let editor = app.staff(StaffRole::Editor).await;
    let (reviewer, member) = (app.staff(StaffRole::Reviewer).await, app.person("mia@member.example", None).await);
    let id = product(&app, &editor, "pets", "PUBLIC", &["PUBLISHED"]).await;
    let product =
        app.data(None, "{ product(slug: \"pets\") { currentSpec { id } endpoints { nodes { id } } } }", json!({})).await;
    let (spec, endpoint) = (&product["product"]["currentSpec"]["id"], &product["product"]["endpoints"]["nodes"][0]["id"]);
    let mutations = [
        (
            "createProduct",
            "CreateProductInput",
            json!({ "slug": "x", "name": "x", "summary": "x", "basePath": "x", "visibility": "PUBLIC" }),
        ),
        ("updateProduct", "UpdateProductInput", json!({ "productId": id, "name": "x" })),
        ("setProductStatus", "SetProductStatusInput", json!({ "productId": id, "status": "DEPRECATED" })),
        (
            "setProductEnvironment",
            "SetProductEnvironmentInput",
            json!({ "productId": id, "environment": "SANDBOX", "backend": "UPSTREAM" }),
        ),
        ("assignProduct", "AssignProductInput", json!({ "productId": id, "teamId": "team_x" })),
        ("unassignProduct", "UnassignProductInput", json!({ "productId": id, "teamId": "team_x" })),
        ("publishSpec", "PublishSpecInput", json!({ "productId": id, "document": "x", "publishEndpoints": true })),
        ("setSpecStatus", "SetSpecStatusInput", json!({ "specId": spec, "status": "RETIRED" })),
        ("setEndpointStatus", "SetEndpointStatusInput", json!({ "endpointId": endpoint, "status": "DRAFT" })),
        ("createCategory", "CreateCategoryInput", json!({ "name": "x" })),
        ("deleteCategory", "CategoryIdInput", json!({ "categoryId": "cat_x" })),
    ];
    for (field, input_type, input) in mutations {
        let query = format!("mutation($input: {input_type}!) {{ {field}(input: $input) {{ userErrors {{ code }} }} }}");
        for (who, code) in [(None, "UNAUTHENTICATED"), (Some(&member), "FORBIDDEN"), (Some(&reviewer), "FORBIDDEN")] {
            let answer = app.graphql(who, &query, json!({ "input": input })).await;
            let got = &answer["errors"][0]["extensions"]["code"];
            // A malformed id is refused before anybody is asked who they are: it can be nobody's.
            assert!(got == code || got == "NOT_FOUND" && field == "deleteCategory", "{field}: {answer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_keeps_its_secrets() {
    let gateway = "https://api.harbour.example".parse().expect("a URL");
    let app = TestApp::start_with(|config| config.gateway_url = Some(gateway)).await;
    let editor = app.staff(StaffRole::Editor).await;
    let id = product(&app, &editor, "pets", "PUBLIC", &["PUBLISHED"]).await;
    let select = "product { environments { environment baseUrl backend upstreamUrl timeoutMs logSink headers { name value } } }";
    let input = json!({
        "productId": id, "environment": "PRODUCTION", "backend": "UPSTREAM", "upstreamUrl": "http://10.1.2.3:8080/v1/",
        "headers": [
            { "name": "X-Source", "value": "portal", "secret": false }, { "name": "Authorization", "value": "Bearer s3cret", "secret": true },
        ]
    });
    app.mutate(Some(&editor), "setProductEnvironment", input, select).await;
    // The secret is kept by its name; the plain one is taken away.
    let input = json!({
        "productId": id, "environment": "PRODUCTION", "backend": "UPSTREAM", "timeoutMs": 5000,
        "headers": [{ "name": "authorization", "value": "", "secret": true }]
    });
    let kept = app.mutate(Some(&editor), "setProductEnvironment", input, select).await;
    insta::assert_json_snapshot!(kept["product"]["environments"], @r#"
    [
      {
        "environment": "PRODUCTION",
        "baseUrl": "https://api.harbour.example/pets",
        "backend": "UPSTREAM",
        "upstreamUrl": "http://10.1.2.3:8080/v1",
        "timeoutMs": 5000,
        "logSink": "DATABASE",
        "headers": [
          {
            "name": "authorization",
            "value": null
          }
        ]
      }
    ]
    "#);
    // Pages that may call: as browsers write their origins, and what is none is told at its place.
    let origins = async |given: Value| {
        let input = json!({ "productId": id, "environment": "PRODUCTION", "backend": "UPSTREAM", "allowedOrigins": given });
        let query = "mutation($input: SetProductEnvironmentInput!) { setProductEnvironment(input: $input) {
            product { environments { allowedOrigins } } userErrors { code path } } }";
        let done = app.data(Some(&editor), query, json!({ "input": input })).await["setProductEnvironment"].take();
        match &done["product"] {
            Value::Null => done["userErrors"][0]["path"].clone(),
            product => product["environments"][0]["allowedOrigins"].clone(),
        }
    };
    assert_eq!(
        origins(json!(["HTTPS://App.example:443/", "http://localhost:3000"])).await,
        json!(["https://app.example", "http://localhost:3000"])
    );
    assert_eq!(origins(json!(["https://a.example", "https://*.b.example"])).await, json!(["allowedOrigins", "1"]));
    assert_eq!(origins(json!(["*", "https://a.example"])).await, json!(["allowedOrigins"]));
    assert_eq!(origins(Value::Null).await, json!(["https://app.example", "http://localhost:3000"]), "left out, it stays");
    assert_eq!(origins(json!([])).await, json!([]));
    let stored =
        entities::product_environment::Entity::find().one(&app.domain().db).await.expect("a row").expect("an environment");
    let entities::columns::HeaderContent::Sealed(sealed) = &stored.headers[0].value else { panic!("a plain secret") };
    let opened = app.domain().keys.open(domain::keyring::Purpose::UpstreamHeader, sealed).expect("our own key");
    assert_eq!(secrecy::ExposeSecret::expose_secret(&opened), "Bearer s3cret");
    let events = entities::audit_event::Entity::find().all(&app.domain().db).await.expect("rows");
    let log: String = events.iter().map(|event| event.changes.to_string()).collect();
    assert!(log.contains("replacedSecrets") && !log.contains("s3cret") && !log.contains(sealed.as_str()), "{log}");

    let select = "{ product(slug: \"pets\") { environments { environment backend upstreamUrl timeoutMs logSink headers { name } } assignments { totalCount } } }";
    let seen = app.data(None, select, json!({})).await;
    insta::assert_json_snapshot!(seen["product"], @r#"
    {
      "environments": [
        {
          "environment": "PRODUCTION",
          "backend": null,
          "upstreamUrl": null,
          "timeoutMs": null,
          "logSink": null,
          "headers": null
        }
      ],
      "assignments": null
    }
    "#);
}

#[tokio::test]
async fn calls_are_not_sent_back_to_where_they_came_from() {
    let app = TestApp::start_with(|config| config.base_url = Some("http://portal.example.com".parse().expect("a URL"))).await;
    let editor = app.staff(StaffRole::Editor).await;
    let made = app
        .mutate(
            Some(&editor),
            "createProduct",
            json!({ "slug": "loop", "name": "Loop", "summary": "s", "basePath": "loop", "visibility": "PUBLIC" }),
            "product { id }",
        )
        .await;
    let set = async |url: &str| {
        let input =
            json!({ "productId": made["product"]["id"], "environment": "SANDBOX", "backend": "UPSTREAM", "upstreamUrl": url });
        app.refusal(Some(&editor), "setProductEnvironment", "SetProductEnvironmentInput", input).await
    };
    let gateway = app.app.gateway.as_ref().expect("a gateway").address().port();
    let api = app.app.api.expect("an API").port();
    for ours in [
        format!("http://127.0.0.1:{gateway}/loop"),
        format!("http://localhost:{gateway}/loop"),
        format!("http://a.localhost.:{api}"),
        format!("http://[::ffff:127.0.0.1]:{api}/graphql"),
        format!("http://2130706433:{gateway}"),
        "http://PORTAL.example.com/loop".to_owned(),
    ] {
        let told = set(&ours).await;
        assert_eq!(told, "INVALID upstreamUrl: leads to Portico itself: give the address of the API behind it", "{ours}");
    }
    for other in ["http://127.0.0.1:9", "https://api.example.com/portal.example.com"] {
        assert_eq!(set(other).await, "fine : ", "{other}");
    }
}
