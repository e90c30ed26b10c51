//! The provider's side. Each area adds its own part to `Provider`.

use async_graphql::{Context, MergedObject, Object, SimpleObject};
use domain::{DomainError, access::require_staff, read, rules::policy::StaffRight};

use crate::{
    error::to_graphql,
    graphql::{
        access_explanation::ProviderInsight,
        approval_group::ProviderApprovalGroups,
        enforcement::ProviderGateways,
        enums::StaffRole,
        onboarding_view::ProviderOnboarding,
        product::ProviderCatalog,
        provider_access::ProviderAccess,
        request::{OrGraphql, RequestContext, page},
        review_queue::ProviderQueue,
        staff::StaffMember,
        support::ProviderSupport,
        team::{Team, TeamConnection},
        tier::Tier,
    },
};

/// What staff see; each field as far as their role goes.
#[derive(MergedObject, Default)]
pub struct Provider(
    ProviderPeople,
    ProviderCatalog,
    ProviderAccess,
    ProviderApprovalGroups,
    ProviderQueue,
    ProviderOnboarding,
    ProviderSupport,
    ProviderGateways,
    ProviderInsight,
);

/// How long things live and take.
#[derive(SimpleObject)]
pub struct Settings {
    magic_link_minutes: i32,
    session_hours: i32,
    /// How long a session may lie unused before it ends; null: as long as it lasts.
    session_idle_hours: Option<i32>,
    /// Whether staff roles work in sessions alone that have proven a second factor.
    staff_second_factor: bool,
    invitation_days: i32,
    request_log_days: i32,
    /// Null: for ever.
    audit_days: Option<i32>,
    /// What business hours are told in.
    time_zone: String,
    /// Monday to Friday.
    business_hours: String,
    standard_review_hours: i32,
    formal_review_days: i32,
    /// For how long a gateway may go without confirming that what it knows is current.
    gateway_stale_seconds: i32,
    /// Whether it refuses calls from then on, or serves on.
    gateway_fail_closed: bool,
}

#[derive(Default)]
pub struct ProviderPeople;

#[Object]
impl ProviderPeople {
    /// Your own.
    async fn role(&self, ctx: &Context<'_>) -> async_graphql::Result<StaffRole> {
        ctx.actor().staff_role().map(StaffRole::from).ok_or_else(|| to_graphql(DomainError::Unauthenticated))
    }
    /// Everyone with a role, oldest first.
    async fn staff(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<StaffMember>> {
        let staff = read::people::staff(ctx.op(), ctx.actor()).await.or_graphql()?;
        Ok(staff.into_iter().filter_map(StaffMember::of).collect())
    }
    /// All teams, newest first; `search` looks into names and slugs.
    async fn teams(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        search: Option<String>,
    ) -> async_graphql::Result<TeamConnection> {
        let page = page(ctx, first, after, last, before);
        let teams = read::teams::all(ctx.op(), ctx.actor(), search.as_deref(), &page).await.or_graphql()?;
        Ok(TeamConnection(teams.map(Team)))
    }
    /// All tiers, by name.
    async fn tiers(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<Tier>> {
        Ok(read::teams::tiers(ctx.op(), ctx.actor()).await.or_graphql()?.into_iter().map(Tier).collect())
    }
    async fn settings(&self, ctx: &Context<'_>) -> async_graphql::Result<Settings> {
        require_staff(ctx.actor(), StaffRight::Read).or_graphql()?;
        let portal = read::portal::load(ctx.op()).await.or_graphql()?;
        Ok(Settings {
            magic_link_minutes: portal.magic_link_minutes,
            session_hours: portal.session_hours,
            session_idle_hours: portal.session_idle_hours,
            staff_second_factor: portal.staff_second_factor,
            invitation_days: portal.invitation_days,
            request_log_days: portal.request_log_days,
            audit_days: portal.audit_days,
            time_zone: portal.time_zone,
            business_hours: portal.business_hours,
            standard_review_hours: portal.standard_review_hours,
            formal_review_days: portal.formal_review_days,
            gateway_stale_seconds: portal.gateway_stale_seconds,
            gateway_fail_closed: portal.gateway_fail_closed,
        })
    }
}

#[derive(Default)]
pub struct ProviderQuery;

#[Object]
impl ProviderQuery {
    /// Null without a staff role; an error with one that needs a second factor.
    async fn provider(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Provider>> {
        match require_staff(ctx.actor(), StaffRight::BeStaff) {
            Ok(()) => Ok(Some(Provider::default())),
            Err(lacks @ DomainError::SecondFactorRequired(_)) => Err(to_graphql(lacks)),
            Err(_) => Ok(None),
        }
    }
}
