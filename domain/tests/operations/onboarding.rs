//! How far teams get: each stage once, and pages of many teams.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Actor, Domain,
    ops::{onboarding_stages::FirstCall, request_log::append},
    read::{
        onboarding::{pipeline, stages_of},
        page::PageRequest,
    },
};
use entities::{
    enums::{Environment, OnboardingStage, TeamStatus},
    id::TeamId,
    onboarding_stage, team,
};
use sea_orm::{EntityTrait, IntoActiveModel};

use crate::fixture::Fixture;

fn team(ctx: &Domain, n: usize, internal: bool) -> team::Model {
    team::Model {
        id: ctx.env.id(),
        name: format!("Team {n}"),
        slug: format!("team-{n}"),
        internal,
        status: TeamStatus::Active,
        tier_id: None,
        created_at: ctx.now(),
        version: 1,
    }
}

async fn put(ctx: &Domain, teams: &[team::Model], stages: &[onboarding_stage::Model]) {
    for teams in teams.chunks(1_000) {
        let rows = teams.iter().map(|row| row.clone().into_active_model());
        team::Entity::insert_many(rows).exec_without_returning(&ctx.db).await.unwrap();
    }
    for stages in stages.chunks(1_000) {
        let rows = stages.iter().map(|row| row.clone().into_active_model());
        onboarding_stage::Entity::insert_many(rows).exec_without_returning(&ctx.db).await.unwrap();
    }
}

#[tokio::test]
async fn the_first_call_of_a_team_stays_the_first() {
    for fixture in Fixture::each().await {
        let ctx = &fixture.ctx;
        let teams: Vec<_> = (0..2).map(|n| team(ctx, n, false)).collect();
        put(ctx, &teams, &[]).await;
        let ids: Vec<TeamId> = teams.iter().map(|team| team.id).collect();
        let start = ctx.now();
        let call = |team: usize, environment, seconds| FirstCall {
            team: ids[team],
            environment,
            at: start + TimeDelta::seconds(seconds),
        };
        let (sandbox, production) = (Environment::Sandbox, Environment::Production);
        // Two cores tell of the same team at once; another gateway tells later, of a call that came first.
        append(ctx, &[], &[], &[call(0, sandbox, 7), call(1, production, 9), call(0, sandbox, 5)]).await.unwrap();
        append(ctx, &[], &[], &[call(0, sandbox, 1), call(0, production, 11), call(1, production, 12)]).await.unwrap();
        let stages = stages_of(ctx, &ids).await.unwrap();
        let seen = |team: usize| -> Vec<(OnboardingStage, i64)> {
            let after = |at: DateTime<Utc>| (at - start).num_seconds();
            stages[&ids[team]].iter().map(|row| (row.stage, after(row.at))).collect()
        };
        assert_eq!(seen(0), [(OnboardingStage::FirstSandboxCall, 1), (OnboardingStage::FirstProductionCall, 11)]);
        assert_eq!(seen(1), [(OnboardingStage::FirstProductionCall, 9)]);
    }
}

#[tokio::test]
async fn ten_thousand_teams_are_read_page_by_page() {
    for fixture in Fixture::each().await {
        let ctx = &fixture.ctx;
        let teams: Vec<_> = (0..10_000).map(|n| team(ctx, n, n % 100 == 99)).collect();
        // Every team has all stages up to its own; the last stage has few.
        let up_to = |n: usize| if n.is_multiple_of(1_000) { 8 } else { 1 + n % 7 };
        let reached = teams.iter().enumerate().flat_map(|(n, team)| {
            let stages = OnboardingStage::ALL.into_iter().take(up_to(n));
            stages.map(|stage| onboarding_stage::Model { team_id: team.id, stage, at: ctx.now() })
        });
        put(ctx, &teams, &reached.collect::<Vec<_>>()).await;
        let stages = OnboardingStage::ALL.into_iter().map(Some).chain([None]);
        for stage in stages {
            let stands = |n: usize| stage.is_none_or(|stage| OnboardingStage::ALL[up_to(n) - 1] == stage);
            let mut expected: Vec<_> =
                teams.iter().enumerate().filter(|(n, t)| stands(*n) && !t.internal).map(|(_, t)| t.id).collect();
            expected.reverse();
            let (mut seen, mut after) = (Vec::new(), None);
            for _ in 0..3 {
                let request = PageRequest { first: Some(100), after, with_total: true, ..PageRequest::default() };
                let started = std::time::Instant::now();
                let page = pipeline(ctx, &Actor::system(), stage, &request).await.unwrap();
                println!("{stage:?} {:?}", started.elapsed());
                assert_eq!(page.total, Some(expected.len() as u64), "{stage:?}");
                seen.extend(page.rows.iter().map(|team| team.id));
                after = page.rows.last().map(|team| team.id.to_string());
                if !page.has_next_page {
                    break;
                }
            }
            assert_eq!(seen, expected[..expected.len().min(300)], "{stage:?}");
        }
    }
}
