//! What somebody gave ends or shrinks with what they hold, and nobody who alone holds an area goes.

use entities::{enums::InvitationStatus, invitation};
use futures_util::future::join_all;
use sea_orm::{ActiveValue::Set, EntityTrait};

use super::*;

const READER: (&str, &str, &str) = ("READ", "READ", "NONE");

impl TestApp {
    /// Somebody who was invited and came.
    async fn joined(&self, by: &Person, team: &Value, email: &str, as_: (&str, &str, &str)) -> Person {
        let person = self.person(email, None).await;
        let token = self.invitation_token(&self.invite(by, team, email, as_).await).await;
        assert_eq!(self.accept(Some(&person), &token).await, "fine : ");
        person
    }

    async fn status(&self, id: &Value) -> InvitationStatus {
        let id: entities::id::InvitationId = id.as_str().and_then(|id| id.parse().ok()).expect("an id");
        invitation::Entity::find_by_id(id).one(&self.domain().db).await.expect("rows").expect("an invitation").status
    }

    async fn accept_by_id(&self, who: &Person, id: &Value) -> String {
        self.refusal(Some(who), "acceptInvitation", "AcceptInvitationInput", json!({ "invitationId": id })).await
    }

    async fn set_role(&self, owner: &Person, of: &Person, role: Value) {
        let input = json!({ "email": of.email, "role": role });
        self.mutate_as(Some(owner), "setStaffRole", "SetStaffRoleInput", input, "member { role }").await;
    }
}

struct Team {
    app: TestApp,
    id: Value,
    ada: Person,
    bob: Person,
    cleo: Person,
}

/// Ada's team, in which Bob may all that she may, and Cleo, whom nobody has invited yet.
async fn team() -> Team {
    let app = TestApp::start().await;
    let ada = app.person("ada@acme.example", None).await;
    let id = app.found(&ada, "Acme").await;
    let bob = app.joined(&ada, &id, "bob@acme.example", FULL).await;
    let cleo = app.person("cleo@acme.example", None).await;
    Team { app, id, ada, bob, cleo }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_gave_goes_with_them() {
    let Team { app, id, ada, bob, cleo } = team().await;
    let given = app.invite(&bob, &id, &cleo.email, FULL).await;
    let others = app.invite(&ada, &id, "dan@acme.example", FULL).await;
    assert_eq!(app.member_change(&ada, &id, &bob, None).await, "fine : ");
    assert_eq!((app.status(&given).await, app.status(&others).await), (InvitationStatus::Revoked, InvitationStatus::Pending));
    let token = app.invitation_token(&given).await;
    let refused = "WRONG_STATE : the invitation cannot be accepted while REVOKED: ask for a new one";
    assert_eq!(app.accept(Some(&cleo), &token).await, refused);
    assert_eq!(app.accept_by_id(&cleo, &given).await, refused);
    assert_eq!(app.roster(&ada, &id).await, "ada@acme.example FULL FULL FULL ADMIN FOUNDER\n");

    // Who leaves by themselves takes it along, too.
    let eve = app.joined(&ada, &id, "eve@acme.example", FULL).await;
    let given = app.invite(&eve, &id, &cleo.email, DEVELOPER).await;
    assert_eq!(app.member_change(&eve, &id, &eve, None).await, "fine : ");
    assert_eq!(app.status(&given).await, InvitationStatus::Revoked);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_gives_no_more_than_its_giver_holds_when_it_is_accepted() {
    let Team { app, id, ada, bob, cleo } = team().await;
    let given = app.invite(&bob, &id, &cleo.email, FULL).await;
    assert_eq!(app.member_change(&ada, &id, &bob, Some(READER)).await, "fine : ");
    assert_eq!(app.member_change(&ada, &id, &bob, Some(("READ", "FULL", "FULL"))).await, "fine : ", "what is lost is lost");
    assert_eq!(app.accept_by_id(&cleo, &given).await, "fine : ");
    insta::assert_snapshot!(app.roster(&ada, &id).await, @"
    ada@acme.example FULL FULL FULL ADMIN FOUNDER
    bob@acme.example READ FULL FULL RESTRICTED INVITATION
    cleo@acme.example READ READ NONE RESTRICTED INVITATION
    ");
    let nothing = ("NONE", "NONE", "NONE");
    assert_eq!(app.member_change(&ada, &id, &bob, Some(FULL)).await, "fine : ");
    let given = app.invite(&bob, &id, "dan@acme.example", DEVELOPER).await;
    assert_eq!(app.member_change(&ada, &id, &bob, Some(nothing)).await, "fine : ");
    assert_eq!(app.status(&given).await, InvitationStatus::Revoked, "nothing is left of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_before_anybody_looked_counts_no_more_either() {
    let Team { app, id, ada, bob, cleo } = team().await;
    let given = app.invite(&bob, &id, &cleo.email, FULL).await;
    assert_eq!(app.member_change(&ada, &id, &bob, None).await, "fine : ");
    // As an earlier version left it.
    let row = invitation::ActiveModel {
        id: Set(given.as_str().and_then(|id| id.parse().ok()).expect("an id")),
        status: Set(InvitationStatus::Pending),
        ..Default::default()
    };
    invitation::Entity::update(row).exec(&app.domain().db).await.expect("a row");
    insta::assert_snapshot!(app.accept_by_id(&cleo, &given).await, @"WRONG_STATE token: who gave the invitation can give it no longer: ask the team for a new one");
    let resend = json!({ "invitationId": given });
    assert_eq!(app.refusal(Some(&ada), "resendInvitation", "InvitationIdInput", resend).await, "fine : ");
    assert_eq!(app.accept_by_id(&cleo, &given).await, "fine : ", "Ada answers for it now");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_staff_gave_counts_by_the_role_that_they_have() {
    let Team { app, id, ada, cleo, .. } = team().await;
    let owner = app.staff(StaffRole::Owner).await;
    let editor = app.editor().await;
    for (role, left) in [
        (json!("ADMIN"), InvitationStatus::Pending),
        (json!("VIEWER"), InvitationStatus::Revoked),
        (Value::Null, InvitationStatus::Revoked),
    ] {
        app.set_role(&owner, &editor, json!("EDITOR")).await;
        // Who leaves the staff may be signed out.
        let actor = domain::Actor::user(editor.id, Some(StaffRole::Editor), domain::actor::Origin::default());
        let cmd = domain::ops::invitations::InviteMember {
            team: crate::offer::team_id(&id),
            email: cleo.email.clone(),
            access: domain::rules::policy::Access::FULL,
        };
        let given = domain::ops::invitations::invite(app.domain(), &actor, cmd).await.expect("an invitation");
        let given = json!(given.id.to_string());
        app.set_role(&owner, &editor, role).await;
        assert_eq!(app.status(&given).await, left);
        if left == InvitationStatus::Pending {
            let revoke = json!({ "invitationId": given });
            assert_eq!(app.refusal(Some(&ada), "revokeInvitation", "InvitationIdInput", revoke).await, "fine : ");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_with_full_access_to_an_area_stays() {
    let app = TestApp::start().await;
    let ada = app.person("ada@acme.example", None).await;
    let id = app.found(&ada, "Acme").await;
    let bob = app.joined(&ada, &id, "bob@acme.example", ("FULL", "FULL", "READ")).await;
    let editor = app.editor().await;
    let refused =
        "WRONG_STATE userId: this is the last member with FULL access to the billing area: give it to somebody else first";
    assert_eq!(app.member_change(&ada, &id, &ada, None).await, refused, "leaving");
    assert_eq!(app.member_change(&bob, &id, &ada, None).await, refused, "removed");
    assert_eq!(app.member_change(&editor, &id, &ada, None).await, refused, "by staff");
    assert_eq!(app.member_change(&bob, &id, &ada, Some(("READ", "READ", "READ"))).await, refused, "reduced");
    assert_eq!(app.member_change(&bob, &id, &ada, Some(("NONE", "NONE", "FULL"))).await, "fine : ");
    assert_eq!(app.member_change(&editor, &id, &bob, Some(FULL)).await, "fine : ");
    assert_eq!(app.member_change(&ada, &id, &ada, None).await, "fine : ");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_put_each_other_out_one_stays() {
    for to in [None, Some(DEVELOPER)] {
        let Team { app, id, ada, bob, .. } = team().await;
        let (one, other) = tokio::join!(app.member_change(&ada, &id, &bob, to), app.member_change(&bob, &id, &ada, to));
        assert_eq!([&one, &other].into_iter().filter(|said| *said == "fine : ").count(), 1, "{one} {other}");
        let left = [app.member_change(&ada, &id, &ada, None), app.member_change(&bob, &id, &bob, None)];
        let left = join_all(left).await;
        assert!(left.iter().any(|said| said.starts_with("WRONG_STATE userId")), "{left:?}");
    }
}
