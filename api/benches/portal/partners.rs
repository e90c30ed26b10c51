//! Partners in all states, written straight into the tables.

use chrono::{DateTime, TimeDelta, Utc};
use domain::Domain;
use entities::{
    client,
    columns::{Answers, EvidenceList, Pricing, Strings},
    credential,
    enums::{
        AccessLevel, ApprovalLevel, AuthMethod, CredentialStatus, Environment, JoinMethod, LeakedKeyAction, OnboardingStage,
        PipelinePhase, PlanStatus, PricingModel, ProductStatus, QueueKind, RequestStatus, SubmissionStatus, SubscriptionStatus,
        TeamStatus, Visibility,
    },
    id::{PlanId, ProductId, TeamId, UserId},
    membership, onboarding_stage, plan, product, profile, queue_item, submission, subscription, team, user,
};
use sea_orm::{ConnectionTrait, EntityTrait, IntoActiveModel, ModelTrait, TransactionTrait};

use super::Outcome;

const PLANS: usize = 100;
const OF_TEAM: usize = 5;
/// Rows of one statement.
const ROWS: usize = 1_000;

/// Rows of a table, written when they are many.
struct Rows<M>(Vec<M>);

impl<M> Rows<M>
where
    M: ModelTrait + IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel>,
{
    async fn write(&mut self, db: &impl ConnectionTrait) -> Outcome {
        while !self.0.is_empty() {
            let some = self.0.split_off(self.0.len().saturating_sub(ROWS));
            M::Entity::insert_many(some.into_iter().map(IntoActiveModel::into_active_model)).exec_without_returning(db).await?;
        }
        Ok(())
    }
}

/// The address of a developer of one of the teams is given back.
pub async fn fill(ctx: &Domain, teams: usize) -> Outcome<String> {
    let now = ctx.now();
    let db = ctx.db.begin().await?;
    let mut plans = Vec::new();
    for n in 0..PLANS {
        plans.push(offer(ctx, &db, n, now).await?);
    }
    let mut made = Partners::new(ctx, now, plans);
    let mut developer = None;
    for n in 0..teams {
        developer = Some(made.partner(&db, n).await?);
    }
    made.write(&db).await?;
    db.commit().await?;
    ctx.db.execute_unprepared("analyze").await?;
    developer.ok_or_else(|| "no team".into())
}

async fn offer(ctx: &Domain, db: &impl ConnectionTrait, n: usize, at: DateTime<Utc>) -> Outcome<(PlanId, ProductId)> {
    let (plan_id, product_id) = (ctx.env.id(), ctx.env.id());
    let row = product::Model {
        id: product_id,
        slug: format!("product-{n}"),
        name: format!("Product {n}"),
        summary: String::new(),
        description: None,
        icon_url: None,
        status: ProductStatus::Published,
        visibility: Visibility::Members,
        base_path: format!("product-{n}"),
        encoded_slashes: false,
        created_at: at,
        version: 1,
    };
    product::Entity::insert(row.into_active_model()).exec_without_returning(db).await?;
    let row = plan::Model {
        id: plan_id,
        product_id,
        slug: "partner".to_owned(),
        name: format!("Partner {n}"),
        description: None,
        status: PlanStatus::Active,
        version: 1,
        pricing: Pricing::of(PricingModel::Free),
        approval: ApprovalLevel::Standard,
        approval_group_id: None,
        has_sandbox: true,
        scopes: Default::default(),
        features: Default::default(),
        submission_form: None,
        custom_properties: Default::default(),
        sandbox_test_data: Default::default(),
        review_checklist: Default::default(),
        duration_days: None,
        max_subscriptions_per_team: None,
        credential_lifetime_days: None,
        rotation_overlap_hours: 24,
        elevated: false,
        leaked_key_action: LeakedKeyAction::Notify,
        auto_subscribe: false,
        superseded_by: None,
        created_at: at,
    };
    plan::Entity::insert(row.into_active_model()).exec_without_returning(db).await?;
    Ok((plan_id, product_id))
}

struct Partners<'a> {
    ctx: &'a Domain,
    now: DateTime<Utc>,
    plans: Vec<(PlanId, ProductId)>,
    teams: Rows<team::Model>,
    users: Rows<user::Model>,
    members: Rows<membership::Model>,
    stages: Rows<onboarding_stage::Model>,
    subscriptions: Rows<subscription::Model>,
    clients: Rows<client::Model>,
    profiles: Rows<profile::Model>,
    credentials: Rows<credential::Model>,
    submissions: Rows<submission::Model>,
    queue: Rows<queue_item::Model>,
}

impl<'a> Partners<'a> {
    fn new(ctx: &'a Domain, now: DateTime<Utc>, plans: Vec<(PlanId, ProductId)>) -> Self {
        Self {
            ctx,
            now,
            plans,
            teams: Rows(Vec::new()),
            users: Rows(Vec::new()),
            members: Rows(Vec::new()),
            stages: Rows(Vec::new()),
            subscriptions: Rows(Vec::new()),
            clients: Rows(Vec::new()),
            profiles: Rows(Vec::new()),
            credentials: Rows(Vec::new()),
            submissions: Rows(Vec::new()),
            queue: Rows(Vec::new()),
        }
    }

    /// In the order in which rows refer to each other.
    async fn write(&mut self, db: &impl ConnectionTrait) -> Outcome {
        self.teams.write(db).await?;
        self.users.write(db).await?;
        self.members.write(db).await?;
        self.stages.write(db).await?;
        self.subscriptions.write(db).await?;
        self.clients.write(db).await?;
        self.profiles.write(db).await?;
        self.credentials.write(db).await?;
        self.submissions.write(db).await?;
        self.queue.write(db).await
    }

    async fn partner(&mut self, db: &impl ConnectionTrait, n: usize) -> Outcome<String> {
        let (team_id, user_id, at) = (self.ctx.env.id::<TeamId>(), self.ctx.env.id::<UserId>(), self.now);
        let row = team::Model {
            id: team_id,
            name: format!("Partner {n}"),
            slug: format!("partner-{n}"),
            internal: false,
            status: TeamStatus::Active,
            tier_id: None,
            created_at: at,
            version: 1,
        };
        self.teams.0.push(row);
        let email = format!("dev@partner-{n}.example");
        self.users.0.push(user::Model { id: user_id, email: email.clone(), name: None, staff_role: None, created_at: at });
        self.members.0.push(membership::Model {
            id: self.ctx.env.id(),
            team_id,
            user_id,
            access_team: AccessLevel::Full,
            access_credentials: AccessLevel::Full,
            access_billing: AccessLevel::Full,
            joined_by: JoinMethod::Founder,
            joined_at: at,
        });
        for stage in OnboardingStage::ALL.into_iter().take(1 + n % OnboardingStage::ALL.len()) {
            self.stages.0.push(onboarding_stage::Model { team_id, stage, at });
        }
        for i in 0..OF_TEAM {
            self.subscription(n * OF_TEAM + i, team_id, user_id);
        }
        if self.credentials.0.len() > ROWS {
            self.write(db).await?;
        }
        Ok(email)
    }

    /// Of ten one waits for a review, three are in the sandbox, and the others in production.
    fn subscription(&mut self, n: usize, team_id: TeamId, user_id: UserId) {
        let (plan_id, product_id) = self.plans[n % self.plans.len()];
        let (id, client_id, at) = (self.ctx.env.id(), self.ctx.env.id(), self.now);
        let phase = match n % 10 {
            0 => PipelinePhase::InReview,
            1..=3 => PipelinePhase::Sandbox,
            _ => PipelinePhase::Production,
        };
        self.subscriptions.0.push(subscription::Model {
            id,
            team_id,
            plan_id,
            product_id,
            name: format!("Subscription {n}"),
            owner_id: Some(user_id),
            status: SubscriptionStatus::Active,
            phase: Some(phase),
            changes_requested: false,
            awaits_payment: false,
            status_reason: None,
            created_at: at,
            activated_at: Some(at),
            cancel_at: None,
            expires_at: None,
            expiry_warned_days: None,
            pending_plan_id: None,
            custom_properties: Answers::default(),
            version: 1,
        });
        self.clients.0.push(client::Model {
            id: client_id,
            team_id,
            subscription_id: Some(id),
            name: format!("Client {n}"),
            description: None,
            enabled: true,
            portal_access: false,
            policy_id: None,
            created_at: at,
            version: 1,
        });
        for environment in Environment::ALL {
            let profile_id = self.ctx.env.id();
            self.profiles.0.push(profile::Model {
                id: profile_id,
                team_id,
                client_id,
                name: format!("{environment:?}").to_lowercase(),
                environment,
                auth_method: AuthMethod::ApiKey,
                issuer: None,
                audience: None,
                allowed_methods: Strings::default(),
                ip_allowlist: Strings::default(),
                policy_id: None,
                enabled: true,
                created_at: at,
                version: 1,
            });
            self.credentials.0.push(credential::Model {
                id: self.ctx.env.id(),
                team_id,
                client_id,
                profile_id,
                kind: AuthMethod::ApiKey,
                environment,
                status: CredentialStatus::Active,
                name: None,
                scopes: None,
                masked: Some(format!("ptk_{n}_••••")),
                jwks_url: None,
                created_at: at,
                created_by: Some(user_id),
                last_used_at: None,
                expires_at: None,
                expiry_warned_days: None,
                revoked_at: None,
                version: 1,
            });
        }
        if phase == PipelinePhase::Sandbox {
            return;
        }
        let waits = phase == PipelinePhase::InReview;
        let submission_id = self.ctx.env.id();
        self.submissions.0.push(submission::Model {
            id: submission_id,
            subscription_id: id,
            team_id,
            plan_id,
            status: if waits { SubmissionStatus::Received } else { SubmissionStatus::Approved },
            answers: Answers::default(),
            evidence: EvidenceList::default(),
            submitted_by: user_id,
            submitted_at: at,
            due_at: at + TimeDelta::hours(8),
            reviewer_id: None,
            decided_at: (!waits).then_some(at),
            notes: None,
            version: 1,
        });
        self.queue.0.push(queue_item::Model {
            id: self.ctx.env.id(),
            kind: QueueKind::Submission,
            subject_id: submission_id.0,
            state: if waits { RequestStatus::Pending } else { RequestStatus::Approved },
            team_id,
            plan_id: Some(plan_id),
            product_id: Some(product_id),
            requested_by: user_id,
            requested_at: at,
            due_at: at + TimeDelta::hours(8),
            assignee_id: None,
            reason: None,
        });
    }
}
