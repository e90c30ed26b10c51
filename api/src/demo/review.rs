//! The demo's road from the sandbox to production: tried on a mock, submitted, sent back, submitted again, approved, claimed.

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use super::{
    journey::{Places, Sandbox, call, text},
    person::{Failure, Person, eventually},
    report::Report,
};

/// The partner tries the API before anybody has decided anything.
pub async fn sandbox(
    report: &Report,
    developer: &Person,
    sandbox: &Sandbox,
    places: &Places,
    http: &Client,
) -> Result<(), Failure> {
    report.title("The sandbox");
    report
        .step("GET /shipping/shipments/SH-1001, mocked", async {
            let url = format!("{}/shipping/shipments/SH-1001", places.gateway);
            eventually("the gateway did not accept the sandbox key", async || {
                let made = call(http, Method::GET, url.clone(), Some(&sandbox.key)).await.ok()?;
                (made.status == StatusCode::OK).then_some(())
            })
            .await?;
            Ok(("200 OK, made from the OpenAPI document".to_owned(), ()))
        })
        .await?;
    report
        .step("production is locked, and says why", async {
            let query = "query($id: ID!) { subscription(id: $id) { lanes { lockedReasons } nextSteps } }";
            let seen = developer.ask(query, json!({ "id": sandbox.subscription })).await?;
            let reason = text(&seen, "/subscription/lanes/1/lockedReasons/0")?;
            let next = text(&seen, "/subscription/nextSteps/0")?;
            Ok((format!("{reason}; next: {next}"), ()))
        })
        .await
}

/// The work is reviewed; gives the production key that the approval issued.
pub async fn review(report: &Report, owner: &Person, developer: &Person, sandbox: &Sandbox) -> Result<String, Failure> {
    report.title("The review");
    let first = report.step("the partner submits its work", submit(developer, sandbox, "Tracking")).await?;
    report
        .step("the provider asks for more", async {
            let notes = "Which of your services will call us?";
            let input = json!({ "submissionId": first, "notes": notes });
            owner.change("requestChanges", "DecideSubmissionInput", input, "subscription { id }").await?;
            Ok((format!("“{notes}”"), ()))
        })
        .await?;
    let second =
        report.step("the partner says more and submits again", submit(developer, sandbox, "Tracking, from our app")).await?;
    report
        .step("the provider approves", async {
            let input = json!({ "submissionId": second, "notes": "Welcome" });
            let select = "subscription { pipeline { phase } }";
            let seen = owner.change("approveSubmission", "DecideSubmissionInput", input, select).await?;
            Ok((format!("{}: its credential waits, unclaimed", text(&seen, "/subscription/pipeline/phase")?), ()))
        })
        .await?;
    report
        .step("the partner was told of each step", async {
            let seen = developer.ask("{ viewer { notifications(first: 5) { nodes { title } } } }", json!({})).await?;
            let nodes = seen.pointer("/viewer/notifications/nodes").and_then(Value::as_array).ok_or("no notifications")?;
            let titles: Vec<_> = nodes.iter().rev().filter_map(|node| node["title"].as_str()).collect();
            Ok((titles.join("; "), ()))
        })
        .await?;
    report.step("and claims its key, shown once", claim(developer, sandbox)).await
}

async fn submit(developer: &Person, sandbox: &Sandbox, what: &str) -> Result<(String, String), Failure> {
    let answers = json!([{ "key": "use", "value": what }]);
    let input = json!({ "subscriptionId": sandbox.subscription, "answers": answers });
    let select = "subscription { pipeline { phase submission { id dueAt } } }";
    let seen = developer.change("submitForReview", "SubmitForReviewInput", input, select).await?;
    let phase = text(&seen, "/subscription/pipeline/phase")?;
    let due = text(&seen, "/subscription/pipeline/submission/dueAt")?;
    Ok((format!("{phase}, due {due}"), text(&seen, "/subscription/pipeline/submission/id")?))
}

async fn claim(developer: &Person, sandbox: &Sandbox) -> Result<(String, String), Failure> {
    let query = "query($id: ID!) { subscription(id: $id) { lanes { credentials { id } } } }";
    let seen = developer.ask(query, json!({ "id": sandbox.subscription })).await?;
    let input = json!({ "credentialId": text(&seen, "/subscription/lanes/1/credentials/0/id")? });
    let select = "credential { masked } issued { secret }";
    let made = developer.change("claimCredential", "CredentialIdInput", input, select).await?;
    Ok((text(&made, "/credential/masked")?, text(&made, "/issued/secret")?))
}
