//! Who sets a provider up, and with what.

use entities::{
    audit_event,
    enums::{AccessLevel, StaffRole},
    sso_provider,
};
use sea_orm::EntityTrait;
use serde_json::{Value, json};

use super::Organisation;
use crate::{
    domains::claim,
    identity_provider::{IdentityProvider, Lie, SECRET, somebody},
    sign_in::header,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_is_set_up_by_the_teams_own_managers() {
    let org = Organisation::new().await;
    let app = &org.app;
    let (other, others) = app.partner("globex").await;
    let member = app.member(&org.team, "m@acme.example", AccessLevel::Full).await;
    let owner = app.staff(StaffRole::Owner).await;
    for (who, code) in [(&member, "FORBIDDEN"), (&other, "NOT_FOUND"), (&owner, "FORBIDDEN")] {
        let refused = org.configure_refused(who, json!({})).await;
        assert!(refused.starts_with(code), "{} {refused}", who.email);
    }
    let refused = app.refusal(Some(&other), "removeSso", "SsoProviderIdInput", json!({ "providerId": org.provider })).await;
    assert!(refused.starts_with("NOT_FOUND"), "{refused}");
    let refused = org.configure_refused(&other, json!({ "teamId": others })).await;
    assert!(refused.starts_with("NOT_FOUND"), "another team's provider: {refused}");

    let dev = &org.dev;
    insta::assert_snapshot!(org.configure_refused(dev, json!({ "domains": ["globex.example"] })).await, @"WRONG_STATE domains: globex.example is not proven yet: claim it, publish its DNS record and verify it first");
    insta::assert_snapshot!(org.configure_refused(dev, json!({ "domains": [] })).await, @"REQUIRED domains: name one domain at least: whose people sign in by it");
    insta::assert_snapshot!(org.configure_refused(dev, json!({ "issuer": format!("{}/other", org.idp.issuer) })).await, @"INVALID issuer: no OpenID Connect provider answers there for this issuer: its /.well-known/openid-configuration must name the same issuer, and the code flow with S256");
    insta::assert_snapshot!(org.configure_refused(dev, json!({ "issuer": "http://169.254.169.254/" })).await, @"INVALID issuer: must be at a public address: neither this machine's nor one of a private network");
    org.idp.lies(Lie::Down);
    assert!(org.configure_refused(dev, json!({})).await.starts_with("INVALID issuer: no OpenID Connect provider answers there"));
    org.idp.lies(Lie::None);
    let second = IdentityProvider::start().await.by(&app.domain().env);
    insta::assert_snapshot!(org.configure_refused(dev, json!({ "providerId": null, "issuer": second.issuer })).await, @"TAKEN domains: people at acme.example sign in by another of the team's providers: take it out there first");
    let moved = json!({ "issuer": second.issuer, "clientSecret": null });
    insta::assert_snapshot!(org.configure_refused(dev, moved).await, @"REQUIRED clientSecret: give the client's secret again: the one of before was given for another issuer");

    // The secret is kept sealed, stays where it is not given, and is in no audit row.
    let kept = org.configure(json!({ "clientSecret": null, "name": "Acme Login" })).await;
    assert_eq!(kept["name"], "Acme Login");
    assert_eq!(org.address_of(&org.signs_in(somebody("b-1", "bob@acme.example")).await).await, "bob@acme.example");
    let row = sso_provider::Entity::find().one(&app.domain().db).await.expect("providers").expect("a provider");
    assert!(row.sealed_secret.is_some_and(|sealed| !sealed.contains(SECRET)));
    let rows = audit_event::Entity::find().all(&app.domain().db).await.expect("the audit log");
    assert!(rows.iter().any(|row| row.action == "sso.configured"));
    assert!(rows.iter().all(|row| !row.changes.to_string().contains("a secret")), "a secret in the audit log");
    // A domain of a claim that is not proven is refused too.
    app.mutate(Some(dev), "claimDomain", claim(&org.team, "acme.test"), "domain { id }").await;
    assert!(org.configure_refused(dev, json!({ "domains": ["acme.test"] })).await.starts_with("WRONG_STATE domains"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_in_is_opened_in_a_session_and_all_managers_hear_of_it() {
    let org = Organisation::new().await;
    let app = &org.app;
    let token = app.mutate(Some(&org.dev), "createAccessToken", json!({ "name": "ci" }), "secret").await["secret"].take();
    for (field, kind, input) in [
        ("configureSso", "ConfigureSsoInput", org.input(json!({}))),
        ("removeSso", "SsoProviderIdInput", json!({ "providerId": org.provider })),
        ("claimDomain", "ClaimDomainInput", claim(&org.team, "acme.test")),
    ] {
        let query = format!("mutation($input: {kind}!) {{ {field}(input: $input) {{ userErrors {{ message }} }} }}");
        let request = app.http.post(app.url("/graphql")).bearer_auth(token.as_str().expect("a token"));
        let answer = request.json(&json!({ "query": query, "variables": { "input": input } })).send().await.expect("an answer");
        let answer: Value = answer.json().await.expect("JSON");
        assert_eq!(answer["errors"][0]["extensions"]["code"], "FORBIDDEN", "{field} {answer}");
    }
    let manager = app.member(&org.team, "manager@acme.example", AccessLevel::Full).await;
    let full = json!({ "team": "FULL", "credentials": "FULL", "billing": "FULL" });
    let input = json!({ "teamId": org.team, "userId": manager.id.to_string(), "access": full });
    app.mutate(Some(&org.dev), "setMemberAccess", input, "team { id }").await;
    let told = async || {
        let query = "{ viewer { notifications(first: 9) { nodes { title } } } }";
        let seen = app.data(Some(&manager), query, json!({})).await["viewer"]["notifications"]["nodes"].take();
        seen.as_array().expect("nodes").iter().map(|told| told["title"].as_str().expect("a title").to_owned()).collect::<Vec<_>>()
    };
    // What changes nothing is no news, and no event.
    let events = app.audited().await.len();
    org.configure(json!({ "clientSecret": null })).await;
    assert_eq!((told().await, app.audited().await.len()), (Vec::<String>::new(), events));
    org.configure(json!({ "name": "Acme Login" })).await;
    app.mutate_as(Some(&org.dev), "removeSso", "SsoProviderIdInput", json!({ "providerId": org.provider }), "team { id }").await;
    assert_eq!(
        told().await,
        ["Acme Login was taken out of the single sign-on of acme", "The single sign-on of acme was changed"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_sends_nobody_to_a_provider() {
    let org = Organisation::new().await;
    let form = [("email", "ada@acme.example")];
    for (name, value) in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")] {
        let request = org.app.http.post(org.app.url("/auth/sso")).header(name, value).form(&form);
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 403, "{name}");
        assert!(header(&answer, "refresh") == "-" && header(&answer, "set-cookie") == "-");
    }
}
