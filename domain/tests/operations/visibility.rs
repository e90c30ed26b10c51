//! The rule of visibility and its SQL counterpart agree, whatever is in the database.

use std::collections::BTreeSet;

use domain::{
    Actor,
    actor::Origin,
    read::{
        catalog::{self, Filter, Teams},
        page::PageRequest,
    },
    rules::visibility::{Onlooker, Reach, Verdict, verdict},
};
use entities::{
    assignment, client,
    columns::{PlanFeatures, PlanScopes, Pricing},
    enums::{
        AccessLevel, ApprovalLevel, JoinMethod, LeakedKeyAction, PlanStatus, PricingModel, ProductStatus, StaffRole,
        SubscriptionStatus, TeamStatus, Visibility,
    },
    id::{ClientId, ProductId, TeamId, TierId, TypedId, UserId},
    membership, plan, product, subscription, team, tier, user,
};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use sea_orm::{ActiveEnum, EntityTrait, IntoActiveModel, Iterable, ModelTrait};

use crate::fixture::{Fixture, start};

/// What was put into the database, as the test itself understands it.
#[derive(Default)]
struct World {
    users: Vec<UserId>,
    teams: Vec<(TeamId, TeamStatus, Option<TierId>)>,
    members: BTreeSet<(UserId, TeamId)>,
    clients: Vec<(ClientId, TeamId)>,
    tiers: Vec<TierId>,
    products: Vec<product::Model>,
    to_tiers: BTreeSet<(ProductId, TierId)>,
    to_teams: BTreeSet<(ProductId, TeamId)>,
    to_clients: BTreeSet<(ProductId, ClientId)>,
    subscriptions: Vec<(ProductId, TeamId, SubscriptionStatus)>,
}

async fn insert<M: ModelTrait + IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel>>(f: &Fixture, row: M) {
    M::Entity::insert(row.into_active_model()).exec_without_returning(&f.ctx.db).await.unwrap();
}

fn pick<T: ActiveEnum + Iterable>(rng: &mut StdRng) -> T {
    let all: Vec<T> = T::iter().collect();
    let n = rng.random_range(0..all.len());
    all.into_iter().nth(n).unwrap()
}

impl World {
    async fn fill(f: &Fixture, rng: &mut StdRng) -> Self {
        let mut world = Self::default();
        world.partners(f, rng).await;
        world.offers(f, rng).await;
        world
    }

    async fn partners(&mut self, f: &Fixture, rng: &mut StdRng) {
        let env = &f.ctx.env;
        for _ in 0..3 {
            let id: TierId = env.id();
            insert(f, tier::Model { id, name: id.to_string(), description: None }).await;
            self.tiers.push(id);
        }
        for _ in 0..6 {
            let id: UserId = env.id();
            insert(f, user::Model { id, email: format!("{id}@example.com"), name: None, staff_role: None, created_at: start() })
                .await;
            self.users.push(id);
        }
        for _ in 0..6 {
            let (id, status): (TeamId, _) = (env.id(), if rng.random_bool(0.8) { TeamStatus::Active } else { pick(rng) });
            let tier_id = self.tiers.choose(rng).copied().filter(|_| rng.random_bool(0.7));
            let row = team::Model {
                id,
                name: "team".into(),
                slug: id.to_string(),
                internal: false,
                status,
                tier_id,
                created_at: start(),
                version: 1,
            };
            insert(f, row).await;
            self.teams.push((id, status, tier_id));
            for user_id in self.users.clone() {
                if rng.random_bool(0.25) {
                    self.join(f, user_id, id).await;
                }
            }
            for _ in 0..rng.random_range(0..3) {
                self.client(f, id).await;
            }
        }
    }

    async fn join(&mut self, f: &Fixture, user_id: UserId, team_id: TeamId) {
        let row = membership::Model {
            id: f.ctx.env.id(),
            team_id,
            user_id,
            access_team: AccessLevel::None,
            access_credentials: AccessLevel::None,
            access_billing: AccessLevel::None,
            joined_by: JoinMethod::Staff,
            joined_at: start(),
        };
        insert(f, row).await;
        self.members.insert((user_id, team_id));
    }

    async fn client(&mut self, f: &Fixture, team_id: TeamId) {
        let id = f.ctx.env.id();
        let row = client::Model {
            id,
            team_id,
            subscription_id: None,
            name: "client".into(),
            description: None,
            enabled: true,
            portal_access: false,
            policy_id: None,
            created_at: start(),
            version: 1,
        };
        insert(f, row).await;
        self.clients.push((id, team_id));
    }

    async fn offers(&mut self, f: &Fixture, rng: &mut StdRng) {
        for n in 0..30 {
            let id: ProductId = f.ctx.env.id();
            let row = product::Model {
                id,
                slug: id.to_string(),
                name: format!("Product {n}"),
                summary: "summary".into(),
                description: None,
                icon_url: None,
                status: if rng.random_bool(0.7) { ProductStatus::Published } else { pick(rng) },
                visibility: if rng.random_bool(0.7) { Visibility::Assigned } else { pick(rng) },
                base_path: id.to_string(),
                encoded_slashes: false,
                created_at: start(),
                version: 1,
            };
            insert(f, row.clone()).await;
            self.products.push(row);
            if rng.random_bool(0.15) {
                let tier = *self.tiers.choose(rng).unwrap();
                self.to_tiers.insert((id, tier));
                self.assign(f, id, (Some(tier), None, None)).await;
            }
            if rng.random_bool(0.15) {
                let team = self.teams.choose(rng).unwrap().0;
                self.to_teams.insert((id, team));
                self.assign(f, id, (None, Some(team), None)).await;
            }
            if let Some((client, _)) = self.clients.choose(rng).copied().filter(|_| rng.random_bool(0.15)) {
                self.to_clients.insert((id, client));
                self.assign(f, id, (None, None, Some(client))).await;
            }
            if rng.random_bool(0.3) {
                let (team, status) = (self.teams.choose(rng).unwrap().0, pick(rng));
                self.subscribe(f, id, team, status).await;
            }
        }
    }

    async fn assign(&self, f: &Fixture, product_id: ProductId, to: (Option<TierId>, Option<TeamId>, Option<ClientId>)) {
        let row = assignment::Model {
            id: f.ctx.env.id(),
            product_id,
            tier_id: to.0,
            team_id: to.1,
            client_id: to.2,
            subscription_id: None,
            since: start(),
            assigned_by: None,
            scopes: None,
        };
        insert(f, row).await;
    }

    /// With an assignment of the client's, as subscribing makes it, which counts only as long as the subscription does.
    async fn subscribe(&mut self, f: &Fixture, product_id: ProductId, team_id: TeamId, status: SubscriptionStatus) {
        let plan_id = f.ctx.env.id();
        let row = plan::Model {
            id: plan_id,
            product_id,
            slug: "free".into(),
            name: "Free".into(),
            description: None,
            status: PlanStatus::Active,
            version: 1,
            pricing: Pricing::of(PricingModel::Free),
            approval: ApprovalLevel::Automatic,
            approval_group_id: None,
            submission_form: None,
            has_sandbox: false,
            scopes: PlanScopes::default(),
            features: PlanFeatures::default(),
            custom_properties: Vec::new().into_iter().collect(),
            sandbox_test_data: Vec::new().into_iter().collect(),
            review_checklist: Default::default(),
            duration_days: None,
            max_subscriptions_per_team: None,
            credential_lifetime_days: None,
            rotation_overlap_hours: 24,
            elevated: false,
            leaked_key_action: LeakedKeyAction::Notify,
            auto_subscribe: false,
            superseded_by: None,
            created_at: start(),
        };
        insert(f, row).await;
        let id = f.ctx.env.id();
        let row = subscription::Model {
            id,
            team_id,
            plan_id,
            product_id,
            name: "ours".into(),
            owner_id: None,
            status,
            phase: None,
            changes_requested: false,
            awaits_payment: false,
            status_reason: None,
            created_at: start(),
            activated_at: None,
            cancel_at: None,
            pending_plan_id: None,
            expires_at: None,
            expiry_warned_days: None,
            custom_properties: Vec::new().into_iter().collect(),
            version: 1,
        };
        insert(f, row).await;
        self.subscriptions.push((product_id, team_id, status));
        if let Some(client) = self.clients.iter().find(|(_, team)| *team == team_id).map(|(id, _)| *id) {
            let row = assignment::Model {
                id: f.ctx.env.id(),
                product_id,
                tier_id: None,
                team_id: None,
                client_id: Some(client),
                subscription_id: Some(id),
                since: start(),
                assigned_by: None,
                scopes: None,
            };
            insert(f, row).await;
        }
    }

    fn reach(&self, product: ProductId, teams: &[TeamId]) -> Reach {
        use SubscriptionStatus::{Cancelled, Expired, Rejected};
        let active: Vec<_> =
            self.teams.iter().filter(|(id, status, _)| teams.contains(id) && *status == TeamStatus::Active).collect();
        let mine = |team: TeamId| active.iter().any(|(id, ..)| *id == team);
        Reach {
            tier: active.iter().any(|(_, _, tier)| tier.is_some_and(|tier| self.to_tiers.contains(&(product, tier)))),
            team: active.iter().any(|(id, ..)| self.to_teams.contains(&(product, *id))),
            client: self.clients.iter().any(|(id, team)| mine(*team) && self.to_clients.contains(&(product, *id))),
            subscription: self
                .subscriptions
                .iter()
                .any(|(p, team, status)| *p == product && mine(*team) && !matches!(status, Cancelled | Expired | Rejected)),
        }
    }

    fn sees(&self, actor: &Actor, product: &product::Model) -> bool {
        let teams: Vec<_> =
            self.members.iter().filter(|(user, _)| Some(*user) == actor.user_id()).map(|(_, team)| *team).collect();
        match verdict(product.status, product.visibility, catalog::onlooker(actor)) {
            Verdict::Seen => true,
            Verdict::Hidden => false,
            Verdict::IfReached => self.reach(product.id, &teams).any(),
        }
    }
}

fn actors(world: &World) -> Vec<Actor> {
    let staff = |role| Actor::user(UserId::from_uuid(uuid::Uuid::nil()), Some(role), Origin::default());
    let users = world.users.iter().map(|id| Actor::user(*id, None, Origin::default()));
    [Actor::nobody(Origin::default()), Actor::system(), staff(StaffRole::Viewer), staff(StaffRole::Auditor)]
        .into_iter()
        .chain(users)
        .collect()
}

async fn holds(f: &Fixture, rng: &mut StdRng) {
    let world = World::fill(f, rng).await;
    for actor in actors(&world) {
        let request = PageRequest { first: Some(100), with_total: true, ..PageRequest::default() };
        let page = catalog::products(&f.ctx, &actor, &Filter::default(), &request).await.unwrap();
        let listed: BTreeSet<_> = page.rows.iter().map(|row| row.id).collect();
        let expected: BTreeSet<_> = world.products.iter().filter(|row| world.sees(&actor, row)).map(|row| row.id).collect();
        assert_eq!(listed, expected, "{:?}", actor.who);
        assert_eq!(page.total, Some(expected.len() as u64));
        for row in &world.products {
            let found = catalog::product(&f.ctx, &actor, row.id).await.unwrap();
            assert_eq!(found.is_some(), expected.contains(&row.id), "{:?} {row:?}", actor.who);
        }
    }
    let mut reached = 0;
    for row in &world.products {
        for (team, ..) in &world.teams {
            let reach = catalog::reach(&f.ctx.db, row.id, Teams::One(*team)).await.unwrap();
            assert_eq!(reach, world.reach(row.id, &[*team]));
            reached += usize::from(reach.any());
            let sees = match verdict(row.status, row.visibility, Onlooker::SignedIn) {
                Verdict::Seen => true,
                Verdict::Hidden => false,
                Verdict::IfReached => reach.any(),
            };
            assert_eq!(catalog::team_may_see(&f.ctx.db, *team, row).await.unwrap(), sees);
        }
    }
    assert!(reached > 5, "the data says nothing");
}

#[tokio::test]
async fn the_rule_and_the_sql_agree() {
    for seed in 0..6 {
        for fixture in Fixture::each().await {
            holds(&fixture, &mut StdRng::seed_from_u64(seed)).await;
        }
    }
}
