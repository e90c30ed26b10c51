//! Mail domains of teams.

use async_graphql::{Context, ID, InputObject, Object};
use domain::{ops::domains, rules::mail_domain, rules::policy::Access};
use entities::team_domain;

use crate::{
    graphql::{
        payload::payload,
        request::{RequestContext, id_of},
        team::{MemberAccess, MemberAccessInput, Team, TeamPayload},
    },
    payload_type,
};

/// A mail domain that a team has claimed. Proven by a DNS record, it says who its people are.
#[derive(Debug, Clone)]
pub struct TeamDomain(pub team_domain::Model);

#[Object]
impl TeamDomain {
    pub async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }
    /// In lower case; letters beyond ASCII as DNS has them (`xn--…`).
    async fn domain(&self) -> &str {
        &self.0.domain
    }
    /// Whether the record was found, and is not gone for longer than a week.
    async fn verified(&self) -> bool {
        self.0.verified_at.is_some()
    }
    /// Where to publish the TXT record.
    async fn dns_record_name(&self) -> String {
        mail_domain::record_name(&self.0.domain)
    }
    /// What the TXT record has to say; other records may stand beside it.
    async fn dns_record_value(&self) -> String {
        mail_domain::record_value(&self.0.token)
    }
    /// Whether who signs in with a mailbox at the domain may join the team, once it is proven.
    async fn auto_join(&self) -> bool {
        self.0.auto_join
    }
    /// Of who joins by the domain.
    async fn default_access(&self) -> MemberAccess {
        Access::of(&self.0).into()
    }
}

#[derive(InputObject)]
pub struct ClaimDomainInput {
    team_id: ID,
    /// Your organisation's own: the part of its addresses behind the @.
    domain: String,
    auto_join: bool,
    /// No more than you hold.
    default_access: MemberAccessInput,
}

#[derive(InputObject)]
pub struct TeamDomainIdInput {
    domain_id: ID,
}

/// What is left out stays.
#[derive(InputObject)]
pub struct UpdateDomainInput {
    domain_id: ID,
    auto_join: Option<bool>,
    default_access: Option<MemberAccessInput>,
}

#[derive(InputObject)]
pub struct JoinTeamByDomainInput {
    team_id: ID,
}

payload_type! { TeamDomainPayload { domain: TeamDomain } }

#[derive(Default)]
pub struct DomainMutation;

#[Object]
impl DomainMutation {
    /// Claims a mail domain. Publish the DNS record that the answer names, then verify.
    async fn claim_domain(&self, ctx: &Context<'_>, input: ClaimDomainInput) -> async_graphql::Result<Option<TeamDomainPayload>> {
        let claimed = async {
            let cmd = domains::ClaimDomain {
                team: id_of(&input.team_id, "team")?,
                domain: input.domain,
                auto_join: input.auto_join,
                access: input.default_access.into(),
            };
            domains::claim(ctx.op(), ctx.actor(), cmd).await
        };
        payload(claimed.await.map(TeamDomain))
    }

    /// Looks for the record. It is looked for again every day: a domain whose record is gone for a week is no longer proven.
    async fn verify_domain(
        &self,
        ctx: &Context<'_>,
        input: TeamDomainIdInput,
    ) -> async_graphql::Result<Option<TeamDomainPayload>> {
        let verified = async { domains::verify(ctx.op(), ctx.actor(), id_of(&input.domain_id, "domain")?).await };
        payload(verified.await.map(TeamDomain))
    }

    async fn update_domain(
        &self,
        ctx: &Context<'_>,
        input: UpdateDomainInput,
    ) -> async_graphql::Result<Option<TeamDomainPayload>> {
        let updated = async {
            let id = id_of(&input.domain_id, "domain")?;
            let cmd = domains::UpdateDomain { id, auto_join: input.auto_join, access: input.default_access.map(Into::into) };
            domains::update(ctx.op(), ctx.actor(), cmd).await
        };
        payload(updated.await.map(TeamDomain))
    }

    /// Gives a domain up. Who joined by it stays in the team.
    async fn remove_domain(&self, ctx: &Context<'_>, input: TeamDomainIdInput) -> async_graphql::Result<Option<TeamPayload>> {
        let removed = async { domains::remove(ctx.op(), ctx.actor(), id_of(&input.domain_id, "domain")?).await };
        payload(removed.await.map(Team))
    }

    /// Joins a team that the domain of your address opens to you: one of `viewer.joinableTeams`.
    async fn join_team_by_domain(
        &self,
        ctx: &Context<'_>,
        input: JoinTeamByDomainInput,
    ) -> async_graphql::Result<Option<TeamPayload>> {
        let joined = async { domains::join(ctx.op(), ctx.actor(), id_of(&input.team_id, "team")?).await };
        payload(joined.await.map(Team))
    }
}
