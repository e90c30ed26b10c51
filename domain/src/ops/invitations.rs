//! Invitations to a team: sent by mail, accepted by the mailed link or by who is signed in as the invited.

use chrono::TimeDelta;
use entities::{
    audit_event,
    enums::{InvitationStatus, JoinMethod},
    id::{InvitationId, TeamId, UserId},
    invitation, team, user,
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait, Select, sea_query::Expr,
};
use secrecy::ExposeSecret;

use crate::{
    Actor, Domain, DomainError, ProblemCode, Result, Tx,
    access::{held, require_member},
    audit::{Action, Audit},
    keyring::Purpose,
    ops::{
        members, onboarding_stages,
        sessions::NewSession,
        sign_in::{self, Brought},
        teams,
    },
    outbox::SendInvitation,
    read,
    rules::{
        invitation::{Sent, Step, left_of, link_signs_in, may_send, next, status_at},
        policy::{Access, MemberRight, manages_teams},
        team::may_give,
        text,
    },
    tx::retrying,
};

#[derive(Debug, Clone)]
pub struct InviteMember {
    pub team: TeamId,
    pub email: String,
    pub access: Access,
}

/// An invitation to be.
pub(crate) struct NewInvitation {
    pub team: TeamId,
    /// Checked, in lower case.
    pub email: String,
    pub access: Access,
    pub message: Option<String>,
}

/// A team joined, and the session that was opened on the way where nobody was signed in.
pub struct Accepted {
    /// `None` where that session has to prove a second factor first: the invitation waits.
    pub team: Option<team::Model>,
    pub session: Option<NewSession>,
}

pub async fn invite(ctx: &Domain, actor: &Actor, cmd: InviteMember) -> Result<invitation::Model> {
    require_member(&ctx.db, actor, cmd.team, MemberRight::ManageTeam).await?;
    let email = text::email("email", &cmd.email)?;
    let tx = Tx::begin(ctx).await?;
    // Before rights are looked at: who is put out at this moment gives nothing any more.
    tx.alone("members of", cmd.team).await?;
    require_member(tx.db(), actor, cmd.team, MemberRight::ManageTeam).await?;
    teams::in_use(tx.db(), cmd.team).await?;
    may_give(held(tx.db(), actor, cmd.team).await?, None, cmd.access)?;
    not_in_yet(&tx, cmd.team, &email).await?;
    may_send(sent(&tx, cmd.team, &email).await?)?;
    let new = NewInvitation { team: cmd.team, email, access: cmd.access, message: None };
    let row = insert(&tx, actor, new).await?;
    let entry = Audit::of(actor, Action::MemberInvited, row.id).team(row.team_id).set("email", &row.email);
    tx.commit(entry.access(None, Some(cmd.access))).await?;
    Ok(row)
}

async fn not_in_yet(tx: &Tx<'_>, team: TeamId, email: &str) -> Result<()> {
    if let Some(person) = user::Entity::by_email(email).one(tx.db()).await?
        && members::find(tx.db(), team, person.id).await?.is_some()
    {
        return Err(DomainError::refused(ProblemCode::AlreadyDone, "email", "this person is a member already"));
    }
    let waiting = invitation::Entity::for_team(team)
        .filter(invitation::Column::Email.eq(email))
        .filter(invitation::Column::Status.eq(InvitationStatus::Pending))
        .filter(invitation::Column::ExpiresAt.gt(tx.now()));
    if waiting.count(tx.db()).await? > 0 {
        let message = "an invitation to this address is waiting for an answer: send it again instead";
        return Err(DomainError::refused(ProblemCode::Taken, "email", message));
    }
    Ok(())
}

/// What was sent before an invitation that is new, or that was taken out of those that wait.
async fn sent(tx: &Tx<'_>, team: TeamId, email: &str) -> Result<Sent> {
    use audit_event::Column::{Action as Done, At, SubjectId};
    let to_address = invitation::Entity::find().filter(invitation::Column::Email.eq(email));
    let waiting = invitation::Entity::for_team(team)
        .filter(invitation::Column::Email.ne(email))
        .filter(invitation::Column::Status.eq(InvitationStatus::Pending))
        .filter(invitation::Column::ExpiresAt.gt(tx.now()));
    let mailed = |events: Select<audit_event::Entity>| {
        let sendings = [Action::MemberInvited, Action::InvitationResent].map(Action::as_str);
        events.filter(Done.is_in(sendings)).filter(At.gt(tx.now() - TimeDelta::days(1)))
    };
    let theirs = SubjectId.in_subquery(to_address.select_only().column(invitation::Column::Id).into_query());
    Ok(Sent {
        waiting: waiting.count(tx.db()).await?,
        of_team: mailed(audit_event::Entity::for_team(team)).count(tx.db()).await?,
        to_address: mailed(audit_event::Entity::find().filter(theirs)).count(tx.db()).await?,
    })
}

/// Writes an invitation and has it mailed.
pub(crate) async fn insert(tx: &Tx<'_>, actor: &Actor, new: NewInvitation) -> Result<invitation::Model> {
    onboarding_stages::invited(tx, new.team).await?;
    let row = invitation::Model {
        id: tx.ctx().env.id(),
        team_id: new.team,
        email: new.email,
        access_team: new.access.team,
        access_credentials: new.access.credentials,
        access_billing: new.access.billing,
        invited_by: actor.user_id(),
        message: new.message,
        status: InvitationStatus::Pending,
        generation: 1,
        created_at: tx.now(),
        sent_at: tx.now(),
        link_used_at: None,
        expires_at: tx.now() + life(tx).await?,
        accepted_at: None,
    };
    invitation::Entity::insert(invitation::ActiveModel::from(row.clone())).exec_without_returning(tx.db()).await?;
    tx.enqueue(SendInvitation { invitation: row.id, generation: row.generation }).await?;
    Ok(row)
}

async fn life(tx: &Tx<'_>) -> Result<TimeDelta> {
    Ok(TimeDelta::days(crate::read::portal::load_from(tx.db()).await?.invitation_days.into()))
}

/// Mails an invitation again, with its full life; the link that was mailed before is dead. Who holds what it gives answers for it
/// from then on; else who gave it does still.
pub async fn resend(ctx: &Domain, actor: &Actor, id: InvitationId) -> Result<invitation::Model> {
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        let before = managed(tx.db(), actor, id).await?;
        teams::in_use(tx.db(), before.team_id).await?;
        let status = next(status_at(before.status, before.expires_at, tx.now()), Step::Resend)?;
        tx.alone("members of", before.team_id).await?;
        let given = Access::of(&before);
        let own = may_give(held(tx.db(), actor, before.team_id).await?, None, given).is_ok();
        let giver = if own { actor.user_id() } else { before.invited_by };
        if left_of(given, holding(&tx, before.team_id, giver).await?).is_none() {
            let say = "who gave the invitation can give it no longer: invite anew";
            return Err(DomainError::refused(ProblemCode::WrongState, "invitationId", say));
        }
        may_send(sent(&tx, before.team_id, &before.email).await?)?;
        let row = invitation::ActiveModel {
            id: Set(id),
            status: Set(status),
            invited_by: Set(giver),
            sent_at: Set(tx.now()),
            link_used_at: Set(None),
            expires_at: Set(tx.now() + life(&tx).await?),
            ..Default::default()
        };
        let after = tx.update::<invitation::Entity>(row, invitation::Column::Generation, before.generation).await?;
        tx.enqueue(SendInvitation { invitation: id, generation: after.generation }).await?;
        let entry = Audit::of(actor, Action::InvitationResent, id).team(after.team_id);
        let entry = entry.change("expiresAt", before.expires_at, after.expires_at);
        tx.commit(entry.change("invitedBy", before.invited_by, after.invited_by)).await?;
        Ok(after)
    })
    .await
}

pub async fn revoke(ctx: &Domain, actor: &Actor, id: InvitationId) -> Result<invitation::Model> {
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        let before = managed(tx.db(), actor, id).await?;
        let status = next(status_at(before.status, before.expires_at, tx.now()), Step::Revoke)?;
        let after = step(&tx, &before, invitation::ActiveModel { status: Set(status), ..Default::default() }).await?;
        let entry = Audit::of(actor, Action::InvitationRevoked, id).team(after.team_id);
        tx.commit(entry.change("status", before.status, after.status)).await?;
        Ok(after)
    })
    .await
}

/// An invitation that the actor may manage; for who does not belong to its team it does not exist.
async fn managed(db: &impl ConnectionTrait, actor: &Actor, id: InvitationId) -> Result<invitation::Model> {
    let row = invitation::Entity::find_by_id(id).one(db).await?.ok_or(DomainError::NotFound("invitation"))?;
    match require_member(db, actor, row.team_id, MemberRight::ManageTeam).await {
        Err(DomainError::NotFound(_)) => Err(DomainError::NotFound("invitation")),
        other => other.map(|()| row),
    }
}

/// Changes an invitation that still is what it was when it was read; else `Conflict`.
async fn step(tx: &Tx<'_>, before: &invitation::Model, mut change: invitation::ActiveModel) -> Result<invitation::Model> {
    change.id = Set(before.id);
    Ok(invitation::Entity::update(change)
        .validate()?
        .filter(invitation::Column::Status.eq(before.status))
        .filter(invitation::Column::Generation.eq(before.generation))
        .exec(tx.db())
        .await?)
}

/// Accepts by the mailed token. Who is signed in must be the invited; where nobody is, the link itself signs in, once and for
/// a short time. After that: `Unauthenticated`, or `SecondFactorRequired` in a session that has to prove one.
pub async fn accept(ctx: &Domain, actor: &Actor, token: &str) -> Result<Accepted> {
    let row = waiting(ctx, actor, token).await?;
    if actor.user_id().is_some() {
        return Ok(Accepted { team: Some(accept_by_id(ctx, actor, row.id).await?), session: None });
    }
    let opened = retrying(async || sign_in_by_link(ctx, actor, &row).await).await?;
    let session = opened.ok_or_else(|| actor.signed_in().err().unwrap_or(DomainError::Unauthenticated))?;
    if session.is_unproven() {
        return Ok(Accepted { team: None, session: Some(session) });
    }
    let team = match accept_by_id(ctx, &session.actor(actor), row.id).await {
        // A member by another way: the session stands.
        Err(DomainError::Refused(_)) if members::find(&ctx.db, row.team_id, session.user.id).await?.is_some() => {
            teams::find(&ctx.db, row.team_id).await?
        }
        other => other?,
    };
    Ok(Accepted { team: Some(team), session: Some(session) })
}

/// The invitation that a token is for, if it can be accepted; what cannot is a failed sign-in, where nobody is signed in.
async fn waiting(ctx: &Domain, actor: &Actor, token: &str) -> Result<invitation::Model> {
    let (id, reason, brought, problem) = match read::invitations::by_token(ctx, token).await? {
        Ok(row) => match next(status_at(row.status, row.expires_at, ctx.now()), Step::Accept) {
            Ok(_) => return Ok(row),
            Err(problem) => (row.id, "invitation_over", Brought::Ours, problem),
        },
        Err((id, refusal)) => (id, refusal.as_str(), Brought::of(refusal), refusal.problem()),
    };
    match actor.user_id() {
        Some(_) => Err(problem.into()),
        None => {
            let entry = Audit::of(actor, Action::SignInFailed, id).set("reason", reason);
            Err(sign_in::failed(ctx, actor, entry, (brought, problem)).await?)
        }
    }
}

/// `None` once the link is too old or has signed somebody in, and where the invited sign in by an identity provider alone.
async fn sign_in_by_link(ctx: &Domain, actor: &Actor, row: &invitation::Model) -> Result<Option<NewSession>> {
    let tx = Tx::begin(ctx).await?;
    let minutes = crate::read::portal::load_from(tx.db()).await?.magic_link_minutes;
    if !link_signs_in(row.sent_at, row.link_used_at, minutes, tx.now()) {
        return Ok(None);
    }
    if crate::read::sso::only_way(ctx, tx.db(), &row.email).await?.is_some() {
        return Ok(None);
    }
    let used = invitation::Entity::update_many()
        .col_expr(invitation::Column::LinkUsedAt, Expr::value(tx.now()))
        .filter(invitation::Column::Id.eq(row.id))
        .filter(invitation::Column::Generation.eq(row.generation))
        .filter(invitation::Column::Status.eq(InvitationStatus::Pending))
        .filter(invitation::Column::LinkUsedAt.is_null())
        .exec(tx.db())
        .await?;
    if used.rows_affected == 0 {
        return Ok(None);
    }
    let opened = sign_in::open(&tx, actor, &row.email).await?;
    let by = opened.session.actor(actor);
    tx.commit_all(opened.events(&by, |signed_in| signed_in.team(row.team_id).set("invitation", row.id))).await?;
    Ok(Some(opened.session))
}

/// What who gave an invitation holds in its team by now, as a member or by a role that looks after teams.
async fn holding(tx: &Tx<'_>, team: TeamId, giver: Option<UserId>) -> Result<Option<Access>> {
    // The program itself.
    let Some(giver) = giver else { return Ok(Some(Access::FULL)) };
    let person = user::Entity::find_by_id(giver).one(tx.db()).await?;
    if person.is_some_and(|person| manages_teams(person.staff_role)) {
        return Ok(Some(Access::FULL));
    }
    Ok(members::find(tx.db(), team, giver).await?.map(|member| Access::of(&member)))
}

/// What became of invitations that somebody has given, as they hold less or nothing any more.
#[derive(Debug, Default)]
pub(crate) struct Recalled {
    withdrawn: Vec<InvitationId>,
    reduced: Vec<InvitationId>,
}

impl Recalled {
    pub fn noted(self, entry: Audit) -> Audit {
        let note = |entry: Audit, key, ids: Vec<InvitationId>| if ids.is_empty() { entry } else { entry.set(key, ids) };
        note(note(entry, "invitationsWithdrawn", self.withdrawn), "invitationsReduced", self.reduced)
    }
}

/// Withdraws or reduces what somebody has given, and nobody has accepted yet, to what they hold by now: in one team, or in all.
pub(crate) async fn recall(tx: &Tx<'_>, giver: UserId, team: Option<TeamId>) -> Result<Recalled> {
    let mut given = invitation::Entity::find()
        .filter(invitation::Column::InvitedBy.eq(giver))
        .filter(invitation::Column::Status.eq(InvitationStatus::Pending))
        .order_by_asc(invitation::Column::TeamId);
    if let Some(team) = team {
        given = given.filter(invitation::Column::TeamId.eq(team));
    }
    let mut recalled = Recalled::default();
    for row in given.all(tx.db()).await? {
        tx.alone("members of", row.team_id).await?;
        let given = Access::of(&row);
        let (ids, change) = match left_of(given, holding(tx, row.team_id, Some(giver)).await?) {
            Some(left) if left == given => continue,
            Some(left) => {
                let change = invitation::ActiveModel {
                    access_team: Set(left.team),
                    access_credentials: Set(left.credentials),
                    access_billing: Set(left.billing),
                    ..Default::default()
                };
                (&mut recalled.reduced, change)
            }
            None => {
                let status = Set(InvitationStatus::Revoked);
                (&mut recalled.withdrawn, invitation::ActiveModel { status, ..Default::default() })
            }
        };
        step(tx, &row, change).await?;
        ids.push(row.id);
    }
    Ok(recalled)
}

/// Accepts as who is signed in, who must be the invited: the lower of what was given and what the giver holds by now.
pub(crate) async fn accept_by_id(ctx: &Domain, actor: &Actor, id: InvitationId) -> Result<team::Model> {
    let user = actor.signed_in()?;
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        let person = user::Entity::find_by_id(user).one(tx.db()).await?.ok_or(DomainError::Unauthenticated)?;
        let before = found(&tx, id).await?;
        if before.email != person.email {
            let message = "the invitation is for another address: sign in with that one to accept it";
            return Err(DomainError::refused(ProblemCode::Invalid, "token", message));
        }
        // Whoever gave it is not put out, nor given less, while it is accepted.
        tx.alone("members of", before.team_id).await?;
        let before = found(&tx, id).await?;
        let status = next(status_at(before.status, before.expires_at, tx.now()), Step::Accept)?;
        if members::find(tx.db(), before.team_id, user).await?.is_some() {
            return Err(DomainError::refused(ProblemCode::AlreadyDone, "token", "you are a member of this team already"));
        }
        let Some(access) = left_of(Access::of(&before), holding(&tx, before.team_id, before.invited_by).await?) else {
            let say = "who gave the invitation can give it no longer: ask the team for a new one";
            return Err(DomainError::refused(ProblemCode::WrongState, "token", say));
        };
        let change = invitation::ActiveModel { status: Set(status), accepted_at: Set(Some(tx.now())), ..Default::default() };
        let after = step(&tx, &before, change).await?;
        let member = members::insert(&tx, after.team_id, user, access, JoinMethod::Invitation).await?;
        let team = teams::find(tx.db(), after.team_id).await?;
        let entry = Audit::of(actor, Action::InvitationAccepted, id)
            .team(team.id)
            .change("status", before.status, after.status)
            .set("member", member.id);
        tx.commit(entry.access(None, Some(access))).await?;
        Ok(team)
    })
    .await
}

async fn found(tx: &Tx<'_>, id: InvitationId) -> Result<invitation::Model> {
    invitation::Entity::find_by_id(id).one(tx.db()).await?.ok_or(DomainError::NotFound("invitation"))
}

/// Where the page of an invitation is, with the token that its latest mail has.
pub(crate) async fn path(ctx: &Domain, id: InvitationId) -> Result<Option<String>> {
    let Some(row) = invitation::Entity::find_by_id(id).one(&ctx.db).await? else { return Ok(None) };
    let token = ctx.keys.link_token(Purpose::Invitation, id, row.generation);
    Ok(Some(format!("/auth/invitation?token={}", token.expose_secret())))
}

/// Mails a sign-in link to the invited address, for a link that no longer signs in itself; using it accepts too. Answers with
/// the address.
pub async fn mail_link(ctx: &Domain, actor: &Actor, token: &str) -> Result<String> {
    let row = waiting(ctx, actor, token).await?;
    sign_in::request(ctx, actor, &row.email, None, Some(row.id)).await?;
    Ok(row.email)
}
