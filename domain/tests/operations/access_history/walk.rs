//! A random history by the operations that people and staff have.

mod provider;

use std::{collections::BTreeMap, sync::Arc};

use chrono::TimeDelta;
use domain::{
    Actor, Domain, Result,
    actor::Origin,
    keyring::Purpose,
    ops::{
        claims, credentials, domains, endings, invitations, members, plan_changes, plans, portal_access, proofs::Given, reviews,
        rotation, scopes, sign_in, submissions, subscriptions, teams, tiers,
    },
    rules::{policy::Access, subscription::FINAL},
};
use entities::{
    client,
    columns::Answer,
    credential,
    enums::{AccessLevel, ApprovalLevel, PipelinePhase, PlanStatus, StaffRole, SubmissionStatus},
    id::{PlanId, PolicyId, ProductId, SubscriptionId, TeamId, TierId, UserId},
    magic_link, membership, plan, profile, scope_request, submission, subscription, team_domain, user,
};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use secrecy::ExposeSecret;
use serde_json::json;

use self::provider::plan_draft;
use crate::{
    fixture::TestClock,
    gateway::{put, seed_product},
};

pub struct Walk {
    rng: StdRng,
    admin: Actor,
    people: Vec<user::Model>,
    teams: Vec<TeamId>,
    tiers: Vec<TierId>,
    products: Vec<ProductId>,
    plans: Vec<PlanId>,
    policies: Vec<PolicyId>,
    names: usize,
    done: BTreeMap<&'static str, usize>,
}

const OPERATIONS: [&str; 44] = [
    "subscribe",
    "create credential",
    "revoke credential",
    "rotate",
    "regenerate",
    "claim",
    "submit",
    "withdraw",
    "start review",
    "approve",
    "reject",
    "request changes",
    "suspend",
    "reinstate",
    "cancel",
    "cancel later",
    "undo",
    "end overdue",
    "change plan",
    "approve subscription",
    "reject subscription",
    "request scopes",
    "approve scope",
    "revoke scope",
    "renounce scope",
    "switch client",
    "create client",
    "create profile",
    "update profile",
    "network rules",
    "create policy",
    "update policy",
    "delete policy",
    "attach policy",
    "assign",
    "unassign",
    "set tier",
    "invite",
    "set access",
    "remove member",
    "leave",
    "join",
    "onboard",
    "sign in",
];

impl Walk {
    pub async fn begin(ctx: &Domain, seed: u64) -> Self {
        let mut people = Vec::new();
        for n in 0..6 {
            let staff_role = (n == 0).then_some(StaffRole::Admin);
            let email = format!("person{n}@example.com");
            people
                .push(put(&ctx.db, user::Model { id: ctx.env.id(), email, name: None, staff_role, created_at: ctx.now() }).await);
        }
        let admin = Actor::user(people[0].id, Some(StaffRole::Admin), Origin::default());
        let mut walk = Self {
            rng: StdRng::seed_from_u64(seed),
            admin,
            people,
            teams: Vec::new(),
            tiers: Vec::new(),
            products: Vec::new(),
            plans: Vec::new(),
            policies: Vec::new(),
            names: 0,
            done: BTreeMap::new(),
        };
        for (n, name) in [(1, "Acme"), (2, "Globex")] {
            walk.teams.push(teams::create(ctx, &walk.person(n), name).await.unwrap().id);
        }
        put(&ctx.db, proven(ctx, walk.teams[0])).await;
        for name in ["Gold", "Silver"] {
            let cmd = tiers::CreateTier { name: name.to_owned(), description: None };
            walk.tiers.push(tiers::create(ctx, &walk.admin, cmd).await.unwrap().id);
        }
        for base_path in ["pay", "ship", "track"] {
            let tx = domain::Tx::begin(ctx).await.unwrap();
            walk.products.push(seed_product(ctx, &tx, base_path).await);
            tx.commit_unaudited(domain::tx::Unaudited::Mark).await.unwrap();
        }
        for product in walk.products.clone().into_iter().take(2) {
            for (slug, sandbox, approval) in [
                ("auto", true, ApprovalLevel::Automatic),
                ("review", true, ApprovalLevel::Standard),
                ("straight", false, ApprovalLevel::Automatic),
                ("asked", false, ApprovalLevel::Formal),
            ] {
                let draft = plan_draft(slug, sandbox, approval);
                let cmd = plans::CreatePlan { product, approval_group: None, draft };
                let plan = plans::create(ctx, &walk.admin, cmd).await.unwrap().id;
                plans::set_status(ctx, &walk.admin, plan, PlanStatus::Active).await.unwrap();
                walk.plans.push(plan);
            }
        }
        walk
    }

    pub fn teams(&self) -> Vec<TeamId> {
        self.teams.clone()
    }

    pub fn founder(&self) -> Actor {
        self.person(1)
    }

    /// Mostly minutes, now and then days, so that things end by themselves too.
    pub fn pause(&mut self) -> TimeDelta {
        let longest = if self.rng.random_bool(0.03) { 86_400 } else { 900 };
        TimeDelta::seconds(self.rng.random_range(1..=longest))
    }

    pub fn has_done_everything(&self) {
        let missing: Vec<_> = OPERATIONS.iter().filter(|name| !self.done.contains_key(*name)).collect();
        assert!(missing.is_empty(), "never happened: {missing:?}; {:?}", self.done);
    }

    /// One operation that is possible, after whatever many that are refused.
    pub async fn step(&mut self, ctx: &Domain) {
        for _ in 0..500 {
            // Of a few the one that has happened least, so that what is seldom possible happens too.
            let some: Vec<_> = (0..3).map(|_| *OPERATIONS.choose(&mut self.rng).unwrap()).collect();
            let name = some.into_iter().min_by_key(|name| self.done.get(name).copied().unwrap_or_default()).unwrap();
            if self.attempt(ctx, name).await.is_some_and(|outcome| outcome.is_ok()) {
                *self.done.entry(name).or_default() += 1;
                return;
            }
        }
        panic!("nothing is possible any more; {:?}", self.done);
    }

    /// Somebody comes into a team, and leaves it after a while.
    pub async fn member_leaves(&mut self, ctx: &Domain, clock: &Arc<TestClock>) -> (TeamId, UserId) {
        let (team, who) = (self.teams[0], self.people[5].clone());
        self.invited(ctx, team, &who).await.unwrap();
        clock.advance(TimeDelta::hours(1));
        members::remove(ctx, &self.founder(), team, who.id).await.unwrap();
        clock.advance(TimeDelta::hours(1));
        (team, who.id)
    }

    fn person(&self, n: usize) -> Actor {
        Actor::user(self.people[n].id, None, Origin::default())
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("Number {}", self.names)
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> Option<T> {
        of.choose(&mut self.rng).cloned()
    }

    /// `None`: there is nothing to do it with.
    async fn attempt(&mut self, ctx: &Domain, name: &'static str) -> Option<Result<()>> {
        let team = self.pick(&self.teams.clone())?;
        match name {
            "subscribe"
            | "submit"
            | "withdraw"
            | "suspend"
            | "reinstate"
            | "cancel"
            | "cancel later"
            | "undo"
            | "end overdue"
            | "change plan"
            | "approve subscription"
            | "reject subscription" => self.on_subscription(ctx, name, team).await,
            "start review" | "approve" | "reject" | "request changes" | "request scopes" | "approve scope" | "revoke scope"
            | "renounce scope" => self.on_review(ctx, name, team).await,
            "create credential" | "revoke credential" | "rotate" | "regenerate" | "claim" => {
                self.on_credential(ctx, name, team).await
            }
            "invite" | "set access" | "remove member" | "leave" | "join" | "sign in" => self.on_member(ctx, name, team).await,
            "create policy" | "update policy" | "delete policy" | "attach policy" => self.on_policy(ctx, name, team).await,
            "assign" | "unassign" | "set tier" | "onboard" => self.on_assignment(ctx, name, team).await,
            _ => self.on_client(ctx, name, team).await,
        }
    }

    /// The founder, who may all in the team.
    fn of(&self, team: TeamId) -> Actor {
        self.person(if team == self.teams[0] { 1 } else { 2 })
    }

    /// A subscription; for what is possible in one phase only, one in that phase.
    async fn held(&mut self, ctx: &Domain, team: TeamId, name: &str) -> Option<SubscriptionId> {
        let phase = match name {
            "submit" => Some(PipelinePhase::Sandbox),
            "withdraw" => Some(PipelinePhase::InReview),
            _ => None,
        };
        let mut rows = subscription::Entity::for_team(team).order_by_asc(subscription::Column::Id);
        if let Some(phase) = phase {
            rows = rows.filter(subscription::Column::Phase.eq(phase)).filter(subscription::Column::Status.is_not_in(FINAL));
        }
        self.pick(&rows.all(&ctx.db).await.unwrap()).map(|row| row.id)
    }

    async fn on_subscription(&mut self, ctx: &Domain, name: &str, team: TeamId) -> Option<Result<()>> {
        let (member, admin) = (self.of(team), self.admin.clone());
        if name == "subscribe" {
            let plan = self.pick(&self.plans.clone())?;
            let name = self.name();
            let cmd = subscriptions::Subscribe { plan, team, name, custom_properties: Vec::new(), idempotency_key: None };
            return Some(subscriptions::subscribe(ctx, &member, cmd).await.map(drop));
        }
        if name == "end overdue" {
            return match endings::end_overdue(ctx).await {
                Ok(0) => None,
                other => Some(other.map(drop)),
            };
        }
        let id = self.held(ctx, team, name).await?;
        Some(match name {
            "submit" => {
                let answer = Answer { key: "ips".to_owned(), value: json!(self.allowlist()) };
                let reviewed = subscription::Entity::find_by_id(id).one(&ctx.db).await.unwrap().unwrap().plan_id;
                let plan = plan::Entity::find_by_id(reviewed).one(&ctx.db).await.unwrap().unwrap();
                let answers: &[Answer] = if plan.submission_form.is_some() { &[answer] } else { &[] };
                submissions::submit(ctx, &member, id, answers).await.map(drop)
            }
            "withdraw" => submissions::withdraw(ctx, &member, id).await.map(drop),
            "suspend" => subscriptions::suspend(ctx, &admin, id, None).await.map(drop),
            "reinstate" => subscriptions::reinstate(ctx, &admin, id, None).await.map(drop),
            "cancel" => endings::cancel(ctx, &member, id, None, None).await.map(drop),
            "cancel later" => {
                let at = ctx.now() + TimeDelta::hours(self.rng.random_range(2..40));
                endings::cancel(ctx, &member, id, Some(at), None).await.map(drop)
            }
            "undo" => endings::undo(ctx, &member, id).await.map(drop),
            "change plan" => {
                let plan = self.pick(&self.plans.clone())?;
                plan_changes::change(ctx, &member, id, plan).await.map(drop)
            }
            "approve subscription" => reviews::approve_subscription(ctx, &admin, id, None).await.map(drop),
            _ => reviews::reject_subscription(ctx, &admin, id, None).await.map(drop),
        })
    }

    async fn on_review(&mut self, ctx: &Domain, name: &str, team: TeamId) -> Option<Result<()>> {
        let (member, admin) = (self.of(team), self.admin.clone());
        if let "start review" | "approve" | "reject" | "request changes" = name {
            let open = [SubmissionStatus::Received, SubmissionStatus::InReview, SubmissionStatus::Rejected];
            let rows = submission::Entity::find()
                .filter(submission::Column::TeamId.eq(team))
                .filter(submission::Column::Status.is_in(open))
                .order_by_asc(submission::Column::Id);
            let id = self.pick(&rows.all(&ctx.db).await.unwrap())?.id;
            return Some(match name {
                "start review" => reviews::start(ctx, &admin, id).await.map(drop),
                "approve" => reviews::approve(ctx, &admin, id, None).await.map(drop),
                "reject" => reviews::reject(ctx, &admin, id, None).await.map(drop),
                _ => reviews::request_changes(ctx, &admin, id, Some("more")).await.map(drop),
            });
        }
        if name == "approve scope" {
            let rows = scope_request::Entity::find().filter(scope_request::Column::TeamId.eq(team));
            let rows = rows.order_by_asc(scope_request::Column::Id).all(&ctx.db).await.unwrap();
            let id = self.pick(&rows)?.id;
            return Some(scopes::approve(ctx, &admin, id, None).await.map(drop));
        }
        let id = self.held(ctx, team, name).await?;
        let scope = self.pick(&["read", "write", "erase"])?;
        Some(match name {
            "request scopes" => scopes::request(ctx, &member, id, &[scope.to_owned()], Some("for work")).await.map(drop),
            "revoke scope" => scopes::revoke(ctx, &admin, id, scope, None).await.map(drop),
            _ => scopes::renounce(ctx, &member, id, scope).await.map(drop),
        })
    }

    async fn on_credential(&mut self, ctx: &Domain, name: &str, team: TeamId) -> Option<Result<()>> {
        let member = self.of(team);
        if name == "create credential" {
            let rows = profile::Entity::for_team(team).order_by_asc(profile::Column::Id).all(&ctx.db).await.unwrap();
            let profile = self.pick(&rows)?.id;
            let expires_at = self.rng.random_bool(0.3).then(|| ctx.now() + TimeDelta::hours(30));
            let cmd = credentials::CreateCredential {
                profile,
                name: None,
                scopes: None,
                expires_at,
                given: Given::default(),
                idempotency_key: None,
            };
            return Some(credentials::create(ctx, &member, cmd).await.map(drop));
        }
        let rows = credential::Entity::for_team(team).order_by_asc(credential::Column::Id).all(&ctx.db).await.unwrap();
        let id = self.pick(&rows)?.id;
        Some(match name {
            "revoke credential" => credentials::revoke(ctx, &member, id).await.map(drop),
            "rotate" => {
                let cmd = rotation::RotateSecret {
                    credential: id,
                    overlap_hours: None,
                    end_when_silent_minutes: None,
                    given: Given::default(),
                    idempotency_key: None,
                };
                rotation::rotate(ctx, &member, cmd).await.map(drop)
            }
            "regenerate" => rotation::regenerate(ctx, &member, id).await.map(drop),
            _ => claims::claim(ctx, &member, id).await.map(drop),
        })
    }

    fn access(&mut self) -> Access {
        let mut level = || match self.rng.random_range(0..3) {
            0 => AccessLevel::None,
            1 => AccessLevel::Read,
            _ => AccessLevel::Full,
        };
        Access { team: level(), credentials: level(), billing: level() }
    }

    async fn invited(&mut self, ctx: &Domain, team: TeamId, who: &user::Model) -> Result<()> {
        let access = self.access();
        let cmd = invitations::InviteMember { team, email: who.email.clone(), access };
        let row = invitations::invite(ctx, &self.of(team), cmd).await?;
        let token = ctx.keys.link_token(Purpose::Invitation, row.id, row.generation);
        let actor = Actor::user(who.id, None, Origin::default());
        invitations::accept(ctx, &actor, token.expose_secret()).await.map(drop)
    }

    async fn on_member(&mut self, ctx: &Domain, name: &str, team: TeamId) -> Option<Result<()>> {
        let who = self.people[3..].choose(&mut self.rng)?.clone();
        let founder = self.of(team);
        Some(match name {
            "invite" => self.invited(ctx, team, &who).await,
            "set access" => {
                let access = self.access();
                members::set_access(ctx, &founder, members::SetMemberAccess { team, user: who.id, access }).await.map(drop)
            }
            "remove member" => members::remove(ctx, &founder, team, who.id).await.map(drop),
            "leave" => members::remove(ctx, &Actor::user(who.id, None, Origin::default()), team, who.id).await.map(drop),
            "join" => domains::join(ctx, &Actor::user(who.id, None, Origin::default()), team).await.map(drop),
            _ => return self.authorised(ctx, team, &who).await,
        })
    }

    /// Comes in by an authorised address of a client's, of each team where there is one.
    async fn authorised(&mut self, ctx: &Domain, team: TeamId, who: &user::Model) -> Option<Result<()>> {
        let of_person = membership::Entity::for_user(who.id).all(&ctx.db).await.unwrap();
        if of_person.iter().any(|row| row.team_id == team) {
            return None;
        }
        for team in self.teams() {
            let rows = client::Entity::for_team(team).order_by_asc(client::Column::Id).all(&ctx.db).await.unwrap();
            let Some(row) = self.pick(&rows) else { continue };
            let emails = vec![(who.email.clone(), Some(self.access()))];
            let cmd = portal_access::SetPortalAccess { client: row.id, enabled: true, emails };
            portal_access::set(ctx, &self.admin, cmd).await.unwrap();
        }
        let nobody = Actor::nobody(Origin::default());
        let cmd = sign_in::RequestMagicLink { email: who.email.clone(), redirect_to: None, return_origins: Vec::new() };
        sign_in::request_magic_link(ctx, &nobody, cmd).await.unwrap();
        let links = magic_link::Entity::find().filter(magic_link::Column::Email.eq(&who.email));
        let link = links.order_by_desc(magic_link::Column::Id).one(&ctx.db).await.unwrap()?;
        let token = ctx.keys.link_token(Purpose::MagicLink, link.id, 0);
        let outcome = sign_in::redeem_magic_link(ctx, &nobody, token.expose_secret()).await.map(drop);
        let now = membership::Entity::for_user(who.id).all(&ctx.db).await.unwrap();
        outcome.is_ok_and(|()| now.len() > of_person.len()).then_some(Ok(()))
    }
}

/// The domain that all people's addresses are at, open to who joins by it.
fn proven(ctx: &Domain, team: TeamId) -> team_domain::Model {
    team_domain::Model {
        id: ctx.env.id(),
        team_id: team,
        domain: "example.com".to_owned(),
        token: "proof".to_owned(),
        auto_join: true,
        access_team: AccessLevel::Read,
        access_credentials: AccessLevel::Full,
        access_billing: AccessLevel::None,
        sso_provider_id: None,
        created_at: ctx.now(),
        verified_at: Some(ctx.now()),
        checked_at: Some(ctx.now()),
        missing_since: None,
    }
}
