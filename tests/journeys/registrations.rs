//! Teams that somebody founds, where the portal wants to see who comes.

use entities::enums::{JoinMethod, StaffRole};
use serde_json::{Value, json};

use crate::{
    app::{Person, TestApp},
    sign_in::session_of,
};

async fn gate(app: &TestApp) -> Person {
    let admin = app.staff(StaffRole::Admin).await;
    let input = json!({ "selfRegistration": true, "registrationNeedsApproval": true });
    let seen = app.mutate(Some(&admin), "updatePortal", input, "portal { registrationNeedsApproval }").await;
    assert_eq!(seen["portal"]["registrationNeedsApproval"], true);
    admin
}

async fn status(app: &TestApp, who: &Person, team: &Value) -> Value {
    let query = "query($id: ID!) { team(id: $id) { status subscriptions(first: 5) { nodes { plan { slug } } } } }";
    app.data(Some(who), query, json!({ "id": team })).await["team"].take()
}

async fn decide(app: &TestApp, who: &Person, field: &str, team: &Value) -> String {
    app.refused(Some(who), field, "DecideTeamInput", json!({ "teamId": team, "notes": "We called them" })).await
}

async fn titles(app: &TestApp, who: &Person) -> Vec<Value> {
    let query = "{ viewer { notifications { nodes { title subject { id } } } } }";
    let list = app.data(Some(who), query, json!({})).await["viewer"]["notifications"]["nodes"].take();
    list.as_array().expect("a list").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_waits_in_the_queue_until_a_reviewer_lets_it_in() {
    let app = TestApp::start().await;
    gate(&app).await;
    let (editor, reviewer) = (app.editor().await, app.staff(StaffRole::Reviewer).await);
    let product = app.product(&editor, "ship", "MEMBERS").await;
    let plan = app.plan(&editor, &product, "trial", true, json!({ "autoSubscribe": true })).await;
    let ada = app.person("ada@acme.example", None).await;
    let made = app.mutate(Some(&ada), "createTeam", json!({ "name": "Acme" }), "team { id status }").await;
    let (team, state) = (made["team"]["id"].clone(), &made["team"]["status"]);
    assert_eq!(state, "PENDING");
    assert_eq!(status(&app, &ada, &team).await, json!({ "status": "PENDING", "subscriptions": { "nodes": [] } }));
    let input = json!({ "planId": plan, "teamId": team, "name": "Ours" });
    assert_eq!(app.refused(Some(&ada), "subscribe", "SubscribeInput", input).await, "WRONG_STATE teamId");

    let queue = "{ provider { queueCounts { kind pending } queue { nodes { kind state plan { id } product { id }
        approvalGroup { id } viewerCanDecide dueAt requestedBy { email } subject { id } team { name } } } } }";
    let seen = app.data(Some(&reviewer), queue, json!({})).await["provider"].take();
    assert_eq!(seen["queueCounts"][0], json!({ "kind": "REGISTRATION", "pending": 1 }));
    let item = json!({ "kind": "REGISTRATION", "state": "PENDING", "plan": null, "product": null, "approvalGroup": null,
        "viewerCanDecide": true, "dueAt": "2026-01-05T17:00:00+00:00", "requestedBy": { "email": ada.email },
        "subject": { "id": team }, "team": { "name": "Acme" } });
    assert_eq!(seen["queue"]["nodes"], json!([item]));
    for (name, outcome) in [("Second", ""), ("Third", ""), ("Fourth", "LIMIT_REACHED name")] {
        assert_eq!(app.refused(Some(&ada), "createTeam", "CreateTeamInput", json!({ "name": name })).await, outcome);
    }
    assert_eq!(titles(&app, &reviewer).await[2..], [json!({ "title": "Acme waits for approval", "subject": { "id": team } })]);

    for (who, refusal) in [(&ada, "FORBIDDEN"), (&editor, "FORBIDDEN")] {
        assert_eq!(decide(&app, who, "approveRegistration", &team).await, refusal);
    }
    let both = tokio::join!(
        decide(&app, &reviewer, "approveRegistration", &team),
        decide(&app, &reviewer, "declineRegistration", &team)
    );
    let mut outcomes = [both.0.as_str(), both.1.as_str()];
    outcomes.sort_unstable();
    assert_eq!(outcomes, ["", "WRONG_STATE teamId"], "of two at once, one decides");
    let seen = app.data(Some(&reviewer), queue, json!({})).await["provider"].take();
    assert_eq!(seen["queueCounts"][0]["pending"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_teams_a_day_are_founded_by_one_person() {
    let app = TestApp::start().await;
    let ada = app.person("ada@acme.example", None).await;
    let found = async || app.refused(Some(&ada), "createTeam", "CreateTeamInput", json!({ "name": "Acme" })).await;
    for _ in 0..10 {
        assert_eq!(found().await, "");
    }
    assert_eq!(found().await, "LIMIT_REACHED");
    let eve = app.person("eve@acme.example", None).await;
    assert_eq!(app.refused(Some(&eve), "createTeam", "CreateTeamInput", json!({ "name": "Acme" })).await, "");
    app.clock.advance(chrono::TimeDelta::days(1));
    assert_eq!(found().await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_let_in_holds_what_comes_by_itself_and_who_is_not_holds_nothing() {
    let app = TestApp::start().await;
    let admin = gate(&app).await;
    let (editor, reviewer) = (app.editor().await, app.staff(StaffRole::Reviewer).await);
    let product = app.product(&editor, "ship", "MEMBERS").await;
    app.plan(&editor, &product, "trial", true, json!({ "autoSubscribe": true })).await;
    let (ada, acme) = app.partner("acme").await;
    let (eve, evil) = app.partner("evil").await;
    assert_eq!(decide(&app, &reviewer, "approveRegistration", &acme).await, "");
    assert_eq!(decide(&app, &reviewer, "declineRegistration", &evil).await, "");
    let held = json!({ "nodes": [{ "plan": { "slug": "trial" } }] });
    assert_eq!(status(&app, &ada, &acme).await, json!({ "status": "ACTIVE", "subscriptions": held }));
    assert_eq!(status(&app, &eve, &evil).await, json!({ "status": "DECLINED", "subscriptions": { "nodes": [] } }));
    assert_eq!(titles(&app, &ada).await[0]["title"], "acme is approved");
    assert_eq!(titles(&app, &eve).await[0]["title"], "evil is declined");
    for team in [&acme, &evil] {
        assert_eq!(decide(&app, &reviewer, "approveRegistration", team).await, "WRONG_STATE teamId");
    }

    // Nobody lets their own team in; who is of the staff, or a partner of the provider's making, need not wait.
    let own = app.person("own@provider.example", Some(StaffRole::Reviewer)).await;
    let (_, waiting) = app.partner("third").await;
    let (domain, id) = (app.domain(), crate::offer::team_id(&waiting));
    let access = domain::rules::policy::Access::FULL;
    let row = entities::membership::Model {
        id: domain.env.id(),
        team_id: id,
        user_id: own.id,
        access_team: access.team,
        access_credentials: access.credentials,
        access_billing: access.billing,
        joined_by: JoinMethod::Invitation,
        joined_at: domain.now(),
    };
    sea_orm::ActiveModelTrait::insert(sea_orm::IntoActiveModel::into_active_model(row), &domain.db).await.expect("a member");
    assert_eq!(decide(&app, &own, "approveRegistration", &waiting).await, "FORBIDDEN");
    for (who, field, input) in
        [(&admin, "createTeam", "CreateTeamInput"), (&editor, "createPartnerTeam", "CreatePartnerTeamInput")]
    {
        let made = app.mutate_as(Some(who), field, input, json!({ "name": "Fine" }), "team { status }").await;
        assert_eq!(made["team"]["status"], "ACTIVE", "{field}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_by_themselves_has_a_team_of_their_own() {
    let app = TestApp::start().await;
    let admin = app.staff(StaffRole::Admin).await;
    let sees = async |email: &str| {
        app.mutate(None, "requestMagicLink", json!({ "email": email }), "sent").await;
        let done = app.press("/auth/magic-link", &[("token", &app.magic_token(email).await)]).await;
        if done.status() != 303 {
            return json!(done.status().as_u16());
        }
        let who = session_of(&done, email, &admin);
        let query = "{ viewer { teams { slug status viewerAccess { role } } pendingInvitations { id } } }";
        app.data(Some(&who), query, json!({})).await["viewer"]["teams"].take()
    };
    assert_eq!(sees("ada.l@one.example").await, json!(410), "nobody comes uninvited");
    let open = json!({ "selfRegistration": true });
    app.mutate(Some(&admin), "updatePortal", open, "portal { name }").await;
    let own = json!([{ "slug": "ada-l", "status": "ACTIVE", "viewerAccess": { "role": "ADMIN" } }]);
    assert_eq!(sees("ada.l@one.example").await, own);
    assert_eq!(app.audited().await.into_iter().rev().take(2).collect::<Vec<_>>(), ["team.created", "session.signed_in"]);
    assert_eq!(sees("ada.l@one.example").await, own, "once");

    // Whom a team waits for gets none.
    let (dev, team) = app.partner("acme").await;
    let access = json!({ "team": "READ", "credentials": "READ", "billing": "NONE" });
    let input = json!({ "teamId": team, "email": "bob@two.example", "access": access });
    app.mutate(Some(&dev), "inviteMember", input, "invitation { id }").await;
    assert_eq!(sees("bob@two.example").await, json!([]));

    let guarded = json!({ "registrationNeedsApproval": true });
    app.mutate(Some(&admin), "updatePortal", guarded, "portal { name }").await;
    let waits = json!([{ "slug": "eve", "status": "PENDING", "viewerAccess": { "role": "ADMIN" } }]);
    assert_eq!(sees("eve@three.example").await, waits);
}
