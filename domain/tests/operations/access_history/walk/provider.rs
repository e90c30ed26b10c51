//! What the provider's side does in the history: policies, assignments, clients; and the plans on offer.

use domain::{
    Domain, Result,
    ops::{
        assignments::{self, Target},
        clients, onboarding, policies, profiles, teams,
    },
    rules::plan::{Draft, EnvironmentDraft, LimitDraft, ScopeDraft},
};
use entities::{
    client,
    columns::{FormStep, Pricing, PropertyDefinition, SubmissionForm},
    enums::{
        ApprovalLevel, AuthMethod, Environment, FormTarget, LeakedKeyAction, PricingModel, PropertyType, QuotaPeriod, RateWindow,
        ScopeGrantKind,
    },
    id::TeamId,
    profile,
};
use rand::Rng;
use sea_orm::QueryOrder;

use super::Walk;

impl Walk {
    fn limits(&mut self) -> LimitDraft {
        let (rate, quota) = (self.rng.random_range(1..100), self.rng.random_range(100..1_000));
        LimitDraft {
            rate: self.rng.random_bool(0.7).then_some((rate, RateWindow::Minute)),
            quota: self.rng.random_bool(0.5).then_some((quota, QuotaPeriod::Month)),
        }
    }

    fn profile_draft(&mut self) -> profiles::ProfileDraft {
        profiles::ProfileDraft {
            name: self.name(),
            environment: if self.rng.random_bool(0.5) { Environment::Sandbox } else { Environment::Production },
            auth_method: AuthMethod::ApiKey,
            allowed_methods: Vec::new(),
            ip_allowlist: self.allowlist(),
            token: None,
            issuer: None,
            audience: None,
            certificate_pem: None,
        }
    }

    pub(super) fn allowlist(&mut self) -> Vec<String> {
        let all = ["192.0.2.0/24", "198.51.100.7", "203.0.113.0/25"];
        all.iter().filter(|_| self.rng.random_bool(0.5)).map(|range| (*range).to_owned()).collect()
    }

    pub(super) async fn on_policy(&mut self, ctx: &Domain, name: &str, team: TeamId) -> Option<Result<()>> {
        let (admin, limits) = (self.admin.clone(), self.limits());
        if name == "create policy" {
            let cmd = policies::CreatePolicy { name: self.name(), description: None, limits, enabled: true };
            return Some(policies::create(ctx, &admin, cmd).await.map(|row| self.policies.push(row.id)));
        }
        let id = self.pick(&self.policies.clone());
        Some(match name {
            "update policy" => {
                let enabled = self.rng.random_bool(0.3).then(|| self.rng.random_bool(0.5));
                let cmd =
                    policies::UpdatePolicy { rate: Some(limits.rate), quota: Some(limits.quota), enabled, ..Default::default() };
                policies::update(ctx, &admin, id?, cmd).await.map(drop)
            }
            "delete policy" => {
                let id = id?;
                let outcome = policies::delete(ctx, &admin, id).await;
                self.policies.retain(|kept| *kept != id || outcome.is_err());
                outcome.map(drop)
            }
            _ => {
                let rows = profile::Entity::for_team(team).order_by_asc(profile::Column::Id).all(&ctx.db).await.unwrap();
                let profile = self.pick(&rows)?;
                let of_profile = self.rng.random_bool(0.5).then_some(profile.id);
                let policy = id.filter(|_| self.rng.random_bool(0.5));
                let cmd = policies::AttachPolicy { client: profile.client_id, profile: of_profile, policy };
                policies::attach(ctx, &admin, cmd).await.map(drop)
            }
        })
    }

    pub(super) async fn on_assignment(&mut self, ctx: &Domain, name: &str, team: TeamId) -> Option<Result<()>> {
        let (admin, product) = (self.admin.clone(), self.pick(&self.products.clone())?);
        let tier = self.pick(&self.tiers.clone())?;
        if name == "set tier" {
            let tier = self.rng.random_bool(0.7).then_some(tier);
            return Some(teams::set_tier(ctx, &admin, team, tier).await.map(drop));
        }
        if name == "onboard" {
            let cmd = onboarding::OnboardPartner {
                team: Some(team),
                tier: self.rng.random_bool(0.5).then_some(tier),
                client_name: Some(self.name()),
                products: vec![product],
                policy: self.pick(&self.policies.clone()),
                plan: self.pick(&self.plans.clone()).filter(|_| self.rng.random_bool(0.5)),
                profile: Some(self.profile_draft()),
                ..Default::default()
            };
            return Some(onboarding::onboard(ctx, &admin, cmd).await.map(drop));
        }
        let rows = client::Entity::for_team(team).order_by_asc(client::Column::Id).all(&ctx.db).await.unwrap();
        let to = match self.rng.random_range(0..3) {
            0 => Target { tier: Some(tier), ..Default::default() },
            1 => Target { team: Some(team), ..Default::default() },
            _ => Target { client: Some(self.pick(&rows)?.id), ..Default::default() },
        };
        Some(match name {
            "assign" => assignments::assign(ctx, &admin, product, to, None).await.map(drop),
            _ => assignments::unassign(ctx, &admin, product, to).await.map(drop),
        })
    }

    pub(super) async fn on_client(&mut self, ctx: &Domain, name: &str, team: TeamId) -> Option<Result<()>> {
        let admin = self.admin.clone();
        let rows = client::Entity::for_team(team).order_by_asc(client::Column::Id).all(&ctx.db).await.unwrap();
        let profiles = profile::Entity::for_team(team).order_by_asc(profile::Column::Id).all(&ctx.db).await.unwrap();
        Some(match name {
            "create client" => {
                let cmd =
                    clients::CreateClient { team, name: self.name(), description: None, enabled: self.rng.random_bool(0.8) };
                clients::create(ctx, &admin, cmd).await.map(drop)
            }
            "switch client" => {
                let row = self.pick(&rows)?;
                let cmd = clients::UpdateClient { enabled: Some(!row.enabled), ..Default::default() };
                clients::update(ctx, &admin, row.id, cmd).await.map(drop)
            }
            "create profile" => {
                let client = self.pick(&rows)?.id;
                let draft = self.profile_draft();
                let policy = self.pick(&self.policies.clone());
                profiles::create(ctx, &admin, profiles::CreateProfile { client, draft, policy }).await.map(drop)
            }
            "update profile" => {
                let row = self.pick(&profiles)?;
                let allowlist = self.allowlist();
                let cmd = profiles::UpdateProfile {
                    enabled: Some(self.rng.random_bool(0.7)),
                    ip_allowlist: self.rng.random_bool(0.5).then_some(allowlist),
                    ..Default::default()
                };
                profiles::update(ctx, &admin, row.id, cmd).await.map(drop)
            }
            _ => {
                let (row, allowlist) = (self.pick(&profiles)?, self.allowlist());
                profiles::update_network_rules(ctx, &self.of(team), row.id, &allowlist).await.map(drop)
            }
        })
    }
}

pub(super) fn plan_draft(slug: &str, sandbox: bool, approval: ApprovalLevel) -> Draft {
    let limited = |environment, requests| EnvironmentDraft {
        environment,
        auth_method: AuthMethod::ApiKey,
        issuer: None,
        audience: None,
        allowed_methods: Vec::new(),
        limits: LimitDraft { rate: Some((requests, RateWindow::Minute)), quota: None },
        documentation: None,
    };
    let mut environments = vec![limited(Environment::Production, 100)];
    if sandbox {
        environments.push(limited(Environment::Sandbox, 10));
    }
    let scope = |name: &str, grant| ScopeDraft { name: name.to_owned(), description: None, grant, environments: None };
    let mut scopes = vec![scope("read", ScopeGrantKind::Default)];
    scopes.push(match slug {
        "auto" | "asked" => scope("write", ScopeGrantKind::Optional),
        _ => scope("erase", ScopeGrantKind::Default),
    });
    let ips = PropertyDefinition {
        key: "ips".to_owned(),
        label: "Addresses".to_owned(),
        description: None,
        kind: PropertyType::IpList,
        required: false,
        read_only: false,
        in_wizard: false,
        options: Vec::new(),
        applies_to: Some(FormTarget::IpAllowlist),
    };
    let form = SubmissionForm { steps: vec![FormStep { title: "Network".to_owned(), fields: vec![ips] }] };
    Draft {
        slug: slug.to_owned(),
        name: slug.to_owned(),
        description: None,
        pricing: Pricing::of(PricingModel::Free),
        approval,
        has_sandbox: sandbox,
        environments,
        scopes,
        features: Vec::new(),
        submission_form: sandbox.then_some(form),
        custom_properties: Vec::new(),
        sandbox_test_data: Vec::new(),
        review_checklist: Vec::new(),
        duration_days: (slug == "auto").then_some(3),
        max_subscriptions_per_team: None,
        credential_lifetime_days: (slug == "review").then_some(2),
        rotation_overlap_hours: 24,
        elevated: false,
        leaked_key_action: LeakedKeyAction::Notify,
        auto_subscribe: false,
    }
}
