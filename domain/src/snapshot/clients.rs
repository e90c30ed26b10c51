//! Clients with all that belongs to them, and what their teams hold: read all at once, or some.

use std::{sync::Arc, thread};

use chrono::{DateTime, Utc};
use entities::{
    assignment, client,
    columns::{PlanScopes, Strings},
    credential, credential_secret,
    enums::{AuthMethod, Environment, LeakedKeyAction},
    id::{ClientId, CredentialId, CredentialSecretId, PlanId, PolicyId, ProfileId, SubscriptionId, TeamId, TierId, TokenId},
    leak, plan, profile, revoked_token, scope_grant, subscription, team,
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect,
    sea_query::{Expr, ExprTrait, IntoColumnRef, Query, SelectStatement},
};

use super::rows::{self, Columns, Interner, Reading, group};
use crate::{
    keyring::{Keyring, Purpose},
    rules::{
        credential::Lookup,
        jose::KeySet,
        key_source::KeySource,
        method::Methods,
        view::{Allowlist, Assigned, Client, Credential, Moment, Outside, Profile, Proof, Scopes, Secret, Subscription, Team},
    },
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

/// Fewer clients than this are not worth a thread.
const SHARE: usize = 10_000;

/// What belongs to clients, apart: several tables can be read at once.
#[derive(Default)]
pub(super) struct Parts {
    pub clients: Vec<(ClientId, ClientRow)>,
    pub profiles: Vec<(ClientId, Profile)>,
    pub credentials: Vec<(ClientId, CredentialRow)>,
    pub secrets: Vec<(CredentialId, Secret)>,
    pub grants: Vec<(SubscriptionId, String)>,
    pub elsewhere: Vec<(PlanId, (Environment, String))>,
    pub assignments: Vec<(ClientId, Assigned)>,
    pub proofs: Vec<(CredentialSecretId, Proof)>,
    pub revoked_tokens: Vec<(ClientId, TokenId)>,
    pub narrowed: Vec<(ClientId, (CredentialSecretId, Vec<String>))>,
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
    pub async fn read(db: &impl ConnectionTrait, keyring: &Keyring, ids: &[ClientId]) -> Result<Self, DbErr> {
        let which = Which::Only(ids);
        Ok(Self {
            clients: clients(db, which).await?,
            profiles: profiles(db, which).await?,
            credentials: credentials(db, which).await?,
            secrets: secrets(db, which).await?,
            grants: grants(db, which).await?,
            elsewhere: elsewhere(db, which).await?,
            assignments: assignments(db, which).await?,
            proofs: proofs(db, keyring, which).await?,
            revoked_tokens: revoked_tokens(db, which).await?,
            narrowed: narrowed(db, which).await?,
        })
    }

    /// Puts together what belongs together, on all cores where it is much.
    pub fn assemble(mut self, shared: &mut Interner) -> Vec<Arc<Client>> {
        self.sort();
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let share = self.clients.len().div_ceil(cores).max(SHARE);
        let mut shares = self.clients.chunks(share);
        let first = shares.next().unwrap_or_default();
        let clients = |rows: &[(ClientId, ClientRow)], shared: &mut Interner| -> Vec<Arc<Client>> {
            rows.iter().map(|(id, row)| Arc::new(self.client(*id, row, shared))).collect()
        };
        thread::scope(|scope| {
            let others: Vec<_> = shares.map(|rows| scope.spawn(move || clients(rows, &mut Interner::default()))).collect();
            let mut all = clients(first, shared);
            for other in others {
                all.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            all
        })
    }

    fn sort(&mut self) {
        let Self { clients, profiles, credentials, secrets, grants, elsewhere, assignments, proofs, revoked_tokens, narrowed } =
            self;
        thread::scope(|scope| {
            if credentials.len() > SHARE {
                scope.spawn(|| sort_credentials(credentials, secrets));
            } else {
                sort_credentials(credentials, secrets);
            }
            clients.sort_unstable_by_key(|(id, _)| *id);
            profiles.sort_unstable_by_key(|(client, profile)| (*client, profile.id));
            grants.sort_unstable();
            elsewhere.sort_unstable();
            assignments.sort_unstable();
            proofs.sort_unstable_by_key(|(secret, _)| *secret);
            revoked_tokens.sort_unstable();
            narrowed.sort_unstable();
        });
    }

    fn client(&self, id: ClientId, row: &ClientRow, shared: &mut Interner) -> Client {
        let profiles: Box<[Profile]> = group(&self.profiles, &id).iter().map(|(_, profile)| profile.clone()).collect();
        let credentials = group(&self.credentials, &id).iter().filter_map(|(_, row)| {
            let profile = profiles.iter().position(|p| p.id == row.profile)?;
            let secrets = group(&self.secrets, &row.credential.id).iter();
            let secrets = secrets.map(|(_, secret)| Secret { proof: self.proof(secret.id), ..secret.clone() }).collect();
            Some(Credential { profile: u16::try_from(profile).ok()?, secrets, ..row.credential.clone() })
        });
        let credentials = credentials.collect();
        let (subscribed, subscription) = row.subscription.unzip();
        let narrowed = group(&self.narrowed, &id);
        Client {
            id,
            team: row.team,
            enabled: row.enabled,
            policy: row.policy,
            products: group(&self.assignments, &id).iter().map(|(_, assigned)| assigned.clone()).collect(),
            grants: self.grants_of(subscribed, subscription.map(|held| held.plan), shared),
            subscription,
            profiles,
            credentials,
            revoked_tokens: group(&self.revoked_tokens, &id).iter().map(|(_, token)| *token).collect(),
            narrowed: narrowed.iter().map(|(_, (secret, left))| (*secret, shared.scopes(left.clone()))).collect(),
        }
    }

    /// What a subscription was granted, by the environments that its plan names for each scope.
    fn grants_of(&self, subscribed: Option<SubscriptionId>, plan: Option<PlanId>, shared: &mut Interner) -> [Scopes; 2] {
        let granted = subscribed.map(|id| group(&self.grants, &id)).unwrap_or_default();
        let elsewhere = plan.map(|id| group(&self.elsewhere, &id)).unwrap_or_default();
        let mut of = |here: Option<Environment>| {
            let gone = |scope: &&String| elsewhere.iter().any(|(_, (of, gone))| Some(*of) == here && gone == *scope);
            let left = granted.iter().map(|(_, scope)| scope).filter(|scope| !gone(scope));
            shared.scopes(left.cloned().collect())
        };
        if elsewhere.is_empty() {
            let all = of(None);
            return [all.clone(), all];
        }
        Environment::ALL.map(|environment| of(Some(environment)))
    }

    fn proof(&self, secret: CredentialSecretId) -> Option<Box<Proof>> {
        let at = self.proofs.binary_search_by_key(&secret, |(id, _)| *id).ok()?;
        Some(Box::new(self.proofs[at].1.clone()))
    }
}

fn sort_credentials(credentials: &mut [(ClientId, CredentialRow)], secrets: &mut [(CredentialId, Secret)]) {
    credentials.sort_unstable_by_key(|(client, row)| (*client, row.credential.id));
    secrets.sort_unstable_by_key(|(credential, secret)| (*credential, secret.id));
}

pub(super) async fn clients(db: &impl ConnectionTrait, which: Which<'_, ClientId>) -> Result<Vec<(ClientId, ClientRow)>, DbErr> {
    use client::Column as C;
    use subscription::Column as S;
    let (c, s) = (client::Entity, subscription::Entity);
    let mut reading = Reading::of(db)
        .ids([C::Id, C::TeamId, C::PolicyId].map(|column| (c, column)))
        .flags([(c, C::Enabled)])
        .ids([S::Id, S::PlanId, S::ProductId].map(|column| (s, column)))
        .texts([S::Status, S::Phase].map(|column| (s, column)))
        .flags([(s, S::AwaitsPayment)])
        .times([S::CancelAt, S::ExpiresAt].map(|column| (s, column)));
    reading.select.from(c).left_join(s, Expr::col((s, S::Id)).equals((c, C::SubscriptionId)));
    which.limit(&mut reading.select, (c, C::Id));
    rows::all(db, reading, (c, C::Id), |row| {
        let id = row.take()?;
        let (team, policy, enabled) = (row.take()?, row.take()?, row.take()?);
        let held = (row.take::<Option<_>>()?, row.take::<Option<_>>()?, row.take::<Option<_>>()?, row.take::<Option<_>>()?);
        let (phase, awaits_payment) = (row.take()?, row.take::<Option<_>>()?);
        let (cancel_at, expires_at) = (end(row)?, end(row)?);
        // The joined table's columns are null where there is no subscription, and only there.
        let subscription = match held {
            (Some(id), Some(plan), Some(product), Some(status)) => {
                let awaits_payment = awaits_payment.unwrap_or_default();
                Some((id, Subscription { plan, product, status, phase, awaits_payment, cancel_at, expires_at }))
            }
            _ => None,
        };
        Some((id, ClientRow { team, enabled, policy, subscription }))
    })
    .await
}

fn end(row: &mut Columns<'_>) -> Option<Moment> {
    row.take().map(Moment::end)
}

pub(super) async fn profiles(db: &impl ConnectionTrait, which: Which<'_, ClientId>) -> Result<Vec<(ClientId, Profile)>, DbErr> {
    use profile::Column as P;
    let mut reading = Reading::of(db)
        .ids([P::ClientId, P::Id, P::PolicyId])
        .texts([P::Name, P::Environment, P::AuthMethod])
        .flags([P::Enabled])
        .texts([P::AllowedMethods, P::IpAllowlist, P::Issuer, P::Audience]);
    reading.select.from(profile::Entity);
    which.limit(&mut reading.select, P::ClientId);
    let mut shared = Interner::default();
    rows::all(db, reading, P::Id, |row| {
        let client = row.take()?;
        let (id, policy, name) = (row.take()?, row.take()?, shared.name(row.take()?));
        let (environment, auth_method, enabled) = (row.take()?, row.take()?, row.take()?);
        let methods = Methods::allowed(list(row)?);
        let allowlist = allowlist(&list(row)?);
        let (issuer, audience) = (row.take::<Option<String>>()?, row.take::<Option<String>>()?);
        let outside = issuer.zip(audience).map(|(issuer, audience)| shared.outside(Outside { issuer, audience }));
        Some((client, Profile { id, name, environment, auth_method, enabled, methods, allowlist, policy, outside }))
    })
    .await
}

fn list(row: &mut Columns<'_>) -> Option<Vec<String>> {
    row.take::<Strings>().map(|list| list.0)
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
    let mut reading = Reading::of(db)
        .ids([C::ClientId, C::ProfileId, C::Id])
        .texts([C::Kind, C::Environment, C::Status])
        .times([C::ExpiresAt])
        .texts([C::Scopes]);
    reading.select.from(credential::Entity);
    which.limit(&mut reading.select, C::ClientId);
    let mut shared = Interner::default();
    rows::all(db, reading, C::Id, |row| {
        let (client, profile) = (row.take()?, row.take()?);
        let (id, kind, environment, status) = (row.take()?, row.take()?, row.take()?, row.take()?);
        let expires_at = end(row)?;
        let scopes = row.take::<Option<Strings>>()?.map(|scopes| shared.scopes(scopes.0));
        let credential = Credential { id, profile: 0, kind, environment, status, expires_at, scopes, secrets: Box::default() };
        Some((client, CredentialRow { profile, credential }))
    })
    .await
}

pub(super) async fn secrets(db: &impl ConnectionTrait, which: Which<'_, ClientId>) -> Result<Vec<(CredentialId, Secret)>, DbErr> {
    use credential_secret::Column as S;
    let mut reading =
        Reading::of(db).ids([S::CredentialId, S::Id]).texts([S::Lookup]).bytes([S::Hash]).times([S::ValidFrom, S::ValidUntil]);
    reading.select.from(credential_secret::Entity);
    if let Which::Only(_) = which {
        let mut theirs = Query::select();
        theirs.column(credential::Column::Id).from(credential::Entity);
        which.limit(&mut theirs, credential::Column::ClientId);
        reading.select.and_where(Expr::col(S::CredentialId).in_subquery(theirs));
    }
    let found = rows::all(db, reading, S::Id, |row| {
        let (credential, id) = (row.take()?, row.take()?);
        let lookup = row.take::<Option<String>>()?.as_deref().and_then(Lookup::parse);
        let hash = <[u8; 32]>::try_from(row.take::<Vec<u8>>()?);
        let (valid_from, valid_until) = (row.take::<DateTime<Utc>>()?.into(), end(row)?);
        // No presented secret has a hash of another length: it is kept out.
        Some(hash.ok().map(|hash| (credential, Secret { id, lookup, hash, valid_from, valid_until, proof: None })))
    });
    Ok(found.await?.into_iter().flatten().collect())
}

/// Of the kinds whose signatures are verified, which are few beside the others. What cannot be read verifies nothing.
pub(super) async fn proofs(
    db: &impl ConnectionTrait,
    keyring: &Keyring,
    which: Which<'_, ClientId>,
) -> Result<Vec<(CredentialSecretId, Proof)>, DbErr> {
    let mut signing = Query::select();
    signing
        .column(credential::Column::Id)
        .from(credential::Entity)
        .and_where(credential::Column::Kind.is_in([AuthMethod::SignedJwt, AuthMethod::Oauth2PrivateKeyJwt]));
    which.limit(&mut signing, credential::Column::ClientId);
    let secrets = credential_secret::Entity::find().filter(credential_secret::Column::CredentialId.in_subquery(signing));
    let proof = |row: credential_secret::Model| {
        let proof = match row {
            credential_secret::Model { jwks: Some(jwks), .. } => Proof::Keys(KeySet::registered(&jwks, "jwks").ok()?),
            credential_secret::Model { jwks_url: Some(url), .. } => Proof::KeysAt(KeySource::At(url.into())),
            credential_secret::Model { sealed: Some(sealed), .. } => {
                Proof::Shared(keyring.open(Purpose::CredentialSecret, &sealed).ok()?)
            }
            _ => return None,
        };
        Some((row.id, proof))
    };
    Ok(secrets.all(db).await?.into_iter().filter_map(proof).collect())
}

pub(super) async fn revoked_tokens(
    db: &impl ConnectionTrait,
    which: Which<'_, ClientId>,
) -> Result<Vec<(ClientId, TokenId)>, DbErr> {
    use revoked_token::Column as R;
    let mut reading = Reading::of(db).ids([R::ClientId, R::Id]);
    reading.select.from(revoked_token::Entity);
    which.limit(&mut reading.select, R::ClientId);
    rows::all(db, reading, R::Id, |row| Some((row.take()?, row.take()?))).await
}

pub(super) async fn narrowed(
    db: &impl ConnectionTrait,
    which: Which<'_, ClientId>,
) -> Result<Vec<(ClientId, (CredentialSecretId, Vec<String>))>, DbErr> {
    use leak::Column as L;
    let mut reading = Reading::of(db).ids([L::ClientId, L::CredentialSecretId]).texts([L::Scopes]);
    reading.select.from(leak::Entity).and_where(L::Action.eq(LeakedKeyAction::Narrow));
    which.limit(&mut reading.select, L::ClientId);
    rows::all(db, reading, L::Id, |row| Some((row.take()?, (row.take()?, list(row)?)))).await
}

pub(super) async fn grants(
    db: &impl ConnectionTrait,
    which: Which<'_, ClientId>,
) -> Result<Vec<(SubscriptionId, String)>, DbErr> {
    use scope_grant::Column as G;
    let mut reading = Reading::of(db).ids([G::SubscriptionId]).texts([G::Scope]);
    reading.select.from(scope_grant::Entity);
    if let Which::Only(_) = which {
        let mut theirs = Query::select();
        theirs.column(client::Column::SubscriptionId).from(client::Entity);
        which.limit(&mut theirs, client::Column::Id);
        reading.select.and_where(Expr::col(G::SubscriptionId).in_subquery(theirs));
    }
    rows::all(db, reading, G::Id, |row| Some((row.take()?, row.take()?))).await
}

/// The scopes that plans have in other environments alone, by the environment that has them not.
pub(super) async fn elsewhere(
    db: &impl ConnectionTrait,
    which: Which<'_, ClientId>,
) -> Result<Vec<(PlanId, (Environment, String))>, DbErr> {
    let mut plans = plan::Entity::find().select_only().columns([plan::Column::Id, plan::Column::Scopes]);
    if let Which::Only(_) = which {
        let mut held = Query::select();
        held.column((subscription::Entity, subscription::Column::PlanId)).from(subscription::Entity).inner_join(
            client::Entity,
            Expr::col((client::Entity, client::Column::SubscriptionId)).equals((subscription::Entity, subscription::Column::Id)),
        );
        which.limit(&mut held, (client::Entity, client::Column::Id));
        plans = plans.filter(plan::Column::Id.in_subquery(held));
    }
    let plans: Vec<(PlanId, PlanScopes)> = plans.into_tuple().all(db).await?;
    let lacks = |(plan, scopes): (PlanId, PlanScopes)| {
        let of = move |environment: Environment| {
            let gone = scopes.0.clone().into_iter().filter(move |scope| !scope.environments.contains(&environment));
            gone.map(move |scope| (plan, (environment, scope.name)))
        };
        Environment::ALL.into_iter().flat_map(of)
    };
    Ok(plans.into_iter().flat_map(lacks).collect())
}

pub(super) async fn assignments(
    db: &impl ConnectionTrait,
    which: Which<'_, ClientId>,
) -> Result<Vec<(ClientId, Assigned)>, DbErr> {
    use assignment::Column as A;
    let mut reading = Reading::of(db).ids([A::ClientId, A::ProductId]).texts([A::Scopes]);
    reading.select.from(assignment::Entity).and_where(Expr::col(A::ClientId).is_not_null());
    which.limit(&mut reading.select, A::ClientId);
    let mut shared = Interner::default();
    rows::all(db, reading, A::Id, |row| Some((row.take()?, assigned(row, &mut shared)?))).await
}

fn assigned(row: &mut Columns<'_>, shared: &mut Interner) -> Option<Assigned> {
    let product = row.take()?;
    let scopes = row.take::<Option<Strings>>()?.map(|scopes| shared.scopes(scopes.0));
    Some(Assigned { product, scopes })
}

/// What teams hold; those that hold nothing and have no tier are left out.
pub(super) async fn teams(db: &impl ConnectionTrait, which: Which<'_, TeamId>) -> Result<Vec<(TeamId, Arc<Team>)>, DbErr> {
    use assignment::Column as A;
    let mut tiers = Reading::of(db).ids([team::Column::Id, team::Column::TierId]);
    tiers.select.from(team::Entity).and_where(Expr::col(team::Column::TierId).is_not_null());
    which.limit(&mut tiers.select, team::Column::Id);
    let mut tiers = rows::all(db, tiers, team::Column::Id, |row| Some((row.take::<TeamId>()?, row.take::<TierId>()?))).await?;
    let mut reading = Reading::of(db).ids([A::TeamId, A::ProductId]).texts([A::Scopes]);
    reading.select.from(assignment::Entity).and_where(Expr::col(A::TeamId).is_not_null());
    which.limit(&mut reading.select, A::TeamId);
    let mut shared = Interner::default();
    let mut assigned = rows::all(db, reading, A::Id, |row| Some((row.take::<TeamId>()?, assigned(row, &mut shared)?))).await?;
    tiers.sort_unstable();
    assigned.sort_unstable();
    let mut ids: Vec<TeamId> = tiers.iter().map(|(id, _)| *id).chain(assigned.iter().map(|(id, _)| *id)).collect();
    ids.sort_unstable();
    ids.dedup();
    let team = |id: TeamId| {
        let tier = group(&tiers, &id).first().map(|(_, tier)| *tier);
        (id, Arc::new(Team { tier, products: group(&assigned, &id).iter().map(|(_, assigned)| assigned.clone()).collect() }))
    };
    Ok(ids.into_iter().map(team).collect())
}
