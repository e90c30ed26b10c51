//! All that is wrong with a recipe, at once, by field.

use entities::{
    enums::ProductStatus,
    id::{ProductId, TierId},
    plan, product, team, tier,
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::OnboardPartner;
use crate::{
    DomainError, ProblemCode, Result, Tx,
    error::Problems,
    ops::{
        policies,
        portal_access::MAX_EMAILS,
        profiles::{self, CheckedProfile},
        subscriptions,
    },
    rules::text,
};

/// A recipe that can be carried out.
pub(super) struct Checked {
    pub partner: Partner,
    pub tier: Option<TierId>,
    pub client_name: String,
    pub description: Option<String>,
    /// In lower case, each once.
    pub emails: Vec<String>,
    pub message: Option<String>,
    pub plan: Option<plan::Model>,
    /// Each once.
    pub products: Vec<ProductId>,
    pub profile: Option<CheckedProfile>,
}

pub(super) enum Partner {
    New(String),
    Known(team::Model),
}

pub(super) async fn check(tx: &Tx<'_>, cmd: &OnboardPartner) -> Result<Checked> {
    let mut problems = Problems::default();
    let partner = partner(tx, &mut problems, cmd).await?;
    referred(tx, &mut problems, cmd).await?;
    let description = problems.take(text::prose("description", cmd.description.as_deref(), 2000)).flatten();
    let message = problems.take(text::prose("message", cmd.message.as_deref(), 2000)).flatten();
    let emails = emails(&mut problems, &cmd.emails);
    if cmd.profile.is_none() && cmd.plan.is_none() {
        problems.add(ProblemCode::Required, "profile", "give a profile, a plan or both: the partner could not call otherwise");
    }
    let profile = cmd.profile.as_ref().map(|draft| profiles::check(&mut problems, "profile", draft, tx.ctx()));
    let plan = plan(tx, &mut problems, cmd, partner.as_ref()).await?;
    let products = products(tx, &mut problems, &cmd.products).await?;
    let own_name = match &partner {
        Some(Partner::New(name)) => name.clone(),
        Some(Partner::Known(team)) => team.name.clone(),
        None => String::new(),
    };
    let client_name = match &cmd.client_name {
        Some(name) => problems.take(text::name("clientName", name, 80)).unwrap_or_default(),
        None => own_name,
    };
    problems.into_result()?;
    let partner = partner.ok_or_else(|| DomainError::internal("a partner without a name passed the checks"))?;
    Ok(Checked { partner, tier: cmd.tier, client_name, description, emails, message, plan, products, profile })
}

async fn partner(tx: &Tx<'_>, problems: &mut Problems, cmd: &OnboardPartner) -> Result<Option<Partner>> {
    Ok(match (&cmd.team_name, cmd.team) {
        (Some(_), Some(_)) => {
            problems.add(
                ProblemCode::Invalid,
                "teamId",
                "give teamName for a new team or teamId for one that is there, not both",
            );
            None
        }
        (None, None) => {
            problems.add(ProblemCode::Required, "teamName", "give teamName for a new team or teamId for one that is there");
            None
        }
        (Some(name), None) => problems.take(text::name("teamName", name, 80)).map(Partner::New),
        (None, Some(id)) => {
            let team = subscriptions::locked_team(tx, id).await?;
            if team.is_none() {
                problems.add(ProblemCode::NotFound, "teamId", "no such team");
            }
            team.map(Partner::Known)
        }
    })
}

async fn referred(tx: &Tx<'_>, problems: &mut Problems, cmd: &OnboardPartner) -> Result<()> {
    if let Some(id) = cmd.tier
        && tier::Entity::find_by_id(id).one(tx.db()).await?.is_none()
    {
        problems.add(ProblemCode::NotFound, "tierId", "no such tier");
    }
    if let Some(id) = cmd.policy {
        noted(problems, policies::referred(tx.db(), "policyId", id).await)?;
    }
    Ok(())
}

async fn plan(
    tx: &Tx<'_>,
    problems: &mut Problems,
    cmd: &OnboardPartner,
    partner: Option<&Partner>,
) -> Result<Option<plan::Model>> {
    let Some(id) = cmd.plan else { return Ok(None) };
    let Some((plan, _)) = noted(problems, subscriptions::offered(tx, id).await)? else { return Ok(None) };
    if let Some(Partner::Known(team)) = partner {
        noted(problems, subscriptions::room_for_one(tx, &plan, team, None).await)?;
    }
    Ok(Some(plan))
}

async fn products(tx: &Tx<'_>, problems: &mut Problems, given: &[ProductId]) -> Result<Vec<ProductId>> {
    let found = product::Entity::find()
        .filter(product::Column::Id.is_in(given.iter().map(|id| id.0)))
        .filter(product::Column::Status.ne(ProductStatus::Retired))
        .all(tx.db())
        .await?;
    let mut products = Vec::new();
    for (i, id) in given.iter().enumerate() {
        if !found.iter().any(|product| product.id == *id) {
            problems.add(ProblemCode::NotFound, &format!("productIds.{i}"), "no such product in use");
        } else if !products.contains(id) {
            products.push(*id);
        }
    }
    Ok(products)
}

fn emails(problems: &mut Problems, given: &[String]) -> Vec<String> {
    if given.len() > MAX_EMAILS {
        problems.add(ProblemCode::LimitReached, "emails", format!("at most {MAX_EMAILS} addresses"));
    }
    let mut emails = Vec::new();
    for (i, email) in given.iter().enumerate() {
        if let Some(email) = problems.take(text::email(&format!("emails.{i}"), email))
            && !emails.contains(&email)
        {
            emails.push(email);
        }
    }
    emails
}

/// A refusal is noted with the others; anything else ends the operation.
fn noted<T>(problems: &mut Problems, outcome: Result<T>) -> Result<Option<T>> {
    match outcome {
        Err(DomainError::Refused(refused)) => Ok(problems.take_all(Err(refused))),
        other => other.map(Some),
    }
}
