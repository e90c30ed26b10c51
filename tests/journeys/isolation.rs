//! What is another team's does not exist: null, or NOT_FOUND, whatever asks for it.

use serde_json::{Value, json};

use crate::app::TestApp;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_team_is_there_for_another() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let product = app.product(&editor, "ship", "PUBLIC").await;
    let scopes = json!([{ "name": "ship:write", "grant": "OPTIONAL" }]);
    let plan = app.plan(&editor, &product, "free", true, json!({ "approval": "STANDARD", "scopes": scopes })).await;
    let (dev, team) = app.partner("acme").await;
    let held = app.subscribed(&dev, &team, &plan).await;
    let query = "query($id: ID!) { subscription(id: $id) { lanes { credentials { id } } } }";
    let seen = app.data(Some(&dev), query, json!({ "id": held.id })).await;
    let credential = seen["subscription"]["lanes"][0]["credentials"][0]["id"].clone();
    let log = "query($id: ID!) { node(id: $id) { ... on Team { auditLog { nodes { id action } } } } }";
    let events = app.data(Some(&dev), log, json!({ "id": team })).await;
    let event = events["node"]["auditLog"]["nodes"][0]["id"].clone();
    let policy = app.mutate(Some(&editor), "createPolicy", json!({ "name": "p" }), "policy { id }").await["policy"]["id"].clone();
    let input = json!({ "subscriptionId": held.id });
    let select = "subscription { pipeline { submission { id } } }";
    let submission =
        app.mutate(Some(&dev), "submitForReview", input, select).await["subscription"]["pipeline"]["submission"]["id"].take();
    let input = json!({ "subscriptionId": held.id, "scopes": ["ship:write"] });
    let request = app.mutate(Some(&dev), "requestScopes", input, "requests { id }").await["requests"][0]["id"].take();
    let (stranger, _) = app.partner("globex").await;

    let ids = [&team, &held.id, &held.client, &held.sandbox, &credential, &event, &submission, &request];
    let query = "query($id: ID!) { node(id: $id) { __typename } }";
    for id in ids {
        let node = async |who| app.data(who, query, json!({ "id": id })).await["node"].clone();
        assert!(node(Some(&dev)).await.is_object(), "{id}");
        assert_eq!(node(Some(&stranger)).await, Value::Null, "{id}");
        assert_eq!(node(None).await, Value::Null, "{id}");
    }
    let policy_node = app.data(Some(&stranger), query, json!({ "id": policy })).await;
    assert_eq!(policy_node["node"], Value::Null);
    let query = "query($id: ID!) { subscription(id: $id) { id } }";
    assert_eq!(app.data(Some(&stranger), query, json!({ "id": held.id })).await["subscription"], Value::Null);
    let query = "{ product(slug: \"ship\") { viewerSubscriptions { id } } }";
    assert_eq!(app.data(Some(&stranger), query, json!({})).await["product"]["viewerSubscriptions"], json!([]));

    let before = app.stored().await;
    for (field, input_type, input) in [
        ("subscribe", "SubscribeInput", json!({ "planId": plan, "teamId": team, "name": "Mine" })),
        ("cancelSubscription", "CancelSubscriptionInput", json!({ "subscriptionId": held.id })),
        ("updateSubscription", "UpdateSubscriptionInput", json!({ "subscriptionId": held.id, "name": "Mine" })),
        ("submitForReview", "SubmitForReviewInput", json!({ "subscriptionId": held.id })),
        ("withdrawSubmission", "SubscriptionIdInput", json!({ "subscriptionId": held.id })),
        ("requestScopes", "RequestScopesInput", json!({ "subscriptionId": held.id, "scopes": ["ship:write"] })),
        ("withdrawScopeRequest", "ScopeRequestIdInput", json!({ "scopeRequestId": request })),
        ("renounceScope", "RenounceScopeInput", json!({ "subscriptionId": held.id, "scope": "ship:read" })),
        ("claimCredential", "CredentialIdInput", json!({ "credentialId": credential })),
        ("createCredential", "CreateCredentialInput", json!({ "profileId": held.sandbox })),
        ("revokeCredential", "CredentialIdInput", json!({ "credentialId": credential })),
        ("updateNetworkRules", "UpdateNetworkRulesInput", json!({ "profileId": held.sandbox, "ipAllowlist": [] })),
    ] {
        assert_eq!(app.refused(Some(&stranger), field, input_type, input.clone()).await, "NOT_FOUND", "{field}");
        assert_eq!(app.refused(None, field, input_type, input).await, "UNAUTHENTICATED", "{field}");
    }
    for (field, input_type, input) in [
        ("suspendSubscription", "DecideSubscriptionInput", json!({ "subscriptionId": held.id })),
        ("reinstateSubscription", "DecideSubscriptionInput", json!({ "subscriptionId": held.id })),
        ("approveSubscription", "DecideSubscriptionInput", json!({ "subscriptionId": held.id })),
        ("rejectSubscription", "DecideSubscriptionInput", json!({ "subscriptionId": held.id })),
        ("startReview", "SubmissionIdInput", json!({ "submissionId": submission })),
        ("approveSubmission", "DecideSubmissionInput", json!({ "submissionId": submission })),
        ("rejectSubmission", "DecideSubmissionInput", json!({ "submissionId": submission })),
        ("requestChanges", "DecideSubmissionInput", json!({ "submissionId": submission, "notes": "More" })),
        ("approveScopeRequest", "DecideScopeRequestInput", json!({ "scopeRequestId": request })),
        ("declineScopeRequest", "DecideScopeRequestInput", json!({ "scopeRequestId": request })),
        ("revokeScope", "RevokeScopeInput", json!({ "subscriptionId": held.id, "scope": "ship:read" })),
        ("createApprovalGroup", "CreateApprovalGroupInput", json!({ "name": "g", "memberIds": [] })),
        ("updateClient", "UpdateClientInput", json!({ "clientId": held.client, "name": "Mine" })),
        ("updateProfile", "UpdateProfileInput", json!({ "profileId": held.sandbox, "name": "Mine" })),
        ("attachPolicy", "AttachPolicyInput", json!({ "clientId": held.client, "policyId": policy })),
        ("setPortalAccess", "SetPortalAccessInput", json!({ "clientId": held.client, "enabled": true, "authorizedEmails": [] })),
        ("updatePlan", "UpdatePlanInput", json!({ "planId": plan, "name": "Mine" })),
        ("setPlanStatus", "SetPlanStatusInput", json!({ "planId": plan, "status": "INACTIVE" })),
        ("updatePolicy", "UpdatePolicyInput", json!({ "policyId": policy, "name": "Mine" })),
        ("deletePolicy", "PolicyIdInput", json!({ "policyId": policy })),
        ("onboardPartner", "OnboardPartnerInput", json!({ "teamId": team, "emails": [] })),
    ] {
        assert_eq!(app.refused(Some(&stranger), field, input_type, input).await, "FORBIDDEN", "{field}");
    }
    assert_eq!(app.stored().await, before, "nothing changed");
}
