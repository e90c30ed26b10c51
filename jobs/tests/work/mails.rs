//! What people read, and who gets a mail at all.

use chrono::TimeDelta;
use domain::{
    outbox::{SendInvitation, SendMagicLink, SendNotification, SendSupportRequest},
    read::sign_in::may_sign_in,
};
use entities::{
    authorized_email, client,
    enums::{AccessLevel, InvitationStatus, JoinMethod, NotificationKind, SupportTopic, TeamStatus},
    id::{AuthorizedEmailId, ClientId, InvitationId, MagicLinkId, NotificationId, RequestId, SupportRequestId, TeamId, UserId},
    invitation, magic_link, membership, notification, portal, support_request, team, user,
};
use insta::assert_snapshot;
use jobs::{drain::drain, mail::Delivery};
use sea_orm::{ActiveModelTrait, IntoActiveModel, Set};

use crate::fixture::Fixture;

const ADA: &str = "ada@partner.example";

impl Fixture {
    async fn portal(&self, set: portal::ActiveModel) {
        portal::ActiveModel { id: Set(1), ..set }.update(&self.domain.db).await.expect("portal");
    }

    async fn user(&self, email: &str, name: Option<&str>) -> UserId {
        let id = self.domain.env.id();
        let name = name.map(str::to_owned);
        let row = user::Model { id, email: email.to_owned(), name, staff_role: None, created_at: self.domain.now() };
        row.into_active_model().insert(&self.domain.db).await.expect("user").id
    }

    async fn team(&self, name: &str) -> TeamId {
        let row = team::Model {
            id: self.domain.env.id(),
            name: name.to_owned(),
            slug: name.to_lowercase(),
            internal: false,
            status: TeamStatus::Active,
            tier_id: None,
            created_at: self.domain.now(),
            version: 1,
        };
        row.into_active_model().insert(&self.domain.db).await.expect("team").id
    }

    /// Lets a person into a team of their own.
    async fn member(&self, user_id: UserId) -> membership::ActiveModel {
        let row = membership::Model {
            id: self.domain.env.id(),
            team_id: self.team(&format!("Team{}", self.domain.env.id::<TeamId>())).await,
            user_id,
            access_team: AccessLevel::Read,
            access_credentials: AccessLevel::Read,
            access_billing: AccessLevel::None,
            joined_by: JoinMethod::Invitation,
            joined_at: self.domain.now(),
        };
        row.into_active_model().insert(&self.domain.db).await.expect("membership").into_active_model()
    }

    async fn invitation(&self, set: impl FnOnce(&mut invitation::Model)) -> InvitationId {
        let mut row = invitation::Model {
            id: self.domain.env.id(),
            team_id: self.team(&format!("Team{}", self.domain.env.id::<TeamId>())).await,
            email: ADA.to_owned(),
            access_team: AccessLevel::Read,
            access_credentials: AccessLevel::Full,
            access_billing: AccessLevel::None,
            invited_by: None,
            message: None,
            status: InvitationStatus::Pending,
            generation: 1,
            created_at: self.domain.now(),
            sent_at: self.domain.now(),
            link_used_at: None,
            expires_at: self.domain.now() + TimeDelta::days(30),
            accepted_at: None,
        };
        set(&mut row);
        row.into_active_model().insert(&self.domain.db).await.expect("invitation").id
    }

    async fn link(&self, email: &str) -> MagicLinkId {
        let now = self.domain.now();
        let row = magic_link::Model {
            id: self.domain.env.id(),
            email: email.to_owned(),
            redirect_to: None,
            invitation_id: None,
            requested_ip: None,
            created_at: now,
            expires_at: now + TimeDelta::minutes(10),
            used_at: None,
        };
        row.into_active_model().insert(&self.domain.db).await.expect("link").id
    }

    /// How many mails the jobs that are due make.
    async fn sent(&self) -> usize {
        let (mailer, mails) = self.memory();
        drain(&self.domain, &mailer).await.expect("drain");
        mails.mails().len()
    }
}

#[tokio::test]
async fn a_sign_in_link_as_a_file() {
    let f = Fixture::new().await;
    f.user(ADA, None).await;
    let link = f.link(ADA).await;
    f.enqueue(SendMagicLink { link }).await;
    let directory = f.directory("mail");
    let mailer = f.mailer(Delivery::Files { directory: directory.clone(), print: None });
    assert_eq!(drain(&f.domain, &mailer).await.expect("drain"), 1);
    let files: Vec<_> = std::fs::read_dir(&directory).expect("mails").map(|file| file.expect("a file").file_name()).collect();
    assert_eq!(files, [format!("{link}.eml").as_str()], "one, under its last name");
    let first = std::fs::read_to_string(directory.join(&files[0])).expect("a mail");
    assert_snapshot!("sign_in.eml", first.replace("\r\n", "\n"));

    f.clock.advance(TimeDelta::minutes(2));
    f.enqueue(SendMagicLink { link }).await;
    drain(&f.domain, &mailer).await.expect("drain");
    let second = std::fs::read_to_string(directory.join(&files[0])).expect("a mail");
    assert_eq!(second, first, "a second copy is the same, byte for byte");
    f.close().await;
}

#[tokio::test]
async fn an_invitation_in_the_portal_s_own_look() {
    let f = Fixture::new().await;
    f.portal(portal::ActiveModel {
        name: Set("Développeurs Acmé".to_owned()),
        logo_url: Set(Some("https://acme.example/logo.svg?a=1&b=\"2\"".to_owned())),
        primary_color: Set(Some("#ffcc00".to_owned())),
        support_email: Set(Some("help@acme.example".to_owned())),
        ..Default::default()
    })
    .await;
    let inviter = f.user("grace@acme.example", Some("Grace \"Amazing\" Hopper")).await;
    let team_id = f.team("Rocket & Sons <Ltd>").await;
    let invitation = f
        .invitation(|row| {
            row.team_id = team_id;
            row.invited_by = Some(inviter);
            row.message = Some("Welcome!\n<script>alert('x')</script>".to_owned());
        })
        .await;
    f.enqueue(SendInvitation { invitation, generation: 1 }).await;
    let (mailer, mails) = f.memory();
    drain(&f.domain, &mailer).await.expect("drain");
    let mail = mails.mails().remove(0);
    assert_snapshot!("invitation.txt", format!("{}\n\n{}", mail.subject, mail.text));
    assert_snapshot!("invitation.html", mail.html);
    let (headers, _) = mail.message.split_once("\r\n\r\n").expect("headers");
    assert_snapshot!("invitation.headers", headers.replace("\r\n", "\n"));
    f.close().await;
}

#[tokio::test]
async fn names_cannot_add_headers() {
    let f = Fixture::new().await;
    f.portal(portal::ActiveModel { name: Set("Acme\r\nBcc: eve@evil.example\r\n\r\nHello".to_owned()), ..Default::default() })
        .await;
    f.user(ADA, None).await;
    let link = f.link(ADA).await;
    f.enqueue(SendMagicLink { link }).await;
    let (mailer, mails) = f.memory();
    drain(&f.domain, &mailer).await.expect("drain");
    let mail = mails.mails().remove(0);
    let (headers, _) = mail.message.split_once("\r\n\r\n").expect("headers");
    assert!(!headers.lines().any(|line| line.to_lowercase().starts_with("bcc")), "{headers}");
    assert_eq!(mail.subject, "Sign in to Acme Bcc: eve@evil.example Hello");
    f.close().await;
}

#[tokio::test]
async fn a_link_goes_only_to_who_may_sign_in() {
    let f = Fixture::new().await;
    for email in [ADA, "known@partner.example", "invited@partner.example", "authorised@partner.example"] {
        let link = f.link(email).await;
        f.enqueue(SendMagicLink { link }).await;
    }
    assert_eq!(f.sent().await, 0, "nobody is known yet");

    f.user("known@partner.example", None).await;
    f.invitation(|row| row.email = "invited@partner.example".to_owned()).await;
    f.invitation(|row| {
        row.email = "late@partner.example".to_owned();
        row.expires_at = row.created_at;
    })
    .await;
    f.invitation(|row| {
        row.email = "uninvited@partner.example".to_owned();
        row.status = InvitationStatus::Revoked;
    })
    .await;
    let team_id = f.team("Rocket").await;
    for (portal_access, email) in [(true, "authorised@partner.example"), (false, "shut-out@partner.example")] {
        let row = client::Model {
            id: f.domain.env.id::<ClientId>(),
            team_id,
            subscription_id: None,
            name: email.to_owned(),
            description: None,
            // Calls are another matter.
            enabled: !portal_access,
            portal_access,
            policy_id: None,
            created_at: f.domain.now(),
            version: 1,
        };
        let client_id = row.into_active_model().insert(&f.domain.db).await.expect("client").id;
        let row = authorized_email::Model {
            id: f.domain.env.id::<AuthorizedEmailId>(),
            team_id,
            client_id,
            email: email.to_owned(),
            access_team: AccessLevel::Read,
            access_credentials: AccessLevel::Full,
            access_billing: AccessLevel::None,
            invited_at: f.domain.now(),
            last_sign_in_at: None,
        };
        row.into_active_model().insert(&f.domain.db).await.expect("authorised");
    }
    let verdict = async |email: &str| may_sign_in(&f.domain.db, email, f.domain.now()).await.expect("verdict");
    for (email, may) in [
        ("known@partner.example", true),
        (" Known@Partner.example ", true),
        ("invited@partner.example", true),
        ("authorised@partner.example", true),
        ("late@partner.example", false),
        ("uninvited@partner.example", false),
        ("shut-out@partner.example", false),
        (ADA, false),
    ] {
        assert_eq!(verdict(email).await, may, "{email}");
        let link = f.link(email.trim()).await;
        f.enqueue(SendMagicLink { link }).await;
        assert_eq!(f.sent().await, usize::from(may), "{email}");
    }
    f.portal(portal::ActiveModel { self_registration: Set(true), ..Default::default() }).await;
    assert!(verdict(ADA).await);
    f.close().await;
}

#[tokio::test]
async fn a_link_that_is_used_or_too_old_is_not_sent() {
    let f = Fixture::new().await;
    f.user(ADA, None).await;
    let used = f.link(ADA).await;
    let set = magic_link::ActiveModel { id: Set(used), used_at: Set(Some(f.domain.now())), ..Default::default() };
    set.update(&f.domain.db).await.expect("used");
    f.enqueue(SendMagicLink { link: used }).await;
    f.enqueue(SendMagicLink { link: f.domain.env.id() }).await;
    assert_eq!(f.sent().await, 0);
    let link = f.link(ADA).await;
    f.enqueue(SendMagicLink { link }).await;
    f.clock.advance(TimeDelta::minutes(10));
    assert_eq!(f.sent().await, 0, "late");
    assert_eq!(f.jobs().await, [], "and nothing is left to try again");
    f.close().await;
}

#[tokio::test]
async fn an_invitation_is_mailed_for_its_last_generation_while_it_waits() {
    let f = Fixture::new().await;
    let id = f.invitation(|row| row.generation = 2).await;
    for (generation, mails) in [(1, 0), (2, 1), (3, 0)] {
        f.enqueue(SendInvitation { invitation: id, generation }).await;
        assert_eq!(f.sent().await, mails, "generation {generation}");
    }
    let set = invitation::ActiveModel { id: Set(id), status: Set(InvitationStatus::Revoked), ..Default::default() };
    set.update(&f.domain.db).await.expect("revoked");
    f.enqueue(SendInvitation { invitation: id, generation: 2 }).await;
    assert_eq!(f.sent().await, 0);
    f.close().await;
}

#[tokio::test]
async fn a_support_request_is_answered_to_who_asked() {
    let f = Fixture::new().await;
    let support =
        |address: Option<&str>| portal::ActiveModel { support_email: Set(address.map(str::to_owned)), ..Default::default() };
    f.portal(support(Some("help@acme.example"))).await;
    let team_id = f.team("Rocket & Sons").await;
    let user_id = f.user(ADA, Some("Ada\r\nBcc: eve@evil.example")).await;
    let row = support_request::Model {
        id: f.domain.env.id::<SupportRequestId>(),
        team_id,
        user_id,
        reference: "SR-4F7K-9Q2M".to_owned(),
        topic: SupportTopic::RefusedCall,
        subject: "A <429>".to_owned(),
        body: "Why?\n<script>alert('x')</script>".to_owned(),
        request_id: Some(RequestId(f.domain.env.uuid())),
        created_at: f.domain.now(),
    };
    let request = row.into_active_model().insert(&f.domain.db).await.expect("a request");
    let (mailer, mails) = f.memory();
    for _ in 0..2 {
        f.enqueue(SendSupportRequest { request: request.id }).await;
        drain(&f.domain, &mailer).await.expect("drain");
        f.clock.advance(TimeDelta::minutes(2));
    }
    let [mail, again] = mails.mails().try_into().expect("two mails");
    assert_eq!(mail.message, again.message, "a second copy is the same, byte for byte");
    let (headers, _) = mail.message.split_once("\r\n\r\n").expect("headers");
    let headers: Vec<_> = headers.lines().collect();
    assert!(headers.contains(&&*format!("Message-ID: <{}@acme.example>", request.id)), "{headers:?}");
    assert!(headers.contains(&"To: help@acme.example") && headers.contains(&"Subject: [SR-4F7K-9Q2M] A <429>"), "{headers:?}");
    let replies: Vec<_> = headers.iter().filter(|line| line.starts_with("Reply-To: ")).collect();
    assert_eq!(replies, [&"Reply-To: =?utf-8?b?QWRhIEJjYzogZXZl77ygZXZpbOKApGV4YW1wbGU=?= <ada@partner.example>"]);
    assert!(!headers.iter().any(|line| line.starts_with("Auto-Submitted") || line.starts_with("Bcc")), "{headers:?}");
    assert!(mail.text.contains("of the team Rocket & Sons asks:\n\nWhy?\n<script>alert('x')</script>\n"), "{}", mail.text);
    let call = request.request_id.expect("a call").to_string();
    assert!(
        mail.text
            .contains(&format!("Topic: REFUSED_CALL\nReference: SR-4F7K-9Q2M\nSent: 3 May 2026, 14:05 UTC\nRequest: {call}\n")),
        "{}",
        mail.text
    );
    assert!(mail.html.contains("Why?\n&lt;script&gt;") && mail.html.contains("Rocket &amp; Sons"), "{}", mail.html);
    assert!(!mail.text.contains("Questions?"), "it is support that reads it");

    f.portal(support(None)).await;
    f.enqueue(SendSupportRequest { request: request.id }).await;
    assert_eq!(f.sent().await, 0, "no address any more");
    f.close().await;
}

#[tokio::test]
async fn a_notification_is_mailed_as_it_was_told() {
    let f = Fixture::new().await;
    let ada = f.user(ADA, None).await;
    let member = f.member(ada).await;
    let row = notification::Model {
        id: f.domain.env.id::<NotificationId>(),
        user_id: ada,
        kind: NotificationKind::Spec,
        title: "Rocket & Sons has the new version 2".to_owned(),
        body: "It breaks operations that your team calls:\nGET /a\nGET /b\n\n<b>Enjoy</b>".to_owned(),
        subject_kind: "prd".to_owned(),
        subject_id: f.domain.env.uuid(),
        at: f.domain.now(),
        read_at: None,
    };
    let row = row.into_active_model().insert(&f.domain.db).await.expect("a notification");
    let (mailer, mails) = f.memory();
    for _ in 0..2 {
        f.enqueue(SendNotification { notification: row.id }).await;
        drain(&f.domain, &mailer).await.expect("drain");
        f.clock.advance(TimeDelta::minutes(2));
    }
    let [mail, again] = mails.mails().try_into().expect("two mails");
    assert_eq!(mail.message, again.message, "a second copy is the same, byte for byte");
    assert_snapshot!("notification.txt", mail.text.replace(&row.id.to_string(), "[id]"));
    assert_snapshot!("notification.html", mail.html.replace(&row.id.to_string(), "[id]"));

    member.delete(&f.domain.db).await.expect("left");
    f.enqueue(SendNotification { notification: row.id }).await;
    assert_eq!(f.sent().await, 0, "left the team meanwhile");
    f.member(ada).await;
    let set = notification::ActiveModel { id: Set(row.id), read_at: Set(Some(f.domain.now())), ..Default::default() };
    set.update(&f.domain.db).await.expect("read");
    f.enqueue(SendNotification { notification: row.id }).await;
    assert_eq!(f.sent().await, 0, "read meanwhile");
    f.close().await;
}
