//! Changes taken back one by one.

use uuid::Uuid;

use super::*;

fn id<T: entities::id::TypedId>(n: u128) -> T {
    T::from_uuid(Uuid::from_u128(n))
}

fn at(hour: u32) -> DateTime<Utc> {
    format!("2026-01-01T{hour:02}:00:00Z").parse().unwrap()
}

fn limits(requests: i32) -> Limits {
    Limits { rate: Some((requests, RateWindow::Minute)), quota: None }
}

/// A team in production, with one client that calls from one network.
fn state() -> State {
    let mut state = State::new(id(1), None);
    let scopes = BTreeSet::from(["read".to_owned()]);
    let (status, phase) = (SubscriptionStatus::Active, Some(PipelinePhase::Production));
    state.subscriptions.insert(id(2), Subscription { plan: id(3), product: id(4), status, phase, scopes });
    state.clients.insert(id(5), Client { subscription: Some(id(2)), enabled: true, policy: Some(id(6)) });
    for (n, environment, range) in [(7, Environment::Sandbox, "192.0.2.0/24"), (8, Environment::Production, "198.51.100.0/24")] {
        let allowlist = vec![range.to_owned()];
        state.profiles.insert(id(n), Profile { client: id(5), environment, enabled: true, policy: None, allowlist });
        state.plans.insert((id(3), environment), limits(i32::try_from(n).unwrap()));
    }
    let (environment, kind) = (Environment::Production, AuthMethod::ApiKey);
    let (created_at, expires_at, status) = (at(1), Some(at(20)), CredentialStatus::Active);
    state.credentials.insert(id(9), Credential { client: id(5), environment, kind, status, created_at, expires_at });
    state.policies.insert(id(6), Policy { enabled: true, limits: limits(100) });
    state
}

fn undone(changes: impl IntoIterator<Item = Change>) -> Snapshot {
    let mut state = state();
    changes.into_iter().for_each(|change| state.undo(change, at(10)));
    state.snapshot(at(10))
}

fn phase(phase: PipelinePhase) -> Change {
    Change::Subscription { id: id(2), status: None, phase: Some(Some(phase)), plan: None, scopes: None }
}

#[test]
fn limits_and_addresses_are_those_of_the_environment_that_was_open() {
    let of = |changes: Vec<Change>| {
        let client = undone(changes).clients.remove(0);
        (client.limits.rate.map(|(requests, _)| requests), client.allowlist.join(" "))
    };
    let detached = || Change::Client { id: id(5), enabled: None, policy: Some(None) };
    let disabled = Change::Policy { id: id(6), enabled: Some(false), rate: None, quota: None };
    let unlimited = Change::Policy { id: id(6), enabled: None, rate: Some(None), quota: None };
    let attached = Change::Profile { id: id(7), enabled: None, policy: Some(Some(id(6))), allowlist: None };
    assert_eq!(of(vec![]), (Some(100), "198.51.100.0/24".to_owned()));
    assert_eq!(of(vec![detached()]).0, Some(8));
    assert_eq!(of(vec![disabled]).0, Some(8));
    assert_eq!(of(vec![unlimited]).0, None);
    assert_eq!(of(vec![detached(), phase(PipelinePhase::InReview)]), (Some(7), "192.0.2.0/24".to_owned()));
    assert_eq!(of(vec![detached(), attached, phase(PipelinePhase::Sandbox)]).0, Some(100));
    assert_eq!(of(vec![detached(), Change::PlanLimits(id(3), vec![])]).0, None);
}

#[test]
fn a_credential_works_from_its_claim_to_its_end() {
    let works = |changes: Vec<Change>| undone(changes).clients[0].credentials.len();
    assert_eq!(works(vec![]), 1);
    assert_eq!(works(vec![Change::Expiry(id(9), Some(at(10)))]), 0);
    assert_eq!(works(vec![Change::Expiry(id(9), None)]), 1);
    assert_eq!(works(vec![Change::Claimed(id(9))]), 0);
}

#[test]
fn what_was_given_and_taken_is_what_it_was_before() {
    let products = |changes: Vec<Change>| undone(changes).clients.remove(0).products;
    let (team, tier) = (Recipient::Team(id(1)), Recipient::Tier(id(30)));
    assert_eq!(products(vec![]), [id(4)]);
    assert_eq!(products(vec![Change::Unassigned(team, id(20))]), [id(4), id(20)]);
    assert_eq!(products(vec![Change::Unassigned(team, id(20)), Change::Assigned(team, id(20))]), [id(4)]);
    assert_eq!(products(vec![Change::Unassigned(tier, id(20))]), [id(4)]);
    assert_eq!(products(vec![Change::Unassigned(tier, id(20)), Change::Tier(Some(id(30)))]), [id(4), id(20)]);
    let scopes = |changes: Vec<Change>| undone(changes).subscriptions.remove(0).scopes;
    assert_eq!(scopes(vec![Change::ScopeTaken(id(2), "write".to_owned())]), ["read", "write"]);
    assert_eq!(scopes(vec![Change::ScopeGiven(id(2), "read".to_owned())]), [""; 0]);
}

#[test]
fn a_scope_counts_where_the_plan_names_it_and_the_lane_was_open() {
    let phase = |phase| Change::Subscription { id: id(2), status: None, phase: Some(Some(phase)), plan: None, scopes: None };
    let scopes = |environments: &[Environment], was| {
        let mut state = state();
        state.scopes.insert((id(3), "read".to_owned()), environments.to_vec());
        state.undo(phase(was), at(10));
        state.snapshot(at(10)).subscriptions.remove(0).scopes
    };
    let (sandbox, production) = (&[Environment::Sandbox][..], &[Environment::Production][..]);
    assert_eq!(scopes(sandbox, PipelinePhase::Sandbox), ["read"]);
    assert_eq!(scopes(sandbox, PipelinePhase::Production), ["read"]);
    assert_eq!(scopes(production, PipelinePhase::Production), ["read"]);
    assert_eq!(scopes(production, PipelinePhase::Sandbox), [""; 0]);
}

#[test]
fn who_left_had_been_there_since_they_came() {
    let left = |since| Change::Left { user: id(40), access: Access::DEVELOPER, since, at: at(12) };
    let members = |changes: Vec<Change>| {
        let snapshot = undone(changes);
        (snapshot.members, snapshot.gaps.len())
    };
    let there = vec![(id(40), Access::DEVELOPER)];
    assert_eq!(members(vec![left(Some(at(9)))]), (there.clone(), 0));
    assert_eq!(members(vec![left(Some(at(10)))]), (there.clone(), 0));
    assert_eq!(members(vec![left(Some(at(11)))]), (vec![], 0));
    assert_eq!(members(vec![left(None)]), (there, 1));
    assert_eq!(members(vec![left(None), Change::Joined(id(40))]), (vec![], 0));
    let set = Change::AccessSet { user: id(40), team: Some(AccessLevel::Full), credentials: None, billing: None };
    assert_eq!(members(vec![left(Some(at(9))), set]).0[0].1, Access { team: AccessLevel::Full, ..Access::DEVELOPER });
}

#[test]
fn what_is_not_known_is_said_where_it_matters() {
    let gaps = |changes: Vec<Change>| undone(changes).gaps;
    let unsaid = |of| Change::Unsaid(of, "unsaid".to_owned());
    assert_eq!(gaps(vec![unsaid(None), unsaid(None)]), ["unsaid"]);
    assert_eq!(gaps(vec![unsaid(Some(id(2)))]), ["unsaid"]);
    assert_eq!(gaps(vec![unsaid(Some(id(99)))]), [""; 0]);
    let attached = |policy| Change::Client { id: id(5), enabled: None, policy: Some(Some(policy)) };
    assert_eq!(gaps(vec![attached(id(60)), Change::PolicyDeleted(id(60), None)]).len(), 1);
    let known = Policy { enabled: true, limits: limits(5) };
    assert_eq!(gaps(vec![attached(id(60)), Change::PolicyDeleted(id(60), Some(known))]), [""; 0]);
}
