//! Who may sign in for a client: its portal switch and authorised addresses.

use std::collections::BTreeMap;

use entities::{
    authorized_email::{Column, Entity, Model},
    client,
    id::{AuthorizedEmailId, ClientId},
};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter};

use super::clients;
use crate::{
    Actor, Domain, ProblemCode, Result, Tx,
    access::require_staff,
    audit::{Action, Audit},
    error::Problems,
    rules::{
        policy::{Access, StaffRight},
        text,
    },
    tx::retrying,
};

/// Addresses that one client can have.
pub(crate) const MAX_EMAILS: usize = 100;

#[derive(Debug, Clone)]
pub struct SetPortalAccess {
    pub client: ClientId,
    pub enabled: bool,
    /// All of them: who is not listed is no longer authorised. `None`: a developer's access.
    pub emails: Vec<(String, Option<Access>)>,
}

/// Staff set a client's switch and authorised addresses. People who have joined the team stay in it.
pub async fn set(ctx: &Domain, actor: &Actor, cmd: SetPortalAccess) -> Result<client::Model> {
    require_staff(actor, StaffRight::Edit)?;
    let mut problems = Problems::default();
    let wanted: BTreeMap<_, _> = cmd
        .emails
        .iter()
        .enumerate()
        .filter_map(|(i, (email, access))| {
            let email = problems.take(text::email(&format!("authorizedEmails.{i}.email"), email))?;
            Some((email, access.unwrap_or(Access::DEVELOPER)))
        })
        .collect();
    if cmd.emails.len() > MAX_EMAILS {
        problems.add(ProblemCode::LimitReached, "authorizedEmails", format!("at most {MAX_EMAILS} addresses"));
    }
    problems.into_result()?;
    retrying(|| set_once(ctx, actor, &cmd, &wanted)).await
}

async fn set_once(
    ctx: &Domain,
    actor: &Actor,
    cmd: &SetPortalAccess,
    wanted: &BTreeMap<String, Access>,
) -> Result<client::Model> {
    let tx = Tx::begin(ctx).await?;
    let before = clients::load(tx.db(), cmd.client).await?;
    let listed = of_client(tx.db(), before.id).await?;
    let mut row = before.clone().into_active_model();
    row.portal_access = Set(cmd.enabled);
    let after = tx.update::<client::Entity>(row, client::Column::Version, before.version).await?;
    for old in listed.iter().filter(|old| wanted.get(&old.email) != Some(&Access::of(*old))) {
        Entity::delete_by_id(old.id).exec(tx.db()).await?;
    }
    for (email, access) in wanted {
        let old = listed.iter().find(|old| old.email == *email);
        if old.is_none_or(|old| Access::of(old) != *access) {
            insert(&tx, &after, email, *access, old).await?;
        }
    }
    let emails = |list: &[Model]| list.iter().map(|row| row.email.clone()).collect::<Vec<_>>();
    let entry = Audit::of(actor, Action::PortalAccessSet, after.id)
        .team(after.team_id)
        .change("portalAccess", before.portal_access, after.portal_access)
        .change("authorizedEmails", emails(&listed), wanted.keys().collect::<Vec<_>>());
    tx.commit(entry).await?;
    Ok(after)
}

/// Writes an authorised address; `old` is the row it replaces.
pub(crate) async fn insert(
    tx: &Tx<'_>,
    client: &client::Model,
    email: &str,
    access: Access,
    old: Option<&Model>,
) -> Result<Model> {
    tx.insert(Model {
        id: tx.ctx().env.id::<AuthorizedEmailId>(),
        team_id: client.team_id,
        client_id: client.id,
        email: email.to_owned(),
        access_team: access.team,
        access_credentials: access.credentials,
        access_billing: access.billing,
        invited_at: old.map_or(tx.now(), |old| old.invited_at),
        last_sign_in_at: old.and_then(|old| old.last_sign_in_at),
    })
    .await
}

pub(crate) async fn of_client(db: &impl ConnectionTrait, client: ClientId) -> Result<Vec<Model>> {
    let mut rows = Entity::find().filter(Column::ClientId.eq(client)).all(db).await?;
    rows.sort_by(|a, b| a.email.cmp(&b.email));
    Ok(rows)
}
