//! All that is wrong with a recipe, at once, by field.

use std::collections::BTreeSet;

use entities::{
    columns::Strings,
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
    read::assignments::scopes_of,
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
    /// Each once, with the part of its scopes that is given; `None`: all.
    pub products: Vec<(ProductId, Option<Strings>)>,
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
    let products = with_scopes(tx, &mut problems, products, cmd.scopes.as_deref()).await?;
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

/// Of the scopes that are named, each product gives those that its operations ask for.
async fn with_scopes(
    tx: &Tx<'_>,
    problems: &mut Problems,
    products: Vec<ProductId>,
    named: Option<&[String]>,
) -> Result<Vec<(ProductId, Option<Strings>)>> {
    let Some(named) = named else { return Ok(products.into_iter().map(|product| (product, None)).collect()) };
    if products.is_empty() {
        problems.add(ProblemCode::Invalid, "scopes", "scopes go with productIds: those of a plan are in the plan");
    }
    let known = scopes_of(tx.db(), products.iter().copied()).await?;
    for (i, scope) in named.iter().enumerate().filter(|(_, scope)| !known.values().any(|known| known.contains(*scope))) {
        let say = format!("{scope} is no scope that operations of these products ask for");
        problems.add(ProblemCode::Invalid, &format!("scopes.{i}"), say);
    }
    let part = |product: ProductId| {
        let known = known.get(&product);
        let part: BTreeSet<String> = named.iter().filter(|scope| known.is_some_and(|k| k.contains(*scope))).cloned().collect();
        (product, Some(Strings(part.into_iter().collect())))
    };
    Ok(products.into_iter().map(part).collect())
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
