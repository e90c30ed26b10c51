//! The whole partner recipe in one transaction: team, client, profile, products, policy, portal access, invitations.

mod check;

use entities::{
    assignment, client,
    columns::{Answers, Strings},
    enums::{InvitationStatus, TeamStatus},
    id::{AssignmentId, ClientId, PlanId, PolicyId, ProductId, TeamId, TierId},
    invitation, subscription, team, user,
};
use sea_orm::{ActiveValue::Set, ColumnTrait, IntoActiveModel, QueryFilter};

use self::check::{Checked, Partner};
use super::{
    auto_subscribe,
    clients::{self, NewClient},
    credentials::Made,
    invitations::{self, NewInvitation},
    members, portal_access,
    profiles::{self, ProfileDraft},
    subscriptions::{self, NewSubscription},
    teams::{self, New},
};
use crate::{
    Actor, Domain, Result, Tx,
    access::require_staff,
    audit::{Action, Audit},
    rules::policy::{Access, StaffRight},
    tx::{Touch, retrying},
};

#[derive(Debug, Clone, Default)]
pub struct OnboardPartner {
    /// A new team's name; or `team`.
    pub team_name: Option<String>,
    pub team: Option<TeamId>,
    pub tier: Option<TierId>,
    /// `None`: the team's name.
    pub client_name: Option<String>,
    pub description: Option<String>,
    pub emails: Vec<String>,
    pub plan: Option<PlanId>,
    pub products: Vec<ProductId>,
    /// A part of the products' scopes; `None`: all.
    pub scopes: Option<Vec<String>>,
    pub policy: Option<PolicyId>,
    pub profile: Option<ProfileDraft>,
    /// To those invited, in their mail.
    pub message: Option<String>,
}

#[derive(Debug)]
pub struct Onboarded {
    pub team: team::Model,
    /// The one made by hand, else the subscription's.
    pub client: client::Model,
    pub subscription: Option<subscription::Model>,
    pub invitations: Vec<invitation::Model>,
    /// The profile's; `None` where the provider gave a token of its own, or none is needed. A subscription's
    /// credentials are made by the team.
    pub secret: Option<Made>,
}

/// Staff bring a partner in. All of it happens, or nothing; all that is wrong is said at once.
pub async fn onboard(ctx: &Domain, actor: &Actor, cmd: OnboardPartner) -> Result<Onboarded> {
    require_staff(actor, StaffRight::Edit)?;
    retrying(|| onboard_once(ctx, actor, &cmd)).await
}

async fn onboard_once(ctx: &Domain, actor: &Actor, cmd: &OnboardPartner) -> Result<Onboarded> {
    let tx = Tx::begin(ctx).await?;
    let checked = check::check(&tx, cmd).await?;
    let tier_before = match &checked.partner {
        Partner::New(_) => None,
        Partner::Known(team) => team.tier_id,
    };
    let (team, is_new) = partner(&tx, &checked).await?;
    let mut entry = Audit::of(actor, Action::PartnerOnboarded, team.id).team(team.id).set("newTeam", is_new).change(
        "tier",
        tier_before,
        team.tier_id,
    );
    if is_new {
        entry = entry.set("teamName", &team.name);
    }
    let mut subscription = None;
    let mut of_plan = None;
    if let Some(plan) = &checked.plan {
        // What the plan asks for stays open until the team says it.
        let new =
            NewSubscription { owner: actor.user_id(), name: checked.client_name.clone(), custom_properties: Answers::default() };
        let held = subscriptions::insert(&tx, &team, plan, new).await?;
        subscriptions::await_approval(&tx, actor, &held.subscription, plan).await?;
        entry = subscriptions::described(entry, &held);
        subscription = Some(held.subscription);
        of_plan = Some(held.client);
    }
    let client = match of_plan.filter(|_| checked.profile.is_none()) {
        Some(client) => client,
        None => by_hand(&tx, &team, &checked).await?,
    };
    let client = finish(&tx, client, &checked, cmd.policy).await?;
    let mut secret = None;
    if let Some(profile) = checked.profile {
        let made = profiles::insert_by_hand(&tx, actor, &client, profile, None).await?;
        entry = profiles::described(entry, &made);
        secret = made.secret;
    }
    assign(&tx, actor, client.id, &checked.products).await?;
    // Somebody has to be able to invite colleagues to a new team.
    let access = if is_new { Access::FULL } else { Access::DEVELOPER };
    let mut invitations = Vec::new();
    for email in &checked.emails {
        portal_access::insert(&tx, &client, email, access, None).await?;
        invitations.extend(invite(&tx, actor, &team, email, access, checked.message.as_deref()).await?);
    }
    if is_new {
        let came = auto_subscribe::to_all(&tx, &team).await?;
        entry = entry.set("subscriptions", came);
    }
    entry = entry
        .set("client", client.id)
        .set("clientName", &client.name)
        .set("products", checked.products.iter().map(|(product, _)| product).collect::<Vec<_>>())
        .set("scopes", &cmd.scopes)
        .set("policy", client.policy_id)
        .set("emails", &checked.emails)
        .set("invitations", invitations.iter().map(|i| i.id).collect::<Vec<_>>());
    tx.commit(entry).await?;
    Ok(Onboarded { team, client, subscription, invitations, secret })
}

/// The team, and whether it is new.
async fn partner(tx: &Tx<'_>, checked: &Checked) -> Result<(team::Model, bool)> {
    match &checked.partner {
        Partner::New(name) => {
            let team = teams::insert(tx, New { name, tier: checked.tier, internal: false, status: TeamStatus::Active }).await?;
            tx.touch_gateway(Touch::Team(team.id));
            Ok((team, true))
        }
        Partner::Known(team) => {
            let Some(tier) = checked.tier.filter(|tier| team.tier_id != Some(*tier)) else { return Ok((team.clone(), false)) };
            let mut row = team.clone().into_active_model();
            row.tier_id = Set(Some(tier));
            tx.touch_gateway(Touch::Team(team.id));
            Ok((tx.update::<team::Entity>(row, team::Column::Version, team.version).await?, false))
        }
    }
}

async fn by_hand(tx: &Tx<'_>, team: &team::Model, checked: &Checked) -> Result<client::Model> {
    let name = checked.client_name.clone();
    clients::insert(tx, NewClient { team: team.id, subscription: None, name, description: None, enabled: true }).await
}

/// What the recipe says of the client, whichever it is.
async fn finish(tx: &Tx<'_>, client: client::Model, checked: &Checked, policy: Option<PolicyId>) -> Result<client::Model> {
    let version = client.version;
    let mut row = client.into_active_model();
    row.description = Set(checked.description.clone());
    row.policy_id = Set(policy);
    row.portal_access = Set(!checked.emails.is_empty());
    tx.update::<client::Entity>(row, client::Column::Version, version).await
}

async fn assign(tx: &Tx<'_>, actor: &Actor, client: ClientId, products: &[(ProductId, Option<Strings>)]) -> Result<()> {
    for (product, scopes) in products {
        let row = assignment::Model {
            id: tx.ctx().env.id::<AssignmentId>(),
            product_id: *product,
            tier_id: None,
            team_id: None,
            client_id: Some(client),
            subscription_id: None,
            since: tx.now(),
            assigned_by: actor.user_id(),
            scopes: scopes.clone(),
        };
        tx.insert(row).await?;
    }
    Ok(())
}

/// `None` for who is in the team already; one invited before keeps that invitation.
async fn invite(
    tx: &Tx<'_>,
    actor: &Actor,
    team: &team::Model,
    email: &str,
    access: Access,
    message: Option<&str>,
) -> Result<Option<invitation::Model>> {
    tx.alone("members of", team.id).await?;
    if let Some(person) = user::Entity::by_email(email).one(tx.db()).await?
        && members::find(tx.db(), team.id, person.id).await?.is_some()
    {
        return Ok(None);
    }
    let pending = invitation::Entity::for_team(team.id)
        .filter(invitation::Column::Email.eq(email))
        .filter(invitation::Column::Status.eq(InvitationStatus::Pending))
        .filter(invitation::Column::ExpiresAt.gt(tx.now()))
        .one(tx.db())
        .await?;
    if pending.is_some() {
        return Ok(pending);
    }
    let new = NewInvitation { team: team.id, email: email.to_owned(), access, message: message.map(str::to_owned) };
    Ok(Some(invitations::insert(tx, actor, new).await?))
}
