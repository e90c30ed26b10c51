//! Signing in by an identity provider: leaving for it, and coming back. What is needed on return stays in the browser, sealed,
//! so that an answer counts in the browser alone that asked for it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use chrono::{DateTime, Utc};
use entities::{
    enums::{JoinMethod, SignInMethod},
    id::SsoProviderId,
    sso_provider, used_assertion, user,
};
use sea_orm::{
    ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter,
    sea_query::{Expr, OnConflict},
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use url::Url;
use uuid::Uuid;

use super::{
    domains, identities, members,
    sessions::NewSession,
    sign_in::{self, Brought, SignIn},
};
use crate::{
    Actor, Domain, DomainError, ProblemCode, Result, Tx,
    audit::{Action, Audit},
    identity::{Answer, Attempt, Identity, NoIdentity, Registration},
    keyring::{Purpose, sha256},
    read::{
        self,
        sso::{Provider, proven_domains},
    },
    rules::{
        mail_domain::of_address,
        sso::{AWAY, Asserted, Refusal, address, is_within, may_link, may_sign_in},
        text,
    },
    tx::retrying,
};

/// Characters of what a provider said.
const LOGGED: usize = 200;

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
    /// Else it gave no code, but an error (RFC 6749 §4.1.2.1).
    pub answer: std::result::Result<Answer, String>,
    pub callback: String,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    /// None: the staff's.
    provider: Option<SsoProviderId>,
    /// Who was asked: set up anew, the provider may be somebody else.
    issuer: String,
    state: String,
    nonce: String,
    verifier: String,
    redirect_to: Option<String>,
    until: DateTime<Utc>,
}

/// Where the browser goes to sign in as somebody with this address. The answer is the same for every address at a domain.
pub async fn start(ctx: &Domain, cmd: StartSso) -> Result<Away> {
    let (email, redirect_to) = sign_in::checked(&cmd.email, cmd.redirect_to.as_deref(), &cmd.return_origins)?;
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
        issuer: provider.issuer().to_owned(),
        state: attempt.state.clone(),
        nonce: attempt.nonce,
        verifier: attempt.verifier,
        redirect_to,
        until: ctx.now() + AWAY,
    };
    let kept = serde_json::to_string(&kept).map_err(DomainError::internal)?;
    Ok(Away { url, state: attempt.state, kept: ctx.keys.seal(&ctx.env, Purpose::SsoAttempt, &kept).into() })
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
    let again = read::sso::again(ctx, &ctx.db, kept.provider).await?;
    let Some(provider) = again.filter(|provider| provider.issuer() == kept.issuer) else {
        return Err(refused(ctx, actor, None, Refusal::Changed).await?);
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
    let opened = ctx.keys.open(Purpose::SsoAttempt, kept.expose_secret()).ok()?;
    serde_json::from_str(opened.expose_secret()).ok()
}

fn same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

type Attempted<T> = Result<std::result::Result<T, Refusal>>;

async fn attempt(ctx: &Domain, actor: &Actor, provider: &Provider, kept: &Kept, back: Back) -> Attempted<NewSession> {
    if kept.until <= ctx.now() {
        return Ok(Err(Refusal::TooLate));
    }
    let answer = match back.answer {
        Ok(answer) => answer,
        Err(error) => {
            let error = text::cut(&error, LOGGED);
            tracing::info!(issuer = provider.issuer(), error, "an identity provider signs somebody not in");
            return Ok(Err(Refusal::Declined));
        }
    };
    let us = registration(ctx, provider, &back.callback)?;
    if !is_first_code(ctx, kept).await? {
        return Ok(Err(Refusal::NotStarted));
    }
    let asked = Attempt { state: kept.state.clone(), nonce: kept.nonce.clone(), verifier: kept.verifier.clone() };
    match ctx.identities.identify(&us, &asked, &answer).await {
        Ok(identity) => retrying(async || sign_in(ctx, actor, provider, &identity).await).await,
        Err(error) => {
            tell_operator(provider, &error);
            Ok(Err(refusal(&error)))
        }
    }
}

/// A start is good for one code: whoever guesses has the provider asked no second time.
async fn is_first_code(ctx: &Domain, kept: &Kept) -> Result<bool> {
    let digest = sha256([b"start of single sign-on\0", kept.state.as_bytes()].concat()).to_vec();
    let row = used_assertion::Model { digest, expires_at: kept.until }.into_active_model();
    let unless_there = OnConflict::column(used_assertion::Column::Digest).do_nothing().to_owned();
    let noted = used_assertion::Entity::insert(row).on_conflict(unless_there).exec_without_returning(&ctx.db).await?;
    Ok(noted > 0)
}

async fn sign_in(ctx: &Domain, actor: &Actor, provider: &Provider, identity: &Identity) -> Attempted<NewSession> {
    let tx = Tx::begin(ctx).await?;
    if let Some(team) = provider.team() {
        // Else who is put out of the team at this moment could come in again by its domain.
        tx.alone("members of", team).await?;
        if !read::sso::is_in_use(tx.db(), team).await? {
            return Ok(Err(Refusal::TeamNotInUse));
        }
    }
    let known = identities::known(&tx, provider, &identity.subject).await?;
    let person = match whom(&tx, provider, identity, known.as_ref().map(|(_, user)| user)).await? {
        Ok(person) => person,
        Err(reason) => return Ok(Err(reason)),
    };
    let opened = sign_in::open_for(&tx, actor, person, SignInMethod::Sso).await?;
    let by = opened.session.actor(actor);
    let mut events = opened.events(&by, |signed_in| {
        let signed_in = signed_in.team(provider.team()).set("provider", provider.id()).set("issuer", provider.issuer());
        signed_in.change("linked", false, known.is_none())
    });
    let session = opened.session;
    match known {
        Some((row, _)) => identities::mark(&tx, row).await?,
        None => {
            identities::link(&tx, provider, &identity.subject, session.user.id).await?;
            events.extend(join(&tx, &by, provider, &session.user).await?);
        }
    }
    if !used(&tx, provider).await? {
        return Ok(Err(Refusal::Changed));
    }
    tx.commit_all(events).await?;
    Ok(Ok(session))
}

/// Who a subject is here; true where they were registered just now.
async fn whom(
    tx: &Tx<'_>,
    provider: &Provider,
    identity: &Identity,
    known: Option<&user::Model>,
) -> Attempted<(user::Model, bool)> {
    let domains = proven_domains(tx.db(), provider).await?;
    let found = match known {
        Some(user) => is_within(&user.email, &domains).map(|()| (user.clone(), false)),
        None => newcomer(tx, provider, identity, &domains).await?,
    };
    let Ok(person) = found else { return Ok(found) };
    let seen = read::sso::person(tx.db(), &person.0, provider.team()).await?;
    Ok(may_sign_in(provider.speaks_for(), seen).map(|()| person))
}

/// Who signs in by this provider for the first time: somebody whom the portal knows by the address, or who may come.
async fn newcomer(tx: &Tx<'_>, provider: &Provider, identity: &Identity, domains: &[String]) -> Attempted<(user::Model, bool)> {
    let asserted = Asserted { email: identity.email.as_deref(), verified: identity.email_verified };
    let email = match address(asserted, domains) {
        Ok(email) => email,
        Err(reason) => return Ok(Err(reason)),
    };
    if let Some(known) = user::Entity::by_email(&email).one(tx.db()).await? {
        // Addresses change hands; an account does not go along.
        let taken = identities::has_one(tx, provider, known.id).await?;
        let linked = if taken { Err(Refusal::OtherSubject) } else { may_link(identity.email_verified) };
        return Ok(linked.map(|()| (known, false)));
    }
    match provider {
        Provider::Staff(_) => Ok(Err(Refusal::NotStaff)),
        Provider::Team(_) if !read::sign_in::may_sign_in(tx.db(), &email, tx.now()).await? => Ok(Err(Refusal::NotInvited)),
        Provider::Team(_) => Ok(Ok(sign_in::person(tx, &email).await?)),
    }
}

/// Notes that somebody signed in by it; false where it is no longer what was asked.
async fn used(tx: &Tx<'_>, provider: &Provider) -> Result<bool> {
    let Provider::Team(row) = provider else { return Ok(true) };
    let marked = sso_provider::Entity::update_many()
        .col_expr(sso_provider::Column::LastSignInAt, Expr::value(tx.now()))
        .filter(sso_provider::Column::Id.eq(row.id))
        .filter(sso_provider::Column::Version.eq(row.version))
        .exec(tx.db())
        .await?;
    Ok(marked.rows_affected > 0)
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
    let error = text::cut(&error.to_string(), LOGGED);
    tracing::warn!(issuer = provider.issuer(), error, "an identity provider cannot be used");
}

async fn refused(ctx: &Domain, actor: &Actor, provider: Option<&Provider>, reason: Refusal) -> Result<DomainError> {
    let id = provider.and_then(Provider::id).unwrap_or(SsoProviderId(Uuid::nil()));
    let entry = Audit::of(actor, Action::SignInFailed, id).team(provider.and_then(Provider::team));
    // Who has a start of ours is never put off for what others at their address do without one.
    let brought = if reason == Refusal::NotStarted { Brought::Guess } else { Brought::Ours };
    sign_in::failed(ctx, actor, entry.set("reason", reason.as_str()), (brought, reason.problem())).await
}
