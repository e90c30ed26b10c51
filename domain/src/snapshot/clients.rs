//! Clients with all that belongs to them, and what their teams hold: read all at once, or some.

use std::sync::Arc;

use entities::{
    assignment, client,
    columns::Strings,
    credential, credential_secret,
    id::{ClientId, CredentialId, PolicyId, ProductId, ProfileId, SubscriptionId, TeamId, TierId},
    profile, scope_grant, subscription, team,
};
use sea_orm::{
    ConnectionTrait, DbErr, TryGetable,
    sea_query::{Expr, ExprTrait, IntoColumnRef, Query, SelectStatement},
};

use super::rows::{self, Columns, Interner, group};
use crate::rules::{
    credential::Lookup,
    method::Methods,
    view::{Allowlist, Client, Credential, Moment, Profile, Secret, Subscription, Team},
};

/// Which of them to read.
#[derive(Clone, Copy)]
pub(super) enum Which<'a, T> {
    All,
    Only(&'a [T]),
}

impl<T: Copy + Into<sea_orm::Value>> Which<'_, T> {
    fn limit(self, query: &mut SelectStatement, column: impl IntoColumnRef) {
        if let Self::Only(ids) = self {
            query.and_where(Expr::col(column).is_in(ids.iter().map(|id| Expr::val(*id))));
        }
    }
}

/// What belongs to clients, apart: several tables can be read at once.
#[derive(Default)]
pub(super) struct Parts {
    pub clients: Vec<(ClientId, ClientRow)>,
    pub profiles: Vec<(ClientId, Profile)>,
    pub credentials: Vec<(ClientId, CredentialRow)>,
    pub secrets: Vec<(CredentialId, Secret)>,
    pub grants: Vec<(SubscriptionId, String)>,
    pub assignments: Vec<(ClientId, ProductId)>,
}

pub(super) struct ClientRow {
    team: TeamId,
    enabled: bool,
    policy: Option<PolicyId>,
    subscription: Option<(SubscriptionId, Subscription)>,
}

/// A credential before it is known where its profile and its secrets are.
pub(super) struct CredentialRow {
    profile: ProfileId,
    credential: Credential,
}

impl Parts {
    /// Everything of some clients, one table after the other: in a transaction, of one moment.
    pub async fn read(db: &impl ConnectionTrait, ids: &[ClientId]) -> Result<Self, DbErr> {
        let which = Which::Only(ids);
        Ok(Self {
            clients: clients(db, which).await?,
            profiles: profiles(db, which).await?,
            credentials: credentials(db, which).await?,
            secrets: secrets(db, which).await?,
            grants: grants(db, which).await?,
            assignments: assignments(db, which).await?,
        })
    }

    /// Puts together what belongs together.
    pub fn assemble(mut self, shared: &mut Interner) -> Vec<Arc<Client>> {
        self.clients.sort_unstable_by_key(|(id, _)| *id);
        self.profiles.sort_unstable_by_key(|(client, profile)| (*client, profile.id));
        self.credentials.sort_unstable_by_key(|(client, row)| (*client, row.credential.id));
        self.secrets.sort_unstable_by_key(|(credential, secret)| (*credential, secret.id));
        self.grants.sort_unstable();
        self.assignments.sort_unstable();
        let clients = std::mem::take(&mut self.clients);
        clients.into_iter().map(|(id, row)| Arc::new(self.client(id, row, shared))).collect()
    }

    fn client(&self, id: ClientId, row: ClientRow, shared: &mut Interner) -> Client {
        let profiles: Box<[Profile]> = group(&self.profiles, &id).iter().map(|(_, profile)| profile.clone()).collect();
        let credentials = group(&self.credentials, &id).iter().filter_map(|(_, row)| {
            let profile = profiles.iter().position(|p| p.id == row.profile)?;
            let secrets = group(&self.secrets, &row.credential.id).iter().map(|(_, secret)| secret.clone()).collect();
            Some(Credential { profile: u16::try_from(profile).ok()?, secrets, ..row.credential.clone() })
        });
        let credentials = credentials.collect();
        let (subscribed, subscription) = row.subscription.unzip();
        let grants = subscribed.map(|id| group(&self.grants, &id)).unwrap_or_default();
        Client {
            id,
            team: row.team,
            enabled: row.enabled,
            policy: row.policy,
            products: group(&self.assignments, &id).iter().map(|(_, product)| *product).collect(),
            grants: shared.scopes(grants.iter().map(|(_, scope)| scope.clone()).collect()),
            subscription,
            profiles,
            credentials,
        }
    }
}

pub(super) async fn clients(db: &impl ConnectionTrait, which: Which<'_, ClientId>) -> Result<Vec<(ClientId, ClientRow)>, DbErr> {
    use client::Column as C;
    use subscription::Column as S;
    let (c, s) = (client::Entity, subscription::Entity);
    let mut query = Query::select();
    query
        .columns([C::Id, C::TeamId, C::Enabled, C::PolicyId].map(|column| (c, column)))
        .columns([S::Id, S::PlanId, S::ProductId, S::Status, S::Phase, S::ExpiresAt].map(|column| (s, column)))
        .from(c)
        .left_join(s, Expr::col((s, S::Id)).equals((c, C::SubscriptionId)));
    which.limit(&mut query, (c, C::Id));
    rows::all(db, query, (c, C::Id), |row| {
        let id = row.take()?;
        let (team, enabled, policy) = (row.take()?, row.take()?, row.take()?);
        let subscription = match row.take::<Option<SubscriptionId>>()? {
            Some(id) => Some((id, subscribed(row)?)),
            None => None,
        };
        Ok((id, ClientRow { team, enabled, policy, subscription }))
    })
    .await
}

fn subscribed(row: &mut Columns<'_>) -> Result<Subscription, DbErr> {
    let (plan, product, status, phase) = (row.take()?, row.take()?, row.take()?, row.take()?);
    Ok(Subscription { plan, product, status, phase, expires_at: end(row)? })
}

fn end(row: &mut Columns<'_>) -> Result<Moment, DbErr> {
    Ok(Moment::end(row.take()?))
}

pub(super) async fn profiles(db: &impl ConnectionTrait, which: Which<'_, ClientId>) -> Result<Vec<(ClientId, Profile)>, DbErr> {
    use profile::Column as P;
    let mut query = Query::select();
    query
        .columns([
            P::ClientId,
            P::Id,
            P::Name,
            P::Environment,
            P::AuthMethod,
            P::Enabled,
            P::AllowedMethods,
            P::IpAllowlist,
            P::PolicyId,
        ])
        .from(profile::Entity);
    which.limit(&mut query, P::ClientId);
    let mut shared = Interner::default();
    rows::all(db, query, P::Id, |row| {
        let client = row.take()?;
        let (id, name) = (row.take()?, shared.name(row.take()?));
        let (environment, auth_method, enabled) = (row.take()?, row.take()?, row.take()?);
        let methods = Methods::allowed(list(row)?);
        let (allowlist, policy) = (allowlist(&list(row)?), row.take()?);
        Ok((client, Profile { id, name, environment, auth_method, enabled, methods, allowlist, policy }))
    })
    .await
}

fn list(row: &mut Columns<'_>) -> Result<Vec<String>, DbErr> {
    Ok(row.take::<Strings>()?.0)
}

fn allowlist(ranges: &[String]) -> Allowlist {
    if ranges.is_empty() {
        return Allowlist::Anywhere;
    }
    let net = |text: &String| text.parse().or_else(|_| text.parse::<std::net::IpAddr>().map(Into::into)).ok();
    Allowlist::Only(ranges.iter().filter_map(net).collect())
}

pub(super) async fn credentials(
    db: &impl ConnectionTrait,
    which: Which<'_, ClientId>,
) -> Result<Vec<(ClientId, CredentialRow)>, DbErr> {
    use credential::Column as C;
    let mut query = Query::select();
    query
        .columns([C::ClientId, C::ProfileId, C::Id, C::Kind, C::Environment, C::Status, C::ExpiresAt, C::Scopes])
        .from(credential::Entity);
    which.limit(&mut query, C::ClientId);
    let mut shared = Interner::default();
    rows::all(db, query, C::Id, |row| {
        let (client, profile) = (row.take()?, row.take()?);
        let (id, kind, environment, status) = (row.take()?, row.take()?, row.take()?, row.take()?);
        let expires_at = end(row)?;
        let scopes = optional::<Strings>(row)?.map(|scopes| shared.scopes(scopes.0));
        let credential = Credential { id, profile: 0, kind, environment, status, expires_at, scopes, secrets: Box::default() };
        Ok((client, CredentialRow { profile, credential }))
    })
    .await
}

fn optional<T: TryGetable>(row: &mut Columns<'_>) -> Result<Option<T>, DbErr> {
    row.take()
}

pub(super) async fn secrets(db: &impl ConnectionTrait, which: Which<'_, ClientId>) -> Result<Vec<(CredentialId, Secret)>, DbErr> {
    use credential_secret::Column as S;
    let mut query = Query::select();
    query.columns([S::CredentialId, S::Id, S::Lookup, S::Hash, S::ValidFrom, S::ValidUntil]).from(credential_secret::Entity);
    if let Which::Only(_) = which {
        let mut theirs = Query::select();
        theirs.column(credential::Column::Id).from(credential::Entity);
        which.limit(&mut theirs, credential::Column::ClientId);
        query.and_where(Expr::col(S::CredentialId).in_subquery(theirs));
    }
    let found = rows::all(db, query, S::Id, |row| {
        let (credential, id) = (row.take()?, row.take()?);
        let lookup = row.take::<Option<String>>()?.as_deref().and_then(Lookup::parse);
        let hash: [u8; 32] = match row.take::<Vec<u8>>()?.try_into() {
            Ok(hash) => hash,
            // No presented secret has such a hash: it is kept out.
            Err(_) => return Ok(None),
        };
        let valid_from = row.take::<chrono::DateTime<chrono::Utc>>()?.into();
        Ok(Some((credential, Secret { id, lookup, hash, valid_from, valid_until: end(row)? })))
    });
    Ok(found.await?.into_iter().flatten().collect())
}

pub(super) async fn grants(
    db: &impl ConnectionTrait,
    which: Which<'_, ClientId>,
) -> Result<Vec<(SubscriptionId, String)>, DbErr> {
    use scope_grant::Column as G;
    let mut query = Query::select();
    query.columns([G::SubscriptionId, G::Scope]).from(scope_grant::Entity);
    if let Which::Only(_) = which {
        let mut theirs = Query::select();
        theirs.column(client::Column::SubscriptionId).from(client::Entity);
        which.limit(&mut theirs, client::Column::Id);
        query.and_where(Expr::col(G::SubscriptionId).in_subquery(theirs));
    }
    rows::all(db, query, G::Id, |row| Ok((row.take()?, row.take()?))).await
}

pub(super) async fn assignments(
    db: &impl ConnectionTrait,
    which: Which<'_, ClientId>,
) -> Result<Vec<(ClientId, ProductId)>, DbErr> {
    use assignment::Column as A;
    let mut query = Query::select();
    query.columns([A::ClientId, A::ProductId]).from(assignment::Entity).and_where(Expr::col(A::ClientId).is_not_null());
    which.limit(&mut query, A::ClientId);
    rows::all(db, query, A::Id, |row| Ok((row.take()?, row.take()?))).await
}

/// What teams hold; those that hold nothing and have no tier are left out.
pub(super) async fn teams(db: &impl ConnectionTrait, which: Which<'_, TeamId>) -> Result<Vec<(TeamId, Arc<Team>)>, DbErr> {
    use assignment::Column as A;
    let mut tiers = Query::select();
    tiers
        .columns([team::Column::Id, team::Column::TierId])
        .from(team::Entity)
        .and_where(Expr::col(team::Column::TierId).is_not_null());
    which.limit(&mut tiers, team::Column::Id);
    let mut tiers = rows::all(db, tiers, team::Column::Id, |row| Ok((row.take::<TeamId>()?, row.take::<TierId>()?))).await?;
    let mut assigned = Query::select();
    assigned.columns([A::TeamId, A::ProductId]).from(assignment::Entity).and_where(Expr::col(A::TeamId).is_not_null());
    which.limit(&mut assigned, A::TeamId);
    let mut assigned = rows::all(db, assigned, A::Id, |row| Ok((row.take::<TeamId>()?, row.take::<ProductId>()?))).await?;
    tiers.sort_unstable();
    assigned.sort_unstable();
    let mut ids: Vec<TeamId> = tiers.iter().map(|(id, _)| *id).chain(assigned.iter().map(|(id, _)| *id)).collect();
    ids.sort_unstable();
    ids.dedup();
    let team = |id: TeamId| {
        let tier = group(&tiers, &id).first().map(|(_, tier)| *tier);
        (id, Arc::new(Team { tier, products: group(&assigned, &id).iter().map(|(_, product)| *product).collect() }))
    };
    Ok(ids.into_iter().map(team).collect())
}
