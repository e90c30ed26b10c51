//! What people are told: in the portal, and nobody else's.

use entities::enums::{AccessLevel, StaffRole};
use serde_json::{Value, json};

use crate::app::{Person, TestApp};

const LIST: &str = "query($unread: Boolean) { viewer { notifications(unreadOnly: $unread) {
    totalCount nodes { id kind title body at readAt } } } }";

async fn told(app: &TestApp, who: &Person, unread: bool) -> Vec<Value> {
    let seen = app.data(Some(who), LIST, json!({ "unread": unread })).await["viewer"]["notifications"].take();
    let nodes = seen["nodes"].as_array().expect("nodes").clone();
    assert_eq!(seen["totalCount"], nodes.len());
    nodes
}

#[tokio::test(flavor = "multi_thread")]
async fn members_learn_of_a_suspension_and_mark_it_read() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let product = app.product(&editor, "ship", "PUBLIC").await;
    let plan = app.plan(&editor, &product, "free", true, json!({})).await;
    let (dev, team) = app.partner("acme").await;
    let reader = app.member(&team, "reader@acme.example", AccessLevel::Read).await;
    let blind = app.member(&team, "blind@acme.example", AccessLevel::None).await;
    let (stranger, _) = app.partner("globex").await;
    let held = app.subscribed(&dev, &team, &plan).await;
    assert_eq!(told(&app, &dev, false).await, Vec::<Value>::new());
    let input = json!({ "subscriptionId": held.id, "notes": "Unpaid" });
    assert_eq!(app.refused(Some(&editor), "suspendSubscription", "DecideSubscriptionInput", input).await, "");
    for who in [&dev, &reader] {
        let seen = told(&app, who, true).await;
        assert_eq!(seen.len(), 1);
        assert_eq!((&seen[0]["kind"], &seen[0]["readAt"]), (&json!("SUBSCRIPTION"), &Value::Null));
        assert!(seen[0]["title"].as_str().is_some_and(|title| title.ends_with(" is suspended")), "{}", seen[0]);
        assert!(seen[0]["body"].as_str().is_some_and(|body| body.ends_with("\n\nUnpaid")), "{}", seen[0]);
    }
    for who in [&blind, &stranger, &editor] {
        assert_eq!(told(&app, who, false).await, Vec::<Value>::new());
    }
    let input = json!({ "subscriptionId": held.id });
    assert_eq!(app.refused(Some(&editor), "reinstateSubscription", "DecideSubscriptionInput", input).await, "");
    let both = told(&app, &dev, false).await;
    assert!(both[0]["title"].as_str().is_some_and(|title| title.ends_with(" is reinstated")), "newest first: {}", both[0]);
    let first = both[1]["id"].clone();

    let node = "query($id: ID!) { node(id: $id) { ... on Notification { readAt } } }";
    for (who, seen) in [(&dev, json!({ "readAt": null })), (&reader, Value::Null), (&stranger, Value::Null)] {
        assert_eq!(app.data(Some(who), node, json!({ "id": first })).await["node"], seen);
    }
    let mark = async |who, ids: Value| {
        let input = json!({ "ids": ids });
        app.mutate_as(Some(who), "markNotificationsRead", "MarkNotificationsReadInput", input, "unread").await["unread"].take()
    };
    assert_eq!(mark(&stranger, json!([first])).await, 0);
    assert_eq!(told(&app, &dev, true).await.len(), 2, "a stranger marks nothing of others");
    assert_eq!(mark(&dev, json!([first])).await, 1);
    assert_eq!(told(&app, &dev, true).await, [both[0].clone()]);
    let input = json!({ "ids": vec![first.clone(); 501] });
    let select = "unread userErrors { code path }";
    let refused = app
        .data(
            Some(&dev),
            &format!("mutation($input: MarkNotificationsReadInput!) {{ markNotificationsRead(input: $input) {{ {select} }} }}"),
            json!({ "input": input }),
        )
        .await;
    assert_eq!(refused["markNotificationsRead"]["unread"], 1);
    assert_eq!(refused["markNotificationsRead"]["userErrors"].as_array().map(Vec::len), Some(1), "{refused}");
    assert_eq!(mark(&dev, Value::Null).await, 0);
    assert_eq!(told(&app, &reader, true).await.len(), 2, "each marks their own");

    let input = json!({ "subscriptionId": held.id });
    assert_eq!(app.refused(Some(&dev), "cancelSubscription", "CancelSubscriptionInput", input).await, "");
    assert_eq!(told(&app, &dev, true).await, Vec::<Value>::new(), "who acted knows");
    let seen = told(&app, &reader, true).await;
    assert!(seen[0]["title"].as_str().is_some_and(|title| title.ends_with(" is cancelled")), "{}", seen[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_step_of_a_review_is_told_to_those_whom_it_concerns() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let (inside, outside) =
        (app.person("inside@provider.example", Some(StaffRole::Reviewer)).await, app.staff(StaffRole::Reviewer).await);
    let (admin, former) =
        (app.staff(StaffRole::Admin).await, app.person("former@provider.example", Some(StaffRole::Reviewer)).await);
    let group = json!({ "name": "Compliance", "memberIds": [inside.id.to_string(), former.id.to_string()] });
    let group = app.mutate(Some(&admin), "createApprovalGroup", group, "group { id }").await;
    let input = json!({ "email": former.email, "role": null });
    assert_eq!(app.refused(Some(&admin), "setStaffRole", "SetStaffRoleInput", input).await, "");
    let product = app.product(&editor, "ship", "PUBLIC").await;
    let more = json!({ "approval": "STANDARD", "approvalGroupId": group["group"]["id"] });
    let plan = app.plan(&editor, &product, "partner", true, more).await;
    let (dev, team) = app.partner("acme").await;
    let mate = app.member(&team, "mate@acme.example", AccessLevel::Read).await;
    let held = app.subscribed(&dev, &team, &plan).await;
    let submit = async || {
        let input = json!({ "subscriptionId": held.id });
        let select = "subscription { pipeline { submission { id } } }";
        let mut done = app.mutate(Some(&dev), "submitForReview", input, select).await;
        done["subscription"]["pipeline"]["submission"]["id"].take()
    };
    let decide = async |field: &str, input: &str, submission: &Value| {
        let mut given = json!({ "submissionId": submission });
        if field != "startReview" {
            given["notes"] = json!("As we said");
        }
        assert_eq!(app.refused(Some(&inside), field, input, given).await, "", "{field}");
    };
    let first = submit().await;
    decide("startReview", "SubmissionIdInput", &first).await;
    decide("requestChanges", "DecideSubmissionInput", &first).await;
    let second = submit().await;
    decide("approveSubmission", "DecideSubmissionInput", &second).await;
    let titles = async |who| {
        let mut list = told(&app, who, false).await;
        list.reverse();
        list.iter().map(|notice| format!("{}: {}\n", notice["kind"], notice["title"])).collect::<String>()
    };
    insta::assert_snapshot!(titles(&mate).await, @r#"
    "REVIEW": "Ours is in review"
    "REVIEW": "Ours needs changes"
    "REVIEW": "Ours may go to production"
    "#);
    insta::assert_snapshot!(titles(&inside).await, @r#"
    "REVIEW": "Ours of acme waits for review"
    "REVIEW": "Ours of acme waits for review"
    "#);
    assert_eq!(titles(&dev).await, titles(&mate).await, "who submits is told of decisions too");
    assert_eq!(titles(&outside).await, "", "another group's");
    assert_eq!(titles(&former).await, "", "in the group, and of the staff no more");
}

/// A built-in page, opened as a browser would: its status, where it leads to, and what it says.
async fn page(app: &TestApp, who: Option<&Person>, path: &str) -> (u16, String, String) {
    let mut request = app.http.get(app.url(path));
    if let Some(person) = who {
        request = request.header("cookie", format!("{}={}", api::auth::SESSION_COOKIE, person.session));
    }
    let answer = request.send().await.expect("an answer");
    let to = answer.headers().get("location").and_then(|to| to.to_str().ok()).unwrap_or_default().to_owned();
    (answer.status().as_u16(), to, answer.text().await.expect("a page").replace("&#x2f;", "/"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_leads_to_what_it_says_and_only_its_reader_there() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let product = app.product(&editor, "ship", "PUBLIC").await;
    let plan = app.plan(&editor, &product, "free", true, json!({})).await;
    let (dev, team) = app.partner("acme").await;
    let (stranger, _) = app.partner("globex").await;
    let held = app.subscribed(&dev, &team, &plan).await;
    let input = json!({ "subscriptionId": held.id, "notes": "Unpaid <since> May" });
    assert_eq!(app.refused(Some(&editor), "suspendSubscription", "DecideSubscriptionInput", input).await, "");
    let mails = app.mails().await;
    let [mail] = mails.iter().filter(|mail| mail.to == dev.email).collect::<Vec<_>>()[..] else { panic!("{mails:?}") };
    assert!(mail.subject.ends_with(" is suspended"), "{}", mail.subject);
    assert!(mail.text.contains("\n\nUnpaid <since> May\n") && mail.html.contains("Unpaid &lt;since&gt; May"), "{}", mail.text);
    let path = mail.link.strip_prefix(&app.url("")).expect("a link into the portal");
    let notice = path.strip_prefix("/notifications/").expect("a page of its own");
    assert_eq!(notice, told(&app, &dev, true).await[0]["id"]);

    let (status, to, _) = page(&app, None, path).await;
    assert_eq!((status, to.as_str()), (303, &*format!("/auth/sign-in?redirectTo={path}")));
    let (status, _, form) = page(&app, None, &to).await;
    assert!(status == 200 && form.contains(&format!("name=\"redirectTo\" value=\"{path}\"")), "{form}");
    let (status, _, text) = page(&app, Some(&stranger), path).await;
    assert!(status == 404 && !text.contains("suspended") && text.contains(&stranger.email), "{text}");
    assert_eq!(told(&app, &dev, true).await.len(), 1, "nobody has read it yet");
    let (status, _, text) = page(&app, Some(&dev), path).await;
    assert!(status == 200 && text.contains("is suspended</h1>") && text.contains("<p>Unpaid &lt;since&gt; May</p>"), "{text}");
    assert_eq!(told(&app, &dev, true).await.len(), 0, "opening it is reading it");
    for nonsense in ["/notifications/nonsense", "/notifications/sub_01h2xcejqtf2nbrexx3vqjhp41"] {
        assert_eq!(page(&app, None, nonsense).await.1, "/auth/sign-in");
        assert_eq!(page(&app, Some(&dev), nonsense).await.0, 404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_in_the_portal_is_not_mailed_and_a_request_for_support_reaches_somebody() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let viewer = app.staff(StaffRole::Viewer).await;
    let product = app.product(&editor, "ship", "PUBLIC").await;
    let plan = app.plan(&editor, &product, "free", true, json!({})).await;
    let (dev, team) = app.partner("acme").await;
    let held = app.subscribed(&dev, &team, &plan).await;
    for field in ["suspendSubscription", "reinstateSubscription"] {
        let input = json!({ "subscriptionId": held.id });
        assert_eq!(app.refused(Some(&editor), field, "DecideSubscriptionInput", input).await, "");
    }
    let seen = told(&app, &dev, true).await;
    let input = json!({ "ids": [seen[1]["id"]] });
    app.mutate(Some(&dev), "markNotificationsRead", input, "unread").await;
    let subjects: Vec<_> = app.mails().await.into_iter().map(|mail| mail.subject).collect();
    assert_eq!(subjects, [seen[0]["title"].as_str().expect("a title")]);

    // No address takes requests: those who look after partners do.
    let input = json!({ "teamId": team, "topic": "REFUSED_CALL", "subject": "A 429", "body": "Since Monday" });
    app.mutate(Some(&dev), "contactSupport", input, "reference").await;
    let told_editor = told(&app, &editor, true).await;
    assert_eq!(told_editor[0]["kind"], "SUPPORT");
    assert!(told_editor[0]["body"].as_str().is_some_and(|body| body.ends_with("\n\nSince Monday")), "{}", told_editor[0]);
    assert_eq!(told(&app, &viewer, true).await, Vec::<Value>::new());
}
