//! Whom a provider signs in, and whom not.

use chrono::TimeDelta;
use entities::enums::{AccessLevel, StaffRole};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Organisation, cookie_of, told};
use crate::{
    app::{Person, TestApp},
    identity_provider::{CLIENT_ID, IdentityProvider, InToken, SECRET, Somebody, somebody},
    sign_in::header,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_speaks_for_its_own_people_alone() {
    let org = Organisation::new().await;
    let app = &org.app;
    app.person("boss@acme.example", Some(StaffRole::Owner)).await;
    let consultant = app.person("consultant@acme.example", None).await;
    app.team(&consultant, "globex").await;
    for (who, reason) in [
        (somebody("s-1", "boss@acme.example"), "not_theirs"),
        (somebody("c-1", "consultant@acme.example"), "not_theirs"),
        (somebody("x-1", "ada@globex.example"), "foreign_address"),
        (somebody("x-2", "ada@sub.acme.example"), "foreign_address"),
        (Somebody { verified: json!(false), ..somebody("x-3", "eve@acme.example") }, "not_verified"),
        (Somebody { verified: json!("false"), ..somebody("x-4", "eve@acme.example") }, "not_verified"),
        (Somebody { email: None, ..somebody("x-5", "") }, "no_address"),
    ] {
        org.refused(who).await;
        assert_eq!(app.last_failure().await, format!("session.sign_in_failed ({reason})"));
    }
    assert_eq!(
        org.address_of(&org.signs_in(Somebody { verified: json!("true"), ..somebody("y-1", "y@acme.example") }).await).await,
        "y@acme.example"
    );
    assert_eq!(
        org.address_of(&org.signs_in(Somebody { verified: Value::Null, ..somebody("z-1", "z@acme.example") }).await).await,
        "z@acme.example"
    );
    // A member of two teams may come by either's provider.
    let bob = org.signs_in(somebody("b-1", "bob@acme.example")).await;
    let bob = Person { session: cookie_of(&bob, "portico_session"), ..org.dev.clone() };
    app.mutate(Some(&bob), "createTeam", json!({ "name": "Bob's own" }), "team { id }").await;
    assert_eq!(org.address_of(&org.signs_in(somebody("b-1", "bob@acme.example")).await).await, "bob@acme.example");
    // Whom nothing lets in comes by no provider either.
    let query = "query($id: ID!) { team(id: $id) { domains { id } } }";
    let domain = app.data(Some(&org.dev), query, json!({ "id": org.team })).await["team"]["domains"][0]["id"].take();
    let closed = json!({ "domainId": domain, "autoJoin": false });
    app.mutate_as(Some(&org.dev), "updateDomain", "UpdateDomainInput", closed, "domain { autoJoin }").await;
    let admin = app.staff(StaffRole::Admin).await;
    app.mutate(Some(&admin), "updatePortal", json!({ "selfRegistration": false }), "portal { name }").await;
    insta::assert_snapshot!(org.refused(somebody("n-1", "new@acme.example")).await, @"You are not invited yet: ask an administrator of your team for an invitation.");
    // A subject that was somebody's stays theirs, also when the domain goes.
    let removed = json!({ "domainId": domain });
    app.mutate_as(Some(&org.dev), "removeDomain", "TeamDomainIdInput", removed, "team { id }").await;
    insta::assert_snapshot!(app.may_leave("bob@acme.example").await, @"NOT_FOUND email: nobody at acme.example signs in by an organisation's account here: ask for a link by mail");
    assert_eq!(app.may_leave("nobody@unheard-of.example").await.split(" at ").next(), Some("NOT_FOUND email: nobody"));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_it_is_the_only_way_mailed_links_sign_nobody_in() {
    let org = Organisation::new().await;
    let app = &org.app;
    insta::assert_snapshot!(org.configure_refused(&org.dev, json!({ "enforced": true })).await, @"WRONG_STATE enforced: sign in by it once before you make it the only way: a mistake would lock everybody out");
    let ask = json!({ "email": "dev@acme.example", "redirectTo": "/apps" });
    app.mutate(None, "requestMagicLink", ask.clone(), "sent").await;
    let asked_before = app.magic_token("dev@acme.example").await;
    org.signs_in(somebody("d-1", "dev@acme.example")).await;
    let input = json!({ "teamId": org.team, "email": "carol@acme.example", "access": { "team": "READ", "credentials": "READ", "billing": "NONE" } });
    let invitation = app.mutate(Some(&org.dev), "inviteMember", input, "invitation { id }").await["invitation"]["id"].take();
    assert_eq!(org.configure(json!({ "enforced": true })).await["enforced"], true);

    let page = app.press("/auth/magic-link", &[("token", &asked_before)]).await;
    let status = page.status();
    let html = page.text().await.expect("a page");
    assert!(status == StatusCode::GONE && html.contains("own accounts alone"), "{status} {html}");
    assert_eq!(app.last_failure().await, "session.sign_in_failed (single_sign_on)");
    app.mutate(None, "requestMagicLink", ask, "sent").await;
    let mails = app.mails().await;
    let mail = mails.last().expect("a mail");
    let link = format!(
        "{}?email=dev%40acme.example&redirectTo={}%2Fapps",
        app.url("/auth/sso"),
        url::form_urlencoded::byte_serialize(app.url("").as_bytes()).collect::<String>()
    );
    assert!(
        mail.to == "dev@acme.example" && mail.text.contains("Acme's own") && mail.text.contains(&link),
        "{link}\n{}",
        mail.text
    );
    app.leaves_by(&link).await;

    // An invitation leads by the provider to the team.
    let token = app.invitation_token(&invitation).await;
    let page = app.press("/auth/invitation", &[("token", &token)]).await;
    assert_eq!((page.status(), cookie_of(&page, "portico_session")), (StatusCode::OK, String::new()));
    let mails = app.mails().await;
    let text = &mails.last().expect("a mail").text;
    let link = text.lines().find(|line| line.contains("/auth/sso?")).expect("a link");
    let left = app.leaves_by(link).await;
    let done = app.comes_back(&org.idp.signs_in(&left.url, somebody("c-1", "carol@acme.example")), &left.cookie).await;
    assert!(header(&done, "location").ends_with(&format!("/auth/invitation?token={token}")), "{}", header(&done, "location"));

    // Whom it cannot sign in comes by mail, still.
    let boss = app.person("boss@acme.example", Some(StaffRole::Owner)).await;
    let consultant = app.person("consultant@acme.example", None).await;
    app.team(&consultant, "globex").await;
    for who in [&boss.email, &consultant.email] {
        app.mutate(None, "requestMagicLink", json!({ "email": who }), "sent").await;
        let done = app.press("/auth/magic-link", &[("token", &app.magic_token(who).await)]).await;
        assert_eq!(done.status(), StatusCode::SEE_OTHER, "{who}");
    }
    // Staff may free those whom a provider locks out.
    app.mutate_as(Some(&boss), "removeSso", "SsoProviderIdInput", json!({ "providerId": org.provider }), "team { sso { id } }")
        .await;
    app.clock.advance(TimeDelta::hours(1));
    app.mutate(None, "requestMagicLink", json!({ "email": "dev@acme.example" }), "sent").await;
    let done = app.press("/auth/magic-link", &[("token", &app.magic_token("dev@acme.example").await)]).await;
    assert_eq!(done.status(), StatusCode::SEE_OTHER);
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_sign_in_by_the_provider_of_the_settings() {
    let idp = IdentityProvider::start().await;
    let issuer = idp.issuer.clone();
    let app = TestApp::start_with(|config| {
        config.staff_sso.issuer = Some(issuer);
        config.staff_sso.client_id = Some(CLIENT_ID.to_owned());
        config.staff_sso.client_secret = Some(SECRET.to_owned().into());
        config.staff_sso.domains = vec!["provider.example".to_owned()];
        config.staff_sso.enforced = true;
    })
    .await;
    let idp = idp.by(&app.domain().env);
    let editor = app.editor().await;
    let left = app.leaves(&editor.email).await;
    let done = app.comes_back(&idp.signs_in(&left.url, somebody("e-1", "editor@provider.example")), &left.cookie).await;
    assert_eq!(done.status(), StatusCode::SEE_OTHER);
    let session = Person { session: cookie_of(&done, "portico_session"), ..editor.clone() };
    let seen = app.data(Some(&session), "{ viewer { staffRole activeSession { method } } }", json!({})).await;
    assert_eq!(seen["viewer"], json!({ "staffRole": "EDITOR", "activeSession": { "method": "SSO" } }));
    app.mutate(None, "requestMagicLink", json!({ "email": editor.email }), "sent").await;
    assert!(app.mails().await.last().expect("a mail").text.contains("/auth/sso?email=editor%40provider.example"));
    // It makes nobody staff, and signs no partner in.
    for email in ["new@provider.example", "partner@provider.example"] {
        if email.starts_with("partner") {
            app.person(email, None).await;
        }
        let left = app.leaves(email).await;
        told(app.comes_back(&idp.signs_in(&left.url, somebody(email, email)), &left.cookie).await).await;
        assert_eq!(app.last_failure().await, "session.sign_in_failed (not_staff)");
    }
    app.mutate(None, "requestMagicLink", json!({ "email": "partner@provider.example" }), "sent").await;
    assert!(app.mails().await.last().expect("a mail").text.contains("/auth/magic-link?token="), "who is no staff comes by mail");
    // A session of before stands for nobody of the staff; and who leaves the staff leaves its provider's link behind.
    let owner = app.staff(StaffRole::Owner).await;
    let partner = app.person("rae@provider.example", None).await;
    let signed_in = async |who: &Person| !app.data(Some(who), "{ viewer { user { id } } }", json!({})).await["viewer"].is_null();
    assert!(signed_in(&partner).await && signed_in(&session).await);
    for (email, role) in [(&partner.email, json!("VIEWER")), (&editor.email, Value::Null)] {
        app.mutate(Some(&owner), "setStaffRole", json!({ "email": email, "role": role }), "__typename").await;
    }
    assert!(!signed_in(&partner).await && !signed_in(&session).await);
    let input = json!({ "email": editor.email, "role": "VIEWER" });
    app.mutate(Some(&owner), "setStaffRole", input, "__typename").await;
    let left = app.leaves(&editor.email).await;
    let done = app.comes_back(&idp.signs_in(&left.url, somebody("e-2", "editor@provider.example")), &left.cookie).await;
    assert_eq!(done.status(), StatusCode::SEE_OTHER, "another subject, as the first one is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_there_is_linked_by_a_verified_address_alone() {
    let org = Organisation::new().await;
    let silent = |sub, email| Somebody { verified: Value::Null, ..somebody(sub, email) };
    assert_eq!(org.address_of(&org.signs_in(silent("n-1", "new@acme.example")).await).await, "new@acme.example");
    insta::assert_snapshot!(org.refused(silent("d-1", "dev@acme.example")).await, @"Your organisation's identity provider does not say that your mail address is verified: verify it there, or ask your administrator to release the claim email_verified.");
    // It may say so at the userinfo endpoint, and Entra ID in a claim of its own.
    let later = Somebody { in_token: InToken::Address, ..somebody("d-1", "dev@acme.example") };
    assert_eq!(org.address_of(&org.signs_in(later).await).await, "dev@acme.example");
    let carol = org.app.member(&org.team, "carol@acme.example", AccessLevel::Read).await;
    let owned = |owner| Somebody { owner, ..silent("c-1", "carol@acme.example") };
    org.refused(owned(json!(false))).await;
    assert_eq!(org.address_of(&org.signs_in(owned(json!("1"))).await).await, carol.email);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_given_an_address_of_somebody_before_does_not_get_their_account() {
    let org = Organisation::new().await;
    let app = &org.app;
    let first = org.signs_in(somebody("first", "sam@acme.example")).await;
    let first = Person { session: cookie_of(&first, "portico_session"), ..org.dev.clone() };
    let sam = app.data(Some(&first), "{ viewer { user { id email } } }", json!({})).await["viewer"]["user"].take();
    insta::assert_snapshot!(org.refused(somebody("second", "sam@acme.example")).await, @"Somebody else at your organisation had this address here: ask an administrator of your team to remove that member, and to invite you.");
    assert_eq!(app.last_failure().await, "session.sign_in_failed (other_subject)");
    // Their team removes who was before: that session and link end, and the next one is told apart from then on.
    app.mutate(Some(&org.dev), "removeMember", json!({ "teamId": org.team, "userId": sam["id"] }), "__typename").await;
    assert_eq!(app.data(Some(&first), "{ viewer { user { email } } }", json!({})).await["viewer"], Value::Null);
    assert_eq!(org.address_of(&org.signs_in(somebody("second", "sam@acme.example")).await).await, "sam@acme.example");
    org.refused(somebody("first", "sam@acme.example")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_changes_meanwhile_signs_nobody_in() {
    let org = Organisation::new().await;
    let bob = || somebody("b-1", "bob@acme.example");
    let left = org.app.leaves("bob@acme.example").await;
    let second = IdentityProvider::start().await.by(&org.app.domain().env);
    org.configure(json!({ "issuer": second.issuer, "clientSecret": SECRET })).await;
    let asked = second.asked();
    insta::assert_snapshot!(told(org.app.comes_back(&org.idp.signs_in(&left.url, bob()), &left.cookie).await).await, @"Your organisation's single sign-on was changed while you were away: start again from the sign-in page.");
    assert_eq!((org.idp.asked(), second.asked()), (0, asked), "the code goes to nobody");
    let left = org.app.leaves("bob@acme.example").await;
    let removed = json!({ "providerId": org.provider });
    org.app.mutate_as(Some(&org.dev), "removeSso", "SsoProviderIdInput", removed, "team { id }").await;
    let back = second.signs_in(&left.url, bob());
    told(org.app.comes_back_by(org.team.as_str().expect("an id"), &back, &left.cookie).await).await;
    assert_eq!(org.app.last_failure().await, "session.sign_in_failed (changed)");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_fails_too_often_has_no_provider_asked() {
    let org = Organisation::new().await;
    let left = org.app.leaves("bob@acme.example").await;
    let code = |code: &str| {
        let mut back = org.idp.signs_in(&left.url, somebody("b-1", "bob@acme.example"));
        code.clone_into(&mut back[0].1);
        back
    };
    let mut tries = 0;
    while org.app.comes_back(&code("guessed"), &left.cookie).await.status() == StatusCode::BAD_REQUEST {
        tries += 1;
        assert!(tries < 100, "nobody is put off");
    }
    assert_eq!(org.idp.asked(), 1, "a start is good for one code");
}
