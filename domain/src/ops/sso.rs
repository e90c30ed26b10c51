//! Signing in by an identity provider: leaving for it, and coming back. What is needed on return stays in the browser, sealed,
//! so that an answer counts in the browser alone that asked for it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use chrono::{DateTime, Utc};
use entities::{
    enums::{JoinMethod, SignInMethod},
    id::SsoProviderId,
    sso_identity::{self, Column, Entity},
    sso_provider, user,
};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use url::Url;
use uuid::Uuid;

use super::{
    domains, members,
    sign_in::{self, SignIn},
};
use crate::{
    Actor, Domain, DomainError, ProblemCode, Result, Tx,
    audit::{Action, Audit},
    error::Problems,
    identity::{Answer, Attempt, Identity, NoIdentity, Registration},
    keyring::Purpose,
    read::{
        self,
        sso::{Provider, proven_domains},
    },
    rules::{
        mail_domain::of_address,
        return_url,
        sso::{Asserted, MINUTES_AWAY, Refusal, address, is_within, may_sign_in},
        text,
    },
    tx::retrying,
};

/// Asks for the way to an address's identity provider.
#[derive(Debug, Clone)]
pub struct StartSso {
    pub email: String,
    /// Where the sign-in leads.
    pub redirect_to: Option<String>,
    /// Serialised origins that `redirect_to` may name.
    pub return_origins: Vec<String>,
    /// Below which each provider sends browsers back to an address of its own.
    pub callback: String,
}

/// On the way to a provider.
pub struct Away {
    pub url: Url,
    /// Tells this sign-in from others of the same browser.
    pub state: String,
    /// What the browser keeps until it is back.
    pub kept: SecretString,
}

/// Back from a provider.
#[derive(Debug)]
pub struct Back {
    pub state: String,
    /// The last part of the address that it came back to.
    pub came_by: String,
    /// What this browser kept for this state.
    pub kept: Option<SecretString>,
    /// `None`: it gave no code, but an error.
    pub answer: Option<Answer>,
    pub callback: String,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    /// None: the staff's.
    provider: Option<SsoProviderId>,
    state: String,
    nonce: String,
    verifier: String,
    redirect_to: Option<String>,
    until: DateTime<Utc>,
}

/// Where the browser goes to sign in as somebody with this address. The answer is the same for every address at a domain.
pub async fn start(ctx: &Domain, cmd: StartSso) -> Result<Away> {
    let mut problems = Problems::default();
    let email = problems.take(text::email("email", &cmd.email));
    let checked = |url: &String| return_url::checked("redirectTo", url, &cmd.return_origins);
    let redirect_to = problems.take(cmd.redirect_to.as_ref().map(checked).transpose()).flatten();
    problems.into_result()?;
    let email = email.unwrap_or_default();
    let Some(provider) = read::sso::at_domain(ctx, &ctx.db, of_address(&email)).await? else {
        let say = format!("nobody at {} signs in by an organisation's account here: ask for a link by mail", of_address(&email));
        return Err(DomainError::refused(ProblemCode::NotFound, "email", say));
    };
    let random = || BASE64.encode(ctx.env.random::<32>());
    let attempt = Attempt { state: random(), nonce: random(), verifier: random() };
    let us = registration(ctx, &provider, &cmd.callback)?;
    let url = ctx.identities.authorization_url(&us, &attempt, &email).await.map_err(|error| {
        tell_operator(&provider, &error);
        let mut problem = refusal(&error).problem();
        problem.path = vec!["email".to_owned()];
        DomainError::from(problem)
    })?;
    let kept = Kept {
        provider: provider.id(),
        state: attempt.state.clone(),
        nonce: attempt.nonce,
        verifier: attempt.verifier,
        redirect_to,
        until: ctx.now() + MINUTES_AWAY,
    };
    let kept = serde_json::to_string(&kept).map_err(DomainError::internal)?;
    Ok(Away { url, state: attempt.state, kept: ctx.keys.seal(&ctx.env, Purpose::SingleSignOn, &kept).into() })
}

/// The last part of a provider's own callback. No two share one: an answer that another provider had sent here would go, with its
/// code, to the one that was asked (RFC 9700 §4.4.2).
fn way_back(provider: &Provider) -> String {
    provider.team().map_or_else(|| "staff".to_owned(), |team| team.to_string())
}

fn registration(ctx: &Domain, provider: &Provider, callback: &str) -> Result<Registration> {
    let callback = format!("{callback}/{}", way_back(provider));
    let (client_id, client_secret) = match provider {
        Provider::Staff(staff) => (staff.client_id.clone(), staff.client_secret.clone()),
        Provider::Team(row) => {
            let opened = row.sealed_secret.as_deref().map(|sealed| ctx.keys.open(Purpose::SingleSignOn, sealed)).transpose();
            (row.client_id.clone(), opened.map_err(DomainError::internal)?)
        }
    };
    let trusted = matches!(provider, Provider::Staff(_));
    Ok(Registration { issuer: provider.issuer().to_owned(), client_id, client_secret, callback, trusted })
}

/// Signs in whom the provider vouches for. Whatever is wrong is refused, audited, and said in a sentence.
pub async fn finish(ctx: &Domain, actor: &Actor, back: Back) -> Result<SignIn> {
    let kept = back.kept.as_ref().and_then(|kept| open(ctx, kept)).filter(|kept| same(&kept.state, &back.state));
    let Some(kept) = kept else { return Err(refused(ctx, actor, None, Refusal::NotStarted).await?) };
    let Some(provider) = read::sso::again(ctx, &ctx.db, kept.provider).await? else {
        return Err(refused(ctx, actor, None, Refusal::NotStarted).await?);
    };
    if back.came_by != way_back(&provider) {
        return Err(refused(ctx, actor, Some(&provider), Refusal::OtherIssuer).await?);
    }
    match attempt(ctx, actor, &provider, &kept, back).await? {
        Ok(session) => Ok(SignIn { session, redirect_to: kept.redirect_to }),
        Err(reason) => Err(refused(ctx, actor, Some(&provider), reason).await?),
    }
}

fn open(ctx: &Domain, kept: &SecretString) -> Option<Kept> {
    let opened = ctx.keys.open(Purpose::SingleSignOn, kept.expose_secret()).ok()?;
    serde_json::from_str(opened.expose_secret()).ok()
}

fn same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

type Attempted<T> = Result<std::result::Result<T, Refusal>>;

async fn attempt(
    ctx: &Domain,
    actor: &Actor,
    provider: &Provider,
    kept: &Kept,
    back: Back,
) -> Attempted<super::sessions::NewSession> {
    if kept.until <= ctx.now() {
        return Ok(Err(Refusal::TooLate));
    }
    let Some(answer) = back.answer else { return Ok(Err(Refusal::Declined)) };
    let us = registration(ctx, provider, &back.callback)?;
    let asked = Attempt { state: kept.state.clone(), nonce: kept.nonce.clone(), verifier: kept.verifier.clone() };
    match ctx.identities.identify(&us, &asked, &answer).await {
        Ok(identity) => retrying(async || sign_in(ctx, actor, provider, &identity).await).await,
        Err(error) => {
            tell_operator(provider, &error);
            Ok(Err(refusal(&error)))
        }
    }
}

async fn sign_in(
    ctx: &Domain,
    actor: &Actor,
    provider: &Provider,
    identity: &Identity,
) -> Attempted<super::sessions::NewSession> {
    let tx = Tx::begin(ctx).await?;
    if let Some(team) = provider.team()
        && !read::sso::is_in_use(tx.db(), team).await?
    {
        return Ok(Err(Refusal::TeamNotInUse));
    }
    let domains = proven_domains(tx.db(), provider).await?;
    let known = known(&tx, provider, &identity.subject).await?;
    let person = match &known {
        Some((_, user)) => match is_within(&user.email, &domains) {
            Ok(()) => (user.clone(), false),
            Err(reason) => return Ok(Err(reason)),
        },
        None => match newcomer(&tx, provider, identity, &domains).await? {
            Ok(found) => found,
            Err(reason) => return Ok(Err(reason)),
        },
    };
    if let Err(reason) = may_sign_in(provider.speaks_for(), read::sso::person(tx.db(), &person.0, provider.team()).await?) {
        return Ok(Err(reason));
    }
    let opened = sign_in::open_for(&tx, actor, person, SignInMethod::Sso).await?;
    let by = opened.session.actor(actor);
    let mut events = opened.events(&by, |signed_in| {
        signed_in.team(provider.team()).set("provider", provider.id()).set("issuer", provider.issuer()).change(
            "linked",
            false,
            known.is_none(),
        )
    });
    let session = opened.session;
    match known {
        Some((row, _)) => mark(&tx, row).await?,
        None => {
            link(&tx, provider, identity, session.user.id).await?;
            events.extend(join(&tx, &by, provider, &session.user).await?);
        }
    }
    if let Some(id) = provider.id() {
        let row = sso_provider::Entity::update_many().col_expr(sso_provider::Column::LastSignInAt, Expr::value(tx.now()));
        row.filter(sso_provider::Column::Id.eq(id)).exec(tx.db()).await?;
    }
    tx.commit_all(events).await?;
    Ok(Ok(session))
}

/// Whom this provider has signed in as this subject before.
async fn known(tx: &Tx<'_>, provider: &Provider, subject: &str) -> Result<Option<(sso_identity::Model, user::Model)>> {
    let of_provider = match provider.id() {
        Some(id) => Column::ProviderId.eq(id),
        None => Column::ProviderId.is_null(),
    };
    let found =
        Entity::find().filter(of_provider).filter(Column::Issuer.eq(provider.issuer())).filter(Column::Subject.eq(subject));
    let Some(row) = found.one(tx.db()).await? else { return Ok(None) };
    let user = user::Entity::find_by_id(row.user_id).one(tx.db()).await?;
    Ok(user.map(|user| (row, user)))
}

/// Who signs in by this provider for the first time: somebody whom the portal knows by the address, or who may come. True where
/// they were registered just now.
async fn newcomer(tx: &Tx<'_>, provider: &Provider, identity: &Identity, domains: &[String]) -> Attempted<(user::Model, bool)> {
    let asserted = Asserted { email: identity.email.as_deref(), verified: identity.email_verified };
    let email = match address(asserted, domains) {
        Ok(email) => email,
        Err(reason) => return Ok(Err(reason)),
    };
    if let Some(known) = user::Entity::by_email(&email).one(tx.db()).await? {
        return Ok(Ok((known, false)));
    }
    match provider {
        Provider::Staff(_) => Ok(Err(Refusal::NotStaff)),
        Provider::Team(_) if !read::sign_in::may_sign_in(tx.db(), &email, tx.now()).await? => Ok(Err(Refusal::NotInvited)),
        Provider::Team(_) => Ok(Ok(sign_in::person(tx, &email).await?)),
    }
}

async fn link(tx: &Tx<'_>, provider: &Provider, identity: &Identity, user_id: entities::id::UserId) -> Result<()> {
    let row = sso_identity::Model {
        id: tx.ctx().env.id(),
        provider_id: provider.id(),
        issuer: provider.issuer().to_owned(),
        subject: identity.subject.clone(),
        user_id,
        created_at: tx.now(),
        last_sign_in_at: tx.now(),
    };
    tx.insert(row).await.map(drop)
}

async fn mark(tx: &Tx<'_>, row: sso_identity::Model) -> Result<()> {
    let row = sso_identity::ActiveModel { id: Set(row.id), last_sign_in_at: Set(tx.now()), ..Default::default() };
    Entity::update(row).exec(tx.db()).await?;
    Ok(())
}

/// Brings who came for the first time into the team, where its domain lets them.
async fn join(tx: &Tx<'_>, by: &Actor, provider: &Provider, user: &user::Model) -> Result<Option<Audit>> {
    let open = read::domains::open_to(tx.db(), user).await?.filter(|(domain, _)| Some(domain.team_id) == provider.team());
    match open {
        Some((domain, _)) if members::find(tx.db(), domain.team_id, user.id).await?.is_none() => {
            domains::let_in(tx, by, &domain, user.id, JoinMethod::Sso).await.map(Some)
        }
        _ => Ok(None),
    }
}

fn refusal(error: &NoIdentity) -> Refusal {
    match error {
        NoIdentity::Unreachable(_) | NoIdentity::Discovery(_) => Refusal::Unreachable,
        NoIdentity::Refused(_) => Refusal::Misconfigured,
        NoIdentity::Unproven(_) => Refusal::Unproven,
        NoIdentity::OtherIssuer => Refusal::OtherIssuer,
    }
}

/// Who cannot sign in is told what to do; what exactly went wrong is for the log.
fn tell_operator(provider: &Provider, error: &NoIdentity) {
    tracing::warn!(issuer = provider.issuer(), %error, "an identity provider cannot be used");
}

async fn refused(ctx: &Domain, actor: &Actor, provider: Option<&Provider>, reason: Refusal) -> Result<DomainError> {
    let id = provider.and_then(Provider::id).unwrap_or(SsoProviderId(Uuid::nil()));
    let entry = Audit::of(actor, Action::SignInFailed, id).team(provider.and_then(Provider::team));
    sign_in::failed(ctx, actor, entry.set("reason", reason.as_str()), reason.problem()).await
}
