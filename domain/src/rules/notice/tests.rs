use super::*;
use crate::rules::leak::Measure;

fn table() -> String {
    let held = || Held {
        id: SubscriptionId(Uuid::nil()),
        name: "Tracking".to_owned(),
        plan: "Free".to_owned(),
        product: "Shipments".to_owned(),
        team: "Acme".to_owned(),
    };
    let at = DateTime::from_timestamp(1_767_603_600, 0).expect("a moment");
    let some = |text: &str| Some(text.to_owned());
    let (scope, team, by) = (|| "ship:write".to_owned(), || "Acme".to_owned(), || "Ada".to_owned());
    let spec = |breaking, broken: usize, still: Option<&str>| Notice::SpecPublished {
        id: ProductId(Uuid::nil()),
        product: "Shipments".to_owned(),
        version: "2.0.0".to_owned(),
        breaking,
        broken: (1..=broken).map(|n| format!("GET /track/{n}")).collect(),
        still: still.map(|prefix| StillServed {
            version: "1.4.0".to_owned(),
            path_prefix: prefix.to_owned(),
            environments: vec![Environment::Production],
        }),
        release_notes: None,
    };
    let id = TeamId(Uuid::nil());
    let named = || Named {
        id: CredentialId(Uuid::nil()),
        credential: "Nightly import".to_owned(),
        environment: Environment::Production,
        client: "Tracking".to_owned(),
        team: team(),
    };
    let credential = |what| Notice::Credential { named: named(), what };
    let second_factor = |what| Notice::SecondFactor { owner: UserId(Uuid::nil()), what };
    let leaked = |shown: Option<&str>, newest, measure| {
        let (shown, url) = (shown.map(str::to_owned), some("https://example.com/a#L7"));
        credential(CredentialNotice::Leaked { shown, url, newest, measure })
    };
    let record = || DomainRecord {
        team_id: id,
        team: team(),
        domain: "acme.example".to_owned(),
        name: "_portico-challenge.acme.example".to_owned(),
        value: "portico-domain-verification=abc".to_owned(),
    };
    let all = [
        Notice::SubscriptionWaiting { held: held() },
        Notice::SubscriptionApproved { held: held(), notes: None },
        Notice::SubscriptionRejected { held: held(), notes: some("No budget.") },
        Notice::SubscriptionSuspended { held: held(), notes: some("Unpaid") },
        Notice::SubscriptionReinstated { held: held(), notes: None },
        Notice::CancellationScheduled { held: held(), at },
        Notice::SubscriptionCancelled { held: held(), reason: None },
        Notice::SubscriptionExpiring { held: held(), days: 1, at },
        Notice::SubscriptionExpiring { held: held(), days: 7, at },
        Notice::SubscriptionExpired { held: held() },
        Notice::PlanChanged { held: held(), from: "Trial".to_owned() },
        Notice::SubmissionReceived { held: held(), due_at: at },
        Notice::ReviewStarted { held: held(), reviewer: "Rae".to_owned() },
        Notice::SubmissionApproved { held: held(), notes: None },
        Notice::SubmissionRejected { held: held(), notes: None },
        Notice::ChangesRequested { held: held(), notes: "Name a contact.".to_owned() },
        Notice::SubmissionWithdrawn { held: held() },
        Notice::ScopesRequested { held: held(), scopes: vec![scope()], reason: some("Labels.") },
        Notice::ScopeApproved { held: held(), scope: scope(), notes: None },
        Notice::ScopeDeclined { held: held(), scope: scope(), notes: None },
        Notice::ScopeRevoked { held: held(), scope: scope(), notes: None },
        spec(false, 0, Some("/v1")),
        spec(true, 0, None),
        spec(true, 1, Some("/v1")),
        spec(true, 12, Some("")),
        Notice::RegistrationWaiting { id, team: team(), by: by() },
        Notice::RegistrationApproved { id, team: team(), notes: None },
        Notice::RegistrationDeclined { id, team: team(), notes: None },
        Notice::SupportRequested { id, team: team(), by: by(), subject: "429".to_owned(), body: "Why?".to_owned() },
        Notice::DomainMissing { record: record(), until: at },
        Notice::DomainLost(record()),
        sso(SsoChange::SetUp, false),
        sso(SsoChange::Changed, true),
        sso(SsoChange::TakenAway, true),
        credential(CredentialNotice::Expiring { days: 30, at, renewed: true }),
        credential(CredentialNotice::Expiring { days: 1, at, renewed: false }),
        credential(CredentialNotice::OverlapEnding { at, last_used_at: at - chrono::TimeDelta::hours(7) }),
        credential(CredentialNotice::RotationRequested { by: by() }),
        credential(CredentialNotice::RotationApproved { overlap_hours: 24, notes: None }),
        credential(CredentialNotice::RotationApproved { overlap_hours: 0, notes: None }),
        credential(CredentialNotice::RotationDeclined { notes: some("Not in the freeze.") }),
        leaked(Some("ptk_live_0123456789ab_••••••••"), true, Measure::None),
        leaked(Some("ptk_live_0123456789ab_••••••••"), true, Measure::Narrow { scopes: vec![scope(), "ship:read".to_owned()] }),
        leaked(Some("pts_live_0123••••••••"), true, Measure::End { at, claimable: true }),
        leaked(None, false, Measure::None),
        leaked(None, false, Measure::Narrow { scopes: Vec::new() }),
        leaked(None, false, Measure::End { at, claimable: false }),
        Notice::AccessTokenLeaked {
            id: AccessTokenId(Uuid::nil()),
            name: "ci".to_owned(),
            url: some("https://example.com/a#L7"),
        },
        Notice::AccessTokenLeaked { id: AccessTokenId(Uuid::nil()), name: "ci".to_owned(), url: None },
        second_factor(SecondFactorNotice::TurnedOn),
        second_factor(SecondFactorNotice::TurnedOff),
        second_factor(SecondFactorNotice::Reset),
        second_factor(SecondFactorNotice::RecoveryCodeUsed { left: 9 }),
        second_factor(SecondFactorNotice::RecoveryCodeUsed { left: 1 }),
        second_factor(SecondFactorNotice::RecoveryCodeUsed { left: 0 }),
    ];
    let line = |notice: &Notice| {
        let (text, kind) = (notice.text(), notice.kind());
        assert_eq!(Subject::read(notice.subject().stored().0, Uuid::nil()), Some(notice.subject()));
        format!("{kind:?}: {}\n  {}\n", text.title, text.body.replace('\n', "\n  ").replace("\n  \n", "\n"))
    };
    all.iter().map(line).collect()
}

fn sso(what: SsoChange, enforced: bool) -> Notice {
    let domains = vec!["acme.example".to_owned(), "acme.test".to_owned()];
    let issuer = "https://login.acme.example".to_owned();
    Notice::Sso(SsoNotice {
        team_id: TeamId(Uuid::nil()),
        team: "Acme".to_owned(),
        provider: "Acme Login".to_owned(),
        issuer,
        domains,
        enforced,
        what,
    })
}

#[test]
fn each_notice_says_what_happened_and_what_to_do() {
    assert_eq!(table(), include_str!("table.txt"));
}
