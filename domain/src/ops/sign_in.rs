//! Signing in without a password: asking for a link, and using it. Who asks learns nothing about the address.

use std::iter;

use chrono::{DateTime, TimeDelta, Utc};
use entities::{
    audit_event, authorized_email, client,
    enums::{JoinMethod, SignInMethod},
    id::{InvitationId, MagicLinkId},
    magic_link, membership, user,
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::Expr,
};

use crate::{
    Actor, Domain, DomainError, Problem, Result, Tx,
    audit::{Action, Audit},
    error::Problems,
    ops::{
        invitations, members,
        sessions::{self, NewSession},
        teams,
    },
    outbox::SendMagicLink,
    read,
    rules::{
        mail_domain::of_address,
        person::display_name,
        policy::Access,
        return_url,
        sign_in::{self, Asked, Refusal},
        source::Source,
        text,
    },
    tx::{Unaudited, retrying},
};

/// Failures of one neighbourhood of addresses that are looked through for those of one source.
const LOOKED_AT: u64 = 1_000;

/// Asks for a sign-in link.
#[derive(Debug, Clone)]
pub struct RequestMagicLink {
    pub email: String,
    /// Where the sign-in leads.
    pub redirect_to: Option<String>,
    /// Serialised origins that `redirect_to` may name.
    pub return_origins: Vec<String>,
}

/// Somebody who just signed in by a mailed link.
pub struct SignIn {
    pub session: NewSession,
    pub redirect_to: Option<String>,
}

/// Succeeds whether or not the address is known, with the same work; the job decides whether a mail follows. Beyond what
/// `rules::sign_in` allows an address and a source, nothing happens, and the answer is still the same.
pub async fn request_magic_link(ctx: &Domain, actor: &Actor, cmd: RequestMagicLink) -> Result<()> {
    let (email, redirect_to) = checked(&cmd.email, cmd.redirect_to.as_deref(), &cmd.return_origins)?;
    request(ctx, actor, &email, redirect_to, None).await
}

/// The address that wants in, and where that leads.
pub(crate) fn checked(email: &str, redirect_to: Option<&str>, origins: &[String]) -> Result<(String, Option<String>)> {
    let mut problems = Problems::default();
    let email = problems.take(text::email("email", email));
    let redirect_to = problems.take(redirect_to.map(|url| return_url::checked("redirectTo", url, origins)).transpose());
    problems.into_result()?;
    Ok((email.unwrap_or_default(), redirect_to.flatten()))
}

/// As `request_magic_link`; with an invitation, using the link accepts it too.
pub(crate) async fn request(
    ctx: &Domain,
    actor: &Actor,
    email: &str,
    redirect_to: Option<String>,
    invitation: Option<InvitationId>,
) -> Result<()> {
    let tx = Tx::begin(ctx).await?;
    let life = TimeDelta::minutes(crate::read::portal::load_from(tx.db()).await?.magic_link_minutes.into());
    if !sign_in::may_ask(asked(&tx, actor, email).await?, life) {
        return tx.commit_unaudited(Unaudited::NothingChanged).await;
    }
    let id: MagicLinkId = ctx.env.id();
    let row = magic_link::ActiveModel {
        id: Set(id),
        email: Set(email.to_owned()),
        redirect_to: Set(redirect_to),
        invitation_id: Set(invitation),
        requested_ip: Set(actor.origin.source().map(|source| source.to_string())),
        created_at: Set(tx.now()),
        expires_at: Set(tx.now() + life),
        used_at: Set(None),
    };
    magic_link::Entity::insert(row).exec_without_returning(tx.db()).await?;
    tx.enqueue(SendMagicLink { link: id }).await?;
    tx.commit_unaudited(Unaudited::LinkRequested).await
}

async fn asked(tx: &Tx<'_>, actor: &Actor, email: &str) -> Result<Asked> {
    let recent = || magic_link::Entity::find().filter(magic_link::Column::CreatedAt.gt(tx.now() - sign_in::WINDOW));
    let count = async |list: Select<magic_link::Entity>| list.count(tx.db()).await;
    // Without this, requests at the same moment would not count each other.
    tx.alone("links for", email).await?;
    let of_address = || recent().filter(magic_link::Column::Email.eq(email));
    let for_address = count(of_address()).await?;
    let last = of_address().order_by_desc(magic_link::Column::CreatedAt).one(tx.db()).await?;
    let from_source = match actor.origin.source() {
        Some(source) => {
            tx.alone("links from", source).await?;
            count(recent().filter(magic_link::Column::RequestedIp.eq(source.to_string()))).await?
        }
        None => 0,
    };
    Ok(Asked { for_address, from_source, last: last.map(|link| tx.now() - link.created_at) })
}

/// What came of a link: done, or which link was refused and why.
type Attempt<T> = Result<std::result::Result<T, (MagicLinkId, Refusal)>>;

/// Uses a link, once: opens a session, registers who is new, and brings authorised people into their clients' teams.
/// Every older link of the address dies with it. A failure is refused and audited.
pub async fn redeem_magic_link(ctx: &Domain, actor: &Actor, token: &str) -> Result<SignIn> {
    let (session, link) = match retrying(async || redeem(ctx, actor, token).await).await? {
        Ok(done) => done,
        Err((link, refusal)) => {
            let entry = Audit::of(actor, Action::SignInFailed, link).set("reason", refusal.as_str());
            let brought = Brought::of(refusal);
            return Err(failed(ctx, actor, entry, (brought, refusal.problem())).await?);
        }
    };
    let mut redirect_to = link.redirect_to;
    if let Some(invitation) = link.invitation_id.filter(|_| session.is_unproven()) {
        // It waits until the second factor is proven: the way leads on to it.
        redirect_to = invitations::path(ctx, invitation).await?;
    } else if let Some(invitation) = link.invitation_id {
        // The session stands, whatever became of the invitation meanwhile; its page says what.
        match invitations::accept_by_id(ctx, &session.actor(actor), invitation).await {
            Ok(_) | Err(DomainError::Refused(_)) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(SignIn { session, redirect_to })
}

async fn redeem(ctx: &Domain, actor: &Actor, token: &str) -> Attempt<(NewSession, magic_link::Model)> {
    let tx = Tx::begin(ctx).await?;
    let link = match read::sign_in::magic_link(ctx, tx.db(), token).await? {
        Ok(link) => link,
        Err(refused) => return Ok(Err(refused)),
    };
    // One statement ends this link and the older ones, so that two links used at once do not wait for each other.
    let ended = magic_link::Entity::update_many()
        .col_expr(magic_link::Column::UsedAt, Expr::value(tx.now()))
        .filter(magic_link::Column::Email.eq(&link.email))
        .filter(magic_link::Column::UsedAt.is_null())
        .exec_with_returning(tx.db())
        .await?;
    if !ended.iter().any(|row| row.id == link.id) {
        return Ok(Err((link.id, Refusal::Used)));
    }
    let opened = open(&tx, actor, &link.email).await?;
    let alone = opened.registered && opened.joined.is_empty() && comes_alone(&tx, &link).await?;
    let by = opened.session.actor(actor);
    let mut entries = opened.events(&by, |signed_in| signed_in);
    let session = opened.session;
    if alone {
        let name = display_name(None, Some(&session.user.email), None);
        entries.push(teams::found(&tx, &by, session.user.id, &name).await?.1);
    }
    tx.commit_all(entries).await?;
    Ok(Ok((session, link)))
}

/// Whether a new person comes by themselves, where the portal lets them: no team waits for them, so they get one of their own.
async fn comes_alone(tx: &Tx<'_>, link: &magic_link::Model) -> Result<bool> {
    let email = &link.email;
    Ok(link.invitation_id.is_none()
        && read::portal::load_from(tx.db()).await?.self_registration
        && !read::sign_in::is_invited(tx.db(), email, tx.now()).await?
        && read::domains::open_at(tx.db(), of_address(email)).await?.is_none())
}

/// What somebody tried to sign in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Brought {
    /// Nothing that was ever ours.
    Guess,
    /// Something of ours that does not sign in (any more): whoever else guesses from there, its bearer is told what is wrong.
    Ours,
}

impl Brought {
    pub fn of(refusal: Refusal) -> Self {
        if refusal == Refusal::Unknown { Self::Guess } else { Self::Ours }
    }
}

/// Audits a sign-in that failed. Beyond what one source may fail, nothing more is written, and who guesses is put off. Failures
/// are counted by what was tried: guesses at one thing put off nobody who brings another.
pub(crate) async fn failed(
    ctx: &Domain,
    actor: &Actor,
    entry: Audit,
    (brought, problem): (Brought, Problem),
) -> Result<DomainError> {
    let tx = Tx::begin(ctx).await?;
    let failures = failures_from(tx.db(), tx.now(), actor.origin.source(), entry.subject_type()).await?;
    if sign_in::may_fail(failures) {
        tx.commit(entry).await?;
        return Ok(problem.into());
    }
    Ok(match brought {
        Brought::Guess => DomainError::RateLimited { retry_after: sign_in::WINDOW.num_seconds().unsigned_abs() },
        Brought::Ours => problem.into(),
    })
}

/// What failed from there lately, tried by this kind of thing. The log has whole addresses: those of one source are told by
/// their text.
async fn failures_from(db: &impl ConnectionTrait, now: DateTime<Utc>, source: Option<Source>, kind: &str) -> Result<u64> {
    use audit_event::Column::{Action as Done, At, Id, Ip, SubjectType};
    let failed = audit_event::Entity::find()
        .filter(Done.eq(Action::SignInFailed.as_str()))
        .filter(At.gt(now - sign_in::WINDOW))
        .filter(SubjectType.eq(kind));
    let Some(source) = source else { return Ok(failed.filter(Ip.is_null()).count(db).await?) };
    let near = failed.filter(Ip.starts_with(source.prefix())).order_by_desc(Id).limit(LOOKED_AT);
    let near: Vec<String> = near.select_only().column(Ip).into_tuple().all(db).await?;
    Ok(near.iter().filter(|ip| source.has(ip)).count() as u64)
}

/// What signing in brought about.
pub(crate) struct Opened {
    pub session: NewSession,
    pub registered: bool,
    /// Where clients' teams have authorised this address.
    pub joined: Vec<membership::Model>,
}

impl Opened {
    /// That they signed in, of which `more` says more, and each team that they came into.
    pub fn events(&self, by: &Actor, more: impl FnOnce(Audit) -> Audit) -> Vec<Audit> {
        let signed_in = Audit::of(by, Action::SignedIn, self.session.row.id)
            .set("method", self.session.row.method)
            .set("replacedSession", self.session.replaced)
            .change("registered", false, self.registered);
        let joined = self.joined.iter().map(|row| members::joined(by, row));
        iter::once(more(signed_in)).chain(joined).collect()
    }
}

/// Opens a session for the owner of an address.
pub(crate) async fn open(tx: &Tx<'_>, actor: &Actor, email: &str) -> Result<Opened> {
    open_for(tx, actor, person(tx, email).await?, SignInMethod::MagicLink).await
}

/// Opens a session for somebody; true beside them: they were registered just now.
pub(crate) async fn open_for(
    tx: &Tx<'_>,
    actor: &Actor,
    (user, registered): (user::Model, bool),
    method: SignInMethod,
) -> Result<Opened> {
    let joined = join_authorised(tx, &user).await?;
    let session = sessions::insert(tx, actor, user, method).await?;
    Ok(Opened { session, registered, joined })
}

/// The person behind an address; true where they were registered just now.
pub(crate) async fn person(tx: &Tx<'_>, email: &str) -> Result<(user::Model, bool)> {
    if let Some(known) = user::Entity::by_email(email).one(tx.db()).await? {
        return Ok((known, false));
    }
    let row = user::Model { id: tx.ctx().env.id(), email: email.to_owned(), name: None, staff_role: None, created_at: tx.now() };
    user::Entity::insert(user::ActiveModel::from(row.clone())).exec_without_returning(tx.db()).await?;
    Ok((row, true))
}

/// Brings a person into the teams of the clients that their address is authorised for.
async fn join_authorised(tx: &Tx<'_>, user: &user::Model) -> Result<Vec<membership::Model>> {
    let authorised =
        authorized_email::Entity::find().filter(authorized_email::Column::Email.eq(&user.email)).all(tx.db()).await?;
    let clients: Vec<_> = client::Entity::find()
        .filter(client::Column::Id.is_in(authorised.iter().map(|row| row.client_id)))
        .filter(client::Column::PortalAccess.eq(true))
        .all(tx.db())
        .await?;
    let is_open = |row: &authorized_email::Model| clients.iter().any(|client| client.id == row.client_id);
    let open: Vec<_> = authorised.into_iter().filter(is_open).collect();
    if open.is_empty() {
        return Ok(Vec::new());
    }
    authorized_email::Entity::update_many()
        .col_expr(authorized_email::Column::LastSignInAt, Expr::value(tx.now()))
        .filter(authorized_email::Column::Id.is_in(open.iter().map(|row| row.id)))
        .exec(tx.db())
        .await?;
    let mut joined = Vec::new();
    for row in open {
        if members::find(tx.db(), row.team_id, user.id).await?.is_none() {
            joined.push(members::insert(tx, row.team_id, user.id, Access::of(&row), JoinMethod::Invitation).await?);
        }
    }
    Ok(joined)
}
