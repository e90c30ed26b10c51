//! Mail domains: claimed, proven by DNS, looked at again, and what they open to whom.

use chrono::TimeDelta;
use domain::{Tx, outbox::RecheckDomains, read::sign_in::may_sign_in, tx::Unaudited};
use entities::enums::{AccessLevel, StaffRole};
use serde_json::{Value, json};

use crate::{
    app::{Person, TestApp},
    name_server::NameServer,
};

const DOMAIN: &str = "domain { id domain verified dnsRecordName dnsRecordValue autoJoin defaultAccess { role } }";
const OPEN: &str = "{ viewer { joinableTeams { slug } teams { slug } } }";

/// An instance that asks a name server of ours.
pub async fn with_dns() -> (TestApp, NameServer) {
    let dns = NameServer::start().await;
    let address = dns.address;
    let app = TestApp::start_with(|config| {
        config.dns_servers = vec![address];
        config.outgoing_private = true;
    })
    .await;
    (app, dns)
}

pub fn claim(team: &Value, domain: &str) -> Value {
    let access = json!({ "team": "READ", "credentials": "READ", "billing": "NONE" });
    json!({ "teamId": team, "domain": domain, "autoJoin": true, "defaultAccess": access })
}

impl TestApp {
    /// A domain that this person's team has claimed and proven.
    pub async fn proven(&self, dns: &NameServer, who: &Person, team: &Value, domain: &str) -> Value {
        let claimed = self.mutate(Some(who), "claimDomain", claim(team, domain), DOMAIN).await["domain"].take();
        dns.publish(&claimed).await;
        self.verify(who, &claimed).await["domain"].take()
    }

    async fn verify(&self, who: &Person, domain: &Value) -> Value {
        let input = json!({ "domainId": domain["id"] });
        self.mutate_as(Some(who), "verifyDomain", "TeamDomainIdInput", input, DOMAIN).await
    }

    async fn verify_refused(&self, who: &Person, domain: &Value) -> String {
        self.clock.advance(TimeDelta::seconds(3));
        self.refusal(Some(who), "verifyDomain", "TeamDomainIdInput", json!({ "domainId": domain["id"] })).await
    }

    /// As many days pass, and the records are looked at again; the subjects of the mails about it.
    async fn looked_again_after(&self, days: i64) -> Vec<String> {
        let before = self.mails().await.len();
        self.clock.advance(TimeDelta::days(days));
        let tx = Tx::begin(self.domain()).await.expect("a transaction");
        tx.enqueue(RecheckDomains).await.expect("enqueued");
        tx.commit_unaudited(Unaudited::Queue).await.expect("committed");
        let mut told: Vec<_> = self.mails().await.into_iter().skip(before).map(|mail| mail.subject).collect();
        // Whoever is told of it is told the same.
        told.dedup();
        told
    }

    async fn joins(&self, who: &Person, team: &Value) -> String {
        self.refusal(Some(who), "joinTeamByDomain", "JoinTeamByDomainInput", json!({ "teamId": team })).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_is_proven_by_its_record_and_by_one_team_only() {
    let (app, dns) = with_dns().await;
    let (dev, team) = app.partner("acme").await;
    let claimed = app.mutate(Some(&dev), "claimDomain", claim(&team, " ACME.example. "), DOMAIN).await["domain"].take();
    assert_eq!(claimed["domain"], "acme.example");
    assert_eq!(claimed["dnsRecordName"], "_portico-challenge.acme.example");
    let value = claimed["dnsRecordValue"].as_str().expect("a value");
    assert!(value.starts_with("portico-domain-verification="), "{value}");
    let refused = app.verify_refused(&dev, &claimed).await;
    assert_eq!(
        refused,
        format!(
            "WRONG_STATE domainId: there is no TXT record {value} at _portico-challenge.acme.example yet: publish it, wait until DNS shows it, and try again"
        )
    );
    let again = app.refusal(Some(&dev), "verifyDomain", "TeamDomainIdInput", json!({ "domainId": claimed["id"] })).await;
    assert!(again.starts_with("RATE_LIMITED: "), "{again}");
    for other in ["portico-domain-verification=of-somebody-else", "v=spf1 -all"] {
        dns.publish_text("_portico-challenge.acme.example", &[other]).await;
    }
    dns.publish_text("acme.example", &[value]).await;
    assert!(app.verify_refused(&dev, &claimed).await.starts_with("WRONG_STATE "), "at another name it proves nothing");
    // Long records come in pieces.
    let (front, back) = value.split_at(10);
    dns.publish_text("_portico-challenge.acme.example", &[front, back]).await;
    app.clock.advance(TimeDelta::seconds(3));
    assert_eq!(app.verify(&dev, &claimed).await["domain"]["verified"], true);
    assert_eq!(app.verify(&dev, &claimed).await["domain"]["verified"], true, "a second time changes nothing");

    // Others may claim it, and do not get it.
    let (other, others) = app.partner("globex").await;
    let second = app.mutate(Some(&other), "claimDomain", claim(&others, "acme.example"), DOMAIN).await["domain"].take();
    assert_ne!(second["dnsRecordValue"], claimed["dnsRecordValue"]);
    dns.publish(&second).await;
    insta::assert_snapshot!(app.verify_refused(&other, &second).await, @"TAKEN domainId: another team has proven this domain: ask the provider's support if it is yours");
    // What was given up can be proven by the next.
    app.mutate_as(Some(&dev), "removeDomain", "TeamDomainIdInput", json!({ "domainId": claimed["id"] }), "team { slug }").await;
    app.clock.advance(TimeDelta::seconds(3));
    assert_eq!(app.verify(&other, &second).await["domain"]["verified"], true);
    insta::assert_debug_snapshot!(app.audited().await.into_iter().filter(|action| action.starts_with("domain.")).collect::<Vec<_>>(), @r#"
    [
        "domain.claimed",
        "domain.verified",
        "domain.claimed",
        "domain.removed",
        "domain.verified",
    ]
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_nobodys_own_cannot_be_claimed() {
    let (app, _) = with_dns().await;
    let (dev, team) = app.partner("acme").await;
    let refused = async |domain: &str| app.refusal(Some(&dev), "claimDomain", "ClaimDomainInput", claim(&team, domain)).await;
    insta::assert_snapshot!(refused("gmail.com").await, @"INVALID domain: anyone can have a mailbox at this domain: claim one that is your organisation's own");
    insta::assert_snapshot!(refused("mail@acme.example").await, @"INVALID domain: must be a domain such as example.com");
    for malformed in ["", "acme", "https://acme.example", "*.acme.example", "127.0.0.1", "a b.example", "-a.example"] {
        assert!(refused(malformed).await.starts_with("INVALID domain: "), "{malformed}");
    }
    app.mutate(Some(&dev), "claimDomain", claim(&team, "acme.example"), DOMAIN).await;
    insta::assert_snapshot!(refused("acme.example").await, @"TAKEN domain: the team has claimed this domain already: verify it, or remove the claim first");
    // Nobody's name server is no proof.
    let claimed = app.mutate(Some(&dev), "claimDomain", claim(&team, "acme.test"), DOMAIN).await["domain"].take();
    insta::assert_snapshot!(app.verify_refused(&dev, &claimed).await, @"WRONG_STATE domainId: DNS does not answer for _portico-challenge.acme.test: see that the domain's name servers are up, and try again");
    for n in 2..20 {
        app.mutate(Some(&dev), "claimDomain", claim(&team, &format!("d{n}.example")), DOMAIN).await;
    }
    insta::assert_snapshot!(refused("one-too-many.example").await, @"LIMIT_REACHED domain: a team has at most 20 domains: remove one first");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_a_mailbox_at_a_proven_domain_may_join_its_team() {
    let (app, dns) = with_dns().await;
    let (dev, team) = app.partner("acme").await;
    let welcome = async |email: &str| may_sign_in(&app.domain().db, email, app.domain().now()).await.expect("an answer");
    assert!(!welcome("bob@acme.example").await);
    let claimed = app.mutate(Some(&dev), "claimDomain", claim(&team, "acme.example"), DOMAIN).await["domain"].take();
    assert!(!welcome("bob@acme.example").await, "a claim alone opens nothing");
    dns.publish(&claimed).await;
    app.verify(&dev, &claimed).await;
    assert!(welcome("bob@acme.example").await && !welcome("bob@sub.acme.example").await);

    let bob = app.person("bob@acme.example", None).await;
    let seen = app.data(Some(&bob), OPEN, json!({})).await;
    assert_eq!(seen["viewer"], json!({ "joinableTeams": [{ "slug": "acme" }], "teams": [] }));
    assert_eq!(app.joins(&bob, &team).await, "fine : ");
    let query = "{ viewer { joinableTeams { slug } teams { slug viewerAccess { team credentials billing }
        members(first: 9) { nodes { user { email } joinedBy } } } } }";
    insta::assert_json_snapshot!(app.data(Some(&bob), query, json!({})).await["viewer"], @r#"
    {
      "joinableTeams": [],
      "teams": [
        {
          "slug": "acme",
          "viewerAccess": {
            "team": "READ",
            "credentials": "READ",
            "billing": "NONE"
          },
          "members": {
            "nodes": [
              {
                "user": {
                  "email": "bob@acme.example"
                },
                "joinedBy": "DOMAIN"
              },
              {
                "user": {
                  "email": "dev@acme.example"
                },
                "joinedBy": "FOUNDER"
              }
            ]
          }
        }
      ]
    }
    "#);
    insta::assert_snapshot!(app.joins(&bob, &team).await, @"ALREADY_DONE teamId: you are a member of this team already");

    // Not for others, nor for who was put out, nor once it is closed.
    let carol = app.person("carol@globex.example", None).await;
    assert_eq!(app.data(Some(&carol), OPEN, json!({})).await["viewer"]["joinableTeams"], json!([]));
    assert!(app.joins(&carol, &team).await.starts_with("NOT_FOUND"), "whether it exists is not said");
    app.mutate(Some(&dev), "removeMember", json!({ "teamId": team, "userId": bob.id.to_string() }), "team { id }").await;
    assert_eq!(app.data(Some(&bob), OPEN, json!({})).await["viewer"], json!({ "joinableTeams": [], "teams": [] }));
    assert!(app.joins(&bob, &team).await.starts_with("NOT_FOUND"));
    let dora = app.person("dora@acme.example", None).await;
    let closed = json!({ "domainId": claimed["id"], "autoJoin": false });
    app.mutate_as(Some(&dev), "updateDomain", "UpdateDomainInput", closed, "domain { autoJoin }").await;
    assert!(app.joins(&dora, &team).await.starts_with("NOT_FOUND") && !welcome("eve@acme.example").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_whose_record_is_gone_for_a_week_is_no_longer_proven() {
    let (app, dns) = with_dns().await;
    let (dev, team) = app.partner("acme").await;
    let proven = app.proven(&dns, &dev, &team, "acme.example").await;
    let bob = app.person("bob@acme.example", None).await;
    let verified = async || {
        let query = "query($id: ID!) { team(id: $id) { domains { verified } } }";
        app.data(Some(&dev), query, json!({ "id": team })).await["team"]["domains"][0]["verified"].take()
    };
    assert_eq!(app.looked_again_after(1).await, Vec::<String>::new());
    dns.withdraw().await;
    assert_eq!(app.looked_again_after(1).await, ["The DNS record of acme.example is missing"]);
    // Back in time: nothing has happened.
    dns.publish(&proven).await;
    assert_eq!(app.looked_again_after(1).await, Vec::<String>::new());
    dns.withdraw().await;
    assert_eq!(app.looked_again_after(1).await, ["The DNS record of acme.example is missing"]);
    assert_eq!(app.looked_again_after(6).await, Vec::<String>::new(), "said once");
    assert_eq!(
        (verified().await, app.data(Some(&bob), OPEN, json!({})).await["viewer"]["joinableTeams"][0]["slug"].take()),
        (json!(true), json!("acme"))
    );
    assert_eq!(app.looked_again_after(1).await, ["acme.example is no longer proven"]);
    assert_eq!(
        (verified().await, app.data(Some(&bob), OPEN, json!({})).await["viewer"]["joinableTeams"].take()),
        (json!(false), json!([]))
    );
    assert_eq!(app.audited().await.last().map(String::as_str), Some("domain.lost"));
    dns.publish(&proven).await;
    app.clock.advance(TimeDelta::seconds(3));
    assert_eq!(app.verify(&dev, &proven).await["domain"]["verified"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_server_that_does_not_answer_takes_nothing_away() {
    let (app, dns) = with_dns().await;
    let (dev, team) = app.partner("acme").await;
    app.proven(&dns, &dev, &team, "acme.example").await;
    drop(dns);
    assert_eq!(app.looked_again_after(8).await, Vec::<String>::new());
    let query = "query($id: ID!) { team(id: $id) { domains { verified } } }";
    assert_eq!(app.data(Some(&dev), query, json!({ "id": team })).await["team"]["domains"][0]["verified"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn domains_are_managed_by_who_manages_the_team_within_what_they_hold() {
    let (app, dns) = with_dns().await;
    let (dev, team) = app.partner("acme").await;
    let domain = app.proven(&dns, &dev, &team, "acme.example").await;
    let member = app.member(&team, "m@acme.example", AccessLevel::Full).await;
    let (other, _) = app.partner("globex").await;
    let admin = app.staff(StaffRole::Admin).await;
    let query = "query($team: ID!, $domain: ID!) { team(id: $team) { domains { domain } } node(id: $domain) { id } }";
    let seen = async |who: &Person| {
        let seen = app.data(Some(who), query, json!({ "team": team, "domain": domain["id"] })).await;
        (seen["team"]["domains"].is_array(), seen["node"].is_object())
    };
    assert_eq!((seen(&dev).await, seen(&member).await, seen(&other).await), ((true, true), (false, false), (false, false)));
    assert_eq!(seen(&admin).await, (true, true));
    let input = json!({ "domainId": domain["id"] });
    for (who, expected) in [(&member, "FORBIDDEN"), (&other, "NOT_FOUND")] {
        for field in ["verifyDomain", "removeDomain"] {
            let refused = app.refusal(Some(who), field, "TeamDomainIdInput", input.clone()).await;
            assert!(refused.starts_with(expected), "{field} {} {refused}", who.email);
        }
        let refused = app.refusal(Some(who), "claimDomain", "ClaimDomainInput", claim(&team, "x.example")).await;
        assert!(refused.starts_with(expected), "{} {refused}", who.email);
    }
    // Full access to the team area alone: no more than that can be given.
    let manager = app.person("manager@acme.example", None).await;
    let input =
        json!({ "teamId": team, "email": manager.email, "access": { "team": "FULL", "credentials": "NONE", "billing": "NONE" } });
    let invited = app.mutate(Some(&dev), "inviteMember", input, "invitation { id }").await["invitation"]["id"].take();
    let token = app.invitation_token(&invited).await;
    app.mutate(Some(&manager), "acceptInvitation", json!({ "token": token }), "team { id }").await;
    let refused = app.refusal(Some(&manager), "claimDomain", "ClaimDomainInput", claim(&team, "y.example")).await;
    assert!(refused.starts_with("INVALID defaultAccess") || refused.contains("defaultAccess"), "{refused}");
    // Nor be opened that somebody else has given.
    let switched = |on: bool| json!({ "domainId": domain["id"], "autoJoin": on });
    app.mutate_as(Some(&manager), "updateDomain", "UpdateDomainInput", switched(false), "domain { autoJoin }").await;
    let refused = app.refusal(Some(&manager), "updateDomain", "UpdateDomainInput", switched(true)).await;
    assert!(refused.contains("defaultAccess"), "{refused}");
}
