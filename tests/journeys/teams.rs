//! Teams, invitations, members; and that no team sees another's things.

mod givers;

use chrono::TimeDelta;
use entities::enums::StaffRole;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    app::{Person, TestApp},
    sign_in::session_of,
};

const DEVELOPER: (&str, &str, &str) = ("READ", "FULL", "NONE");
const FULL: (&str, &str, &str) = ("FULL", "FULL", "FULL");

fn access((team, credentials, billing): (&str, &str, &str)) -> Value {
    json!({ "team": team, "credentials": credentials, "billing": billing })
}

impl TestApp {
    /// Founds a team; its id.
    async fn found(&self, founder: &Person, name: &str) -> Value {
        self.mutate(Some(founder), "createTeam", json!({ "name": name }), "team { id }").await["team"]["id"].take()
    }

    /// Invites somebody; the invitation's id.
    async fn invite(&self, who: &Person, team: &Value, email: &str, as_: (&str, &str, &str)) -> Value {
        let input = json!({ "teamId": team, "email": email, "access": access(as_) });
        self.mutate(Some(who), "inviteMember", input, "invitation { id }").await["invitation"]["id"].take()
    }

    async fn accept(&self, who: Option<&Person>, token: &str) -> String {
        self.refusal(who, "acceptInvitation", "AcceptInvitationInput", json!({ "token": token })).await
    }

    /// Members with their access, as one of them sees it, oldest first.
    async fn roster(&self, who: &Person, team: &Value) -> String {
        let query = "query($id: ID!) { team(id: $id) { members { nodes { joinedBy user { email } access { team credentials billing role } } } } }";
        let seen = self.data(Some(who), query, json!({ "id": team })).await;
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let line = |m: &Value| {
            let levels = ["team", "credentials", "billing", "role"].map(|area| text(&m["access"][area]));
            format!("{} {} {}\n", text(&m["user"]["email"]), levels.join(" "), text(&m["joinedBy"]))
        };
        seen["team"]["members"]["nodes"].as_array().into_iter().flatten().rev().map(line).collect()
    }

    async fn member_change(&self, who: &Person, team: &Value, of: &Person, to: Option<(&str, &str, &str)>) -> String {
        let input = |extra: Value| {
            let mut input = json!({ "teamId": team, "userId": of.id.to_string() });
            if !extra.is_null() {
                input["access"] = extra;
            }
            input
        };
        match to {
            Some(to) => self.refusal(Some(who), "setMemberAccess", "SetMemberAccessInput", input(access(to))).await,
            None => self.refusal(Some(who), "removeMember", "RemoveMemberInput", input(Value::Null)).await,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_founder_invites_somebody_unknown_who_joins_from_the_mail() {
    let app = TestApp::start().await;
    let ada = app.person("ada@acme.example", None).await;
    let team = app.found(&ada, "Acme").await;
    let invitation = app.invite(&ada, &team, "Grace@Acme.example", DEVELOPER).await;
    let token = app.invitation_token(&invitation).await;

    let preview = "query($token: String!) { invitation(token: $token) { teamName invitedBy email status expiresAt } }";
    let seen = app.data(None, preview, json!({ "token": token })).await;
    insta::assert_json_snapshot!(seen["invitation"], @r#"
    {
      "teamName": "Acme",
      "invitedBy": "ada",
      "email": "grace@acme.example",
      "status": "PENDING",
      "expiresAt": "2026-02-04T09:00:00+00:00"
    }
    "#);
    assert_eq!(app.data(None, preview, json!({ "token": "x" })).await["invitation"], Value::Null);
    for _ in 0..20 {
        let page = app.http.get(app.url(&format!("/auth/invitation?token={token}"))).send().await.unwrap();
        assert_eq!(page.status(), StatusCode::OK);
        let html = page.text().await.unwrap();
        assert!(html.contains("ada invites you to join the team Acme. The invitation is for grace@acme.example."), "{html}");
    }

    let done = app.press("/auth/invitation", &[("token", &token)]).await;
    assert_eq!(done.status(), StatusCode::SEE_OTHER);
    let grace = session_of(&done, "grace@acme.example", &ada);
    insta::assert_snapshot!(app.roster(&grace, &team).await, @"
    ada@acme.example FULL FULL FULL ADMIN FOUNDER
    grace@acme.example READ FULL NONE RESTRICTED INVITATION
    ");
    let again = app.press("/auth/invitation", &[("token", &token)]).await;
    assert_eq!(again.status(), StatusCode::GONE);
    let welcome = app.http.get(app.url("/auth/signed-in")).header("cookie", format!("portico_session={}", grace.session));
    let html = welcome.send().await.unwrap().text().await.unwrap();
    assert!(html.contains("Welcome, grace") && html.contains("Your teams: Acme."), "{html}");
    insta::assert_snapshot!(app.audited().await.join("\n"), @"
    team.created
    invitation.sent
    session.signed_in
    invitation.accepted
    session.sign_in_failed (invitation_over)
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_signs_in_soon_after_it_was_sent_and_later_by_a_fresh_link() {
    let app = TestApp::start().await;
    let ada = app.person("ada@acme.example", None).await;
    let team = app.found(&ada, "Acme").await;
    let invitation = app.invite(&ada, &team, "grace@acme.example", DEVELOPER).await;
    let token = app.invitation_token(&invitation).await;
    app.clock.advance(TimeDelta::minutes(10));
    assert_eq!(app.accept(None, &token).await, "UNAUTHENTICATED: sign in first");
    let told = app.press("/auth/invitation", &[("token", &token)]).await;
    assert_eq!((told.status(), told.headers().get("set-cookie")), (StatusCode::OK, None));
    assert!(told.text().await.unwrap().contains("We sent a sign-in link to grace@acme.example."));
    let done = app.press("/auth/magic-link", &[("token", &app.magic_token("grace@acme.example").await)]).await;
    let grace = session_of(&done, "grace@acme.example", &ada);
    let teams = app.data(Some(&grace), "{ viewer { teams { name } pendingInvitations { id } } }", json!({})).await;
    assert_eq!(teams["viewer"], json!({ "teams": [{ "name": "Acme" }], "pendingInvitations": [] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_follow_an_invitation_at_once_one_is_signed_in() {
    let app = TestApp::start().await;
    let ada = app.person("ada@acme.example", None).await;
    let team = app.found(&ada, "Acme").await;
    let token = app.invitation_token(&app.invite(&ada, &team, "grace@acme.example", DEVELOPER).await).await;
    let fields = [("token", token.as_str())];
    let presses = futures_util::future::join_all((0..20).map(|_| app.press("/auth/invitation", &fields))).await;
    assert_eq!(presses.iter().filter(|response| response.headers().contains_key("set-cookie")).count(), 1);
    assert_eq!(app.roster(&ada, &team).await.lines().count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_invited_can_accept() {
    let app = TestApp::start().await;
    let (ada, grace, eve) = (
        app.person("ada@acme.example", None).await,
        app.person("grace@acme.example", None).await,
        app.person("eve@other.example", None).await,
    );
    let team = app.found(&ada, "Acme").await;
    let invitation = app.invite(&ada, &team, "grace@acme.example", DEVELOPER).await;
    let token = app.invitation_token(&invitation).await;
    insta::assert_snapshot!(app.accept(Some(&eve), &token).await, @"INVALID token: the invitation is for another address: sign in with that one to accept it");
    insta::assert_snapshot!(app.accept(Some(&eve), "guess").await, @"INVALID token: this is not a link of ours, or a part of it is missing: ask for a new one");
    let waiting = app.data(Some(&grace), "{ viewer { pendingInvitations { status team { name members { totalCount } subscriptions { totalCount } clients { totalCount } auditLog { totalCount } requestLog { totalCount } invitations { totalCount } tier { id } } invitedBy { name email } } } }", json!({})).await;
    insta::assert_json_snapshot!(waiting["viewer"]["pendingInvitations"], @r#"
    [
      {
        "status": "PENDING",
        "team": {
          "name": "Acme",
          "members": {
            "totalCount": 0
          },
          "subscriptions": {
            "totalCount": 0
          },
          "clients": null,
          "auditLog": null,
          "requestLog": null,
          "invitations": null,
          "tier": null
        },
        "invitedBy": {
          "name": "Member",
          "email": null
        }
      }
    ]
    "#);
    // Much later, as she is signed in anyway.
    app.clock.advance(TimeDelta::days(29));
    assert_eq!(app.accept(Some(&grace), &token).await, "fine : ");
    insta::assert_snapshot!(app.accept(Some(&grace), &token).await, @"ALREADY_DONE : the invitation was accepted before");
    let again = json!({ "teamId": team, "email": "grace@acme.example", "access": access(DEVELOPER) });
    insta::assert_snapshot!(app.refusal(Some(&ada), "inviteMember", "InviteMemberInput", again).await, @"ALREADY_DONE email: this person is a member already");
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_else_who_is_signed_in_is_asked_before_the_session_changes() {
    let app = TestApp::start().await;
    let (ada, eve) = (app.person("ada@acme.example", None).await, app.person("eve@other.example", None).await);
    let team = app.found(&ada, "Acme").await;
    let token = app.invitation_token(&app.invite(&ada, &team, "grace@acme.example", DEVELOPER).await).await;
    let cookie = format!("portico_session={}", eve.session);
    let url = app.url("/auth/invitation");
    let page = app.http.get(format!("{url}?token={token}")).header("cookie", &cookie).send().await.unwrap();
    assert!(page.text().await.unwrap().contains("You are signed in as eve@other.example."));
    let press = async |fields: &[(&str, &str)]| app.http.post(&url).header("cookie", &cookie).form(fields).send().await.unwrap();
    let plain = press(&[("token", &token)]).await;
    assert_eq!(plain.status(), StatusCode::BAD_REQUEST);
    assert!(plain.text().await.unwrap().contains("The invitation is for another address"));
    let switched = press(&[("token", &token), ("switch", "yes")]).await;
    let grace = session_of(&switched, "grace@acme.example", &eve);
    let seen = app.data(Some(&grace), "{ viewer { user { email } } }", json!({})).await;
    assert_eq!(seen["viewer"]["user"]["email"], "grace@acme.example");
}

#[tokio::test(flavor = "multi_thread")]
async fn revoked_resent_and_expired_invitations() {
    let app = TestApp::start().await;
    let (ada, admin) = (app.person("ada@acme.example", None).await, app.staff(StaffRole::Admin).await);
    app.mutate(Some(&admin), "updatePortal", json!({ "settings": { "invitationDays": 10 } }), "portal { name }").await;
    let team = app.found(&ada, "Acme").await;
    let step =
        async |field: &str, id: &Value| app.refusal(Some(&ada), field, "InvitationIdInput", json!({ "invitationId": id })).await;

    let revoked = app.invite(&ada, &team, "grace@acme.example", DEVELOPER).await;
    let token = app.invitation_token(&revoked).await;
    assert_eq!(step("revokeInvitation", &revoked).await, "fine : ");
    insta::assert_snapshot!(app.accept(None, &token).await, @"WRONG_STATE : the invitation cannot be accepted while REVOKED: ask for a new one");
    insta::assert_snapshot!(step("resendInvitation", &revoked).await, @"WRONG_STATE : the invitation cannot be sent again while REVOKED: invite anew");

    let resent = app.invite(&ada, &team, "grace@acme.example", DEVELOPER).await;
    let twice = json!({ "teamId": team, "email": "grace@acme.example", "access": access(DEVELOPER) });
    insta::assert_snapshot!(app.refusal(Some(&ada), "inviteMember", "InviteMemberInput", twice).await, @"TAKEN email: an invitation to this address is waiting for an answer: send it again instead");
    let old = app.invitation_token(&resent).await;
    app.clock.advance(TimeDelta::days(10));
    insta::assert_snapshot!(app.accept(None, &old).await, @"EXPIRED : the invitation has expired: ask for it to be sent again");
    insta::assert_snapshot!(step("revokeInvitation", &resent).await, @"WRONG_STATE : the invitation cannot be revoked while EXPIRED");
    let by_status = "query($id: ID!) { team(id: $id) {
        pending: invitations(status: PENDING) { totalCount } expired: invitations(status: EXPIRED) { nodes { id status } }
        revoked: invitations(status: REVOKED) { nodes { id } } } }";
    let seen = app.data(Some(&ada), by_status, json!({ "id": team })).await["team"].take();
    let expected = json!({
        "pending": { "totalCount": 0 },
        "expired": { "nodes": [{ "id": resent, "status": "EXPIRED" }] },
        "revoked": { "nodes": [{ "id": revoked }] },
    });
    assert_eq!(seen, expected);

    assert_eq!(step("resendInvitation", &resent).await, "fine : ");
    insta::assert_snapshot!(app.accept(None, &old).await, @"EXPIRED token: a newer mail replaced this link: use the one that came last");
    let grace = app.press("/auth/invitation", &[("token", &app.invitation_token(&resent).await)]).await;
    let grace = session_of(&grace, "grace@acme.example", &ada);
    assert_eq!(app.roster(&grace, &team).await.lines().count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_mailbox_is_flooded_with_invitations() {
    let app = TestApp::start().await;
    let (ada, eve) = (app.person("ada@acme.example", None).await, app.person("eve@other.example", None).await);
    let (team, others) = (app.found(&ada, "Acme").await, app.found(&eve, "Other").await);
    let step =
        async |field: &str, id: &Value| app.refusal(Some(&ada), field, "InvitationIdInput", json!({ "invitationId": id })).await;
    // Whether it is sent again or taken back and sent anew: ten mails.
    for _ in 0..5 {
        let sent = app.invite(&ada, &team, "grace@acme.example", DEVELOPER).await;
        assert_eq!(step("resendInvitation", &sent).await, "fine : ");
        assert_eq!(step("revokeInvitation", &sent).await, "fine : ");
    }
    let input = |team: &Value, email: &str| json!({ "teamId": team, "email": email, "access": access(DEVELOPER) });
    let invite = async |who, input: Value| app.refusal(Some(who), "inviteMember", "InviteMemberInput", input).await;
    let enough = "LIMIT_REACHED : 10 invitations went to this address within a day: try again tomorrow";
    assert_eq!(invite(&ada, input(&team, "grace@acme.example")).await, enough);
    assert_eq!(invite(&eve, input(&others, "grace@acme.example")).await, enough, "of whatever team");
    assert_eq!(invite(&ada, input(&team, "lin@acme.example")).await, "fine : ");
    app.clock.advance(TimeDelta::days(1));
    let sent = app.invite(&ada, &team, "grace@acme.example", DEVELOPER).await;
    assert_eq!(step("resendInvitation", &sent).await, "fine : ");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gives_more_than_they_hold_and_the_last_admin_stays() {
    let app = TestApp::start().await;
    let (ada, grace, lin) = (
        app.person("ada@acme.example", None).await,
        app.person("grace@acme.example", None).await,
        app.person("lin@acme.example", None).await,
    );
    let team = app.found(&ada, "Acme").await;
    for (person, as_) in [(&grace, ("FULL", "READ", "NONE")), (&lin, DEVELOPER)] {
        let token = app.invitation_token(&app.invite(&ada, &team, &person.email, as_).await).await;
        assert_eq!(app.accept(Some(person), &token).await, "fine : ");
    }
    let more = json!({ "teamId": team, "email": "x@acme.example", "access": access(("READ", "FULL", "NONE")) });
    insta::assert_snapshot!(app.refusal(Some(&grace), "inviteMember", "InviteMemberInput", more).await, @"INVALID access.credentials: you can give no more access to credentials than you hold: choose less");
    insta::assert_snapshot!(app.member_change(&grace, &team, &grace, Some(FULL)).await, @"INVALID access.credentials: you can give no more access to credentials than you hold: choose less");
    insta::assert_snapshot!(app.member_change(&lin, &team, &grace, Some(DEVELOPER)).await, @"FORBIDDEN: this needs FULL access to the team area");
    insta::assert_snapshot!(app.member_change(&lin, &team, &grace, None).await, @"FORBIDDEN: this needs FULL access to the team area");
    // What Lin holds beyond Grace stays hers.
    assert_eq!(app.member_change(&grace, &team, &lin, Some(("NONE", "FULL", "NONE"))).await, "fine : ");
    assert_eq!(app.member_change(&grace, &team, &ada, Some(("READ", "FULL", "FULL"))).await, "fine : ");
    insta::assert_snapshot!(app.member_change(&grace, &team, &grace, None).await, @"WRONG_STATE userId: this is the last member with FULL access to the team area: give it to somebody else first");
    insta::assert_snapshot!(app.member_change(&grace, &team, &grace, Some(DEVELOPER)).await, @"INVALID access.credentials: you can give no more access to credentials than you hold: choose less");
    assert_eq!(app.member_change(&lin, &team, &lin, None).await, "fine : ", "anyone may leave");
    insta::assert_snapshot!(app.roster(&grace, &team).await, @"
    ada@acme.example READ FULL FULL RESTRICTED FOUNDER
    grace@acme.example FULL READ NONE RESTRICTED INVITATION
    ");
    assert_eq!(app.roster(&lin, &team).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_admins_cannot_both_leave_at_once() {
    let app = TestApp::start().await;
    let (ada, grace) = (app.person("ada@acme.example", None).await, app.person("grace@acme.example", None).await);
    let team = app.found(&ada, "Acme").await;
    let token = app.invitation_token(&app.invite(&ada, &team, &grace.email, FULL).await).await;
    app.accept(Some(&grace), &token).await;
    let left = tokio::join!(app.member_change(&ada, &team, &ada, None), app.member_change(&grace, &team, &grace, None));
    assert_eq!([&left.0, &left.1].into_iter().filter(|outcome| *outcome == "fine : ").count(), 1, "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_removed_has_no_way_back() {
    let app = TestApp::start().await;
    let (ada, grace) = (app.person("ada@acme.example", None).await, app.person("grace@acme.example", None).await);
    let team = app.found(&ada, "Acme").await;
    let token = app.invitation_token(&app.invite(&ada, &team, &grace.email, DEVELOPER).await).await;
    app.accept(Some(&grace), &token).await;
    assert_eq!(app.member_change(&ada, &team, &grace, None).await, "fine : ");
    assert!(app.accept(Some(&grace), &token).await.starts_with("ALREADY_DONE"));
    assert_eq!(app.member_change(&ada, &team, &grace, None).await, "NOT_FOUND: no such member");
    let seen = app.data(Some(&grace), "{ viewer { teams { id } } }", json!({})).await;
    assert_eq!(seen["viewer"]["teams"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_teams_things_do_not_exist() {
    let app = TestApp::start().await;
    let (ada, eve) = (app.person("ada@acme.example", None).await, app.person("eve@other.example", None).await);
    let team = app.found(&ada, "Acme").await;
    app.found(&eve, "Other").await;
    let invitation = app.invite(&ada, &team, "grace@acme.example", DEVELOPER).await;
    let query = "query($id: ID!) { team(id: $id) { members { nodes { id user { id } } } } }";
    let seen = app.data(Some(&ada), query, json!({ "id": team })).await;
    let member = seen["team"]["members"]["nodes"][0].clone();
    for id in [&team, &invitation, &member["id"], &member["user"]["id"]] {
        let node = "query($id: ID!) { node(id: $id) { __typename id } team(id: $id) { id } }";
        for who in [None, Some(&eve)] {
            let seen = app.data(who, node, json!({ "id": id })).await;
            assert_eq!(seen, json!({ "node": null, "team": null }), "{id}");
        }
        assert_eq!(app.data(Some(&ada), node, json!({ "id": id })).await["node"]["id"], *id);
    }
    let wrong = json!("team_00000000000000000000000000");
    for (field, input_type, input) in [
        ("updateTeam", "UpdateTeamInput", json!({ "teamId": "?", "name": "Mine" })),
        ("inviteMember", "InviteMemberInput", json!({ "teamId": "?", "email": "e@other.example", "access": access(FULL) })),
        (
            "setMemberAccess",
            "SetMemberAccessInput",
            json!({ "teamId": "?", "userId": member["user"]["id"], "access": access(FULL) }),
        ),
        ("removeMember", "RemoveMemberInput", json!({ "teamId": "?", "userId": member["user"]["id"] })),
        ("removeMember", "RemoveMemberInput", json!({ "teamId": "?", "userId": eve.id.to_string() })),
    ] {
        let with = |id: &Value| {
            let mut input = input.clone();
            input["teamId"] = id.clone();
            input
        };
        let (theirs, none) = (
            app.refusal(Some(&eve), field, input_type, with(&team)).await,
            app.refusal(Some(&eve), field, input_type, with(&wrong)).await,
        );
        assert_eq!(theirs, "NOT_FOUND: no such team", "{field}");
        assert_eq!(theirs, none, "{field}");
        assert_eq!(app.refusal(None, field, input_type, with(&team)).await, "UNAUTHENTICATED: sign in first");
    }
    for field in ["resendInvitation", "revokeInvitation"] {
        let refused = app.refusal(Some(&eve), field, "InvitationIdInput", json!({ "invitationId": invitation })).await;
        assert_eq!(refused, "NOT_FOUND: no such invitation");
    }
    assert_eq!(app.data(Some(&eve), "{ provider { role } }", json!({})).await["provider"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn members_see_what_their_access_covers() {
    let app = TestApp::start().await;
    let (ada, lin) = (app.person("ada@acme.example", None).await, app.person("lin@acme.example", None).await);
    let team = app.found(&ada, "Acme").await;
    let token = app.invitation_token(&app.invite(&ada, &team, &lin.email, ("NONE", "FULL", "NONE")).await).await;
    app.accept(Some(&lin), &token).await;
    app.mutate(Some(&ada), "updateViewer", json!({ "name": "Ada Lovelace" }), "user { name }").await;
    let query = "query($id: ID!) { team(id: $id) { name slug internal status viewerAccess { role team } invitations { totalCount } members(first: 1) { totalCount nodes { user { name email staff } } pageInfo { hasNextPage endCursor } } } }";
    let mut seen = app.data(Some(&lin), query, json!({ "id": team })).await;
    let after = seen["team"]["members"]["pageInfo"]["endCursor"].take();
    insta::assert_json_snapshot!(seen["team"], @r#"
    {
      "name": "Acme",
      "slug": "acme",
      "internal": false,
      "status": "ACTIVE",
      "viewerAccess": {
        "role": "RESTRICTED",
        "team": "NONE"
      },
      "invitations": null,
      "members": {
        "totalCount": 2,
        "nodes": [
          {
            "user": {
              "name": "lin",
              "email": "lin@acme.example",
              "staff": false
            }
          }
        ],
        "pageInfo": {
          "hasNextPage": true,
          "endCursor": null
        }
      }
    }
    "#);
    let next = "query($id: ID!, $after: String) { team(id: $id) { members(first: 1, after: $after) { nodes { user { name email } } } } }";
    let seen = app.data(Some(&lin), next, json!({ "id": team, "after": after })).await;
    assert_eq!(seen["team"]["members"]["nodes"], json!([{ "user": { "name": "Ada Lovelace", "email": "ada@acme.example" } }]));
    let renamed = app.refusal(Some(&lin), "updateTeam", "UpdateTeamInput", json!({ "teamId": team, "name": "Mine" })).await;
    assert_eq!(renamed, "FORBIDDEN: this needs FULL access to the team area");
    let renamed = app.mutate(Some(&ada), "updateTeam", json!({ "teamId": team, "name": "Acme Ltd" }), "team { name slug }").await;
    assert_eq!(renamed["team"], json!({ "name": "Acme Ltd", "slug": "acme" }));
}
