//! Nobody learns from an answer, a page or a mail whether an address is known here.

use entities::{enums::StaffRole, outbox_job};
use reqwest::Response;
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::{Value, json};

use crate::app::TestApp;

const INVITE: &str = "mutation($input: InviteMemberInput!) { inviteMember(input: $input) {
    invitation { id email status createdAt expiresAt access { role } invitedBy { id } team { slug } } userErrors { code message } } }";
const PREVIEW: &str = "query($token: String!) { invitation(token: $token) { email status teamName invitedBy expiresAt } }";

/// A page without what differs in every answer.
async fn page(answer: Response) -> String {
    let (status, html) = (answer.status(), answer.text().await.expect("a page"));
    let parts = html.split("nonce=\"").map(|part| part[part.find('"').unwrap_or(0)..].to_owned());
    format!("{status} {}", parts.collect::<String>())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_tells_nothing_of_whom_it_is_for() {
    let app = TestApp::start().await;
    let (ada, team) = app.partner("acme").await;
    let (partner, _) = app.partner("globex").await;
    let staff = app.staff(StaffRole::Viewer).await;
    let mut told = Vec::new();
    for email in [partner.email.as_str(), staff.email.as_str(), "nobody@nowhere.example"] {
        let before = outbox_job::Entity::find().count(&app.domain().db).await.expect("jobs");
        let access = json!({ "team": "READ", "credentials": "READ", "billing": "NONE" });
        let input = json!({ "teamId": team, "email": email, "access": access });
        let mut invited = app.graphql(Some(&ada), INVITE, json!({ "input": input })).await;
        let id = invited["data"]["inviteMember"]["invitation"]["id"].take();
        let token = app.invitation_token(&id).await;
        let preview = app.graphql(None, PREVIEW, json!({ "token": token })).await;
        let shown =
            page(app.http.get(app.url(&format!("/auth/invitation?token={token}"))).send().await.expect("an answer")).await;
        let resent = app.refusal(Some(&ada), "resendInvitation", "InvitationIdInput", json!({ "invitationId": id })).await;
        let jobs = outbox_job::Entity::find().count(&app.domain().db).await.expect("jobs") - before;
        let mail = app.mails().await.pop().expect("a mail");
        assert_eq!(mail.to, email);
        let newer = app.invitation_token(&id).await;
        let text = format!("{invited} {preview} {shown} {resent} {jobs} {} {}", mail.subject, mail.text);
        told.push(text.replace(email, "EMAIL").replace(&token, "TOKEN").replace(&newer, "NEWER"));
    }
    assert!(told[0].contains("EMAIL") && told[0].contains("TOKEN") && told[0].contains("PENDING"), "{}", told[0]);
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0], told[2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_somebody_elses_link_tells_nothing_of_them() {
    let app = TestApp::start().await;
    let (ada, team) = app.partner("acme").await;
    let (partner, _) = app.partner("globex").await;
    let mut told = Vec::new();
    for email in [partner.email.as_str(), "nobody@nowhere.example"] {
        let access = json!({ "team": "READ", "credentials": "READ", "billing": "NONE" });
        let input = json!({ "teamId": team, "email": email, "access": access });
        let made = app.mutate(Some(&ada), "inviteMember", input, "invitation { id }").await;
        let token = app.invitation_token(&made["invitation"]["id"]).await;
        // The link no longer signs in by itself: a fresh one is mailed, whoever it is.
        app.clock.advance(chrono::TimeDelta::hours(2));
        let pressed = page(app.press("/auth/invitation", &[("token", &token)]).await).await;
        let other = app
            .graphql(
                Some(&ada),
                "mutation($t: String!) { acceptInvitation(input: { token: $t }) { team { id } userErrors { code message } } }",
                json!({ "t": token }),
            )
            .await;
        assert_eq!(other["data"]["acceptInvitation"]["team"], Value::Null);
        told.push(format!("{pressed} {other}").replace(email, "EMAIL"));
    }
    assert_eq!(told[0], told[1]);
}
