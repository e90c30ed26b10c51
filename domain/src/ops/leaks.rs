//! Secrets of ours that a scanner found in public: recorded once, dealt with as their plan says, and told to those who hold them.

use std::collections::BTreeMap;

use entities::{
    access_token,
    columns::Strings,
    credential, credential_secret,
    enums::{AuthMethod, LeakedKeyAction},
    id::{AccessTokenId, CredentialId, CredentialSecretId},
    leak,
};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, Iterable, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Query, SelectStatement},
};
use secrecy::ExposeSecret;

use super::{credentials::locked_client, held::held_by, overlaps::live_secrets, rotation_requests::notice};
use crate::{
    Actor, Domain, Result, Tx,
    actor::{Origin, Who},
    audit::{Action, Audit},
    keyring::sha256,
    notices::{self, To},
    rules::{
        credential::masked_key,
        leak::{Facts, Find, Measure, decide},
        notice::{CredentialNotice, Notice},
        policy::MemberRight,
    },
    tx::{Touch, Unaudited, retrying},
};

/// Hashes of one statement, within what a database takes of parameters.
const BATCH: usize = 500;

/// What is ours of what was found, by the hash of the secret.
#[derive(Default)]
struct Ours {
    secrets: BTreeMap<[u8; 32], Vec<(CredentialSecretId, CredentialId)>>,
    tokens: BTreeMap<[u8; 32], AccessTokenId>,
}

/// Where something was found.
struct Place {
    url: Option<String>,
    source: Option<String>,
}

/// Deals with what a scanner found; of each find, whether it is a secret of ours or was one. A report that comes again changes
/// nothing, so one that failed half way may be sent again.
pub async fn report(ctx: &Domain, origin: Origin, finds: &[Find]) -> Result<Vec<bool>> {
    let hashes: Vec<[u8; 32]> = finds.iter().map(|find| sha256(find.token.expose_secret())).collect();
    let ours = ours(ctx, &hashes).await?;
    let is_ours = |hash| ours.secrets.contains_key(hash) || ours.tokens.contains_key(hash);
    let known: Vec<bool> = hashes.iter().map(is_ours).collect();
    let mut found = BTreeMap::new();
    for ((find, hash), _) in finds.iter().zip(&hashes).zip(&known).filter(|(_, known)| **known) {
        found.entry(hash).or_insert(find);
    }
    let tokens: Vec<_> = found.values().map(|find| &find.token).collect();
    let actor = Actor { who: Who::System, origin };
    for (hash, find) in &found {
        let place = Place { url: find.place(&tokens), source: find.source.clone() };
        for (secret, credential) in ours.secrets.get(*hash).into_iter().flatten() {
            retrying(|| secret_leaked(ctx, &actor, (*credential, *secret), &place)).await?;
        }
        if let Some(token) = ours.tokens.get(*hash) {
            retrying(|| access_token_leaked(ctx, &actor, *token, &place)).await?;
        }
    }
    Ok(known)
}

/// Whether a new secret of this credential can be claimed, as its newest was found in public and made to end.
pub(super) async fn to_claim(tx: &Tx<'_>, credential: CredentialId) -> Result<bool> {
    use credential_secret::{Column, Entity};
    let of = Entity::find().filter(Column::CredentialId.eq(credential));
    let newest = of.order_by_desc(Column::ValidFrom).order_by_desc(Column::Id).one(tx.db()).await?;
    let Some(newest) = newest else { return Ok(false) };
    Ok(recorded(tx.db(), newest.id).await?.is_some_and(|leak| leak.action == LeakedKeyAction::Rotate))
}

async fn ours(ctx: &Domain, hashes: &[[u8; 32]]) -> Result<Ours> {
    let mut ours = Ours::default();
    let whole = |hash: Vec<u8>| <[u8; 32]>::try_from(hash).ok();
    for some in hashes.chunks(BATCH) {
        let some = || some.iter().map(|hash| hash.to_vec());
        use credential_secret::Column as S;
        let secrets = credential_secret::Entity::find()
            .filter(S::Hash.is_in(some()))
            .filter(S::CredentialId.in_subquery(with_secrets()))
            .select_only()
            .columns([S::Hash, S::Id, S::CredentialId]);
        for (hash, secret, credential) in secrets.into_tuple().all(&ctx.db).await? {
            if let Some(hash) = whole(hash) {
                ours.secrets.entry(hash).or_insert_with(Vec::new).push((secret, credential));
            }
        }
        use access_token::Column as T;
        let tokens = access_token::Entity::find().filter(T::TokenHash.is_in(some())).select_only().columns([T::TokenHash, T::Id]);
        for (hash, token) in tokens.into_tuple().all(&ctx.db).await? {
            ours.tokens.extend(whole(hash).map(|hash| (hash, token)));
        }
    }
    Ok(ours)
}

/// Those whose secrets are made here: what is registered of a partner's own keys is public as it is.
fn with_secrets() -> SelectStatement {
    let kinds = AuthMethod::iter().filter(|kind| kind.has_secret());
    let mut ids = Query::select();
    ids.column(credential::Column::Id).from(credential::Entity).and_where(credential::Column::Kind.is_in(kinds));
    ids
}

async fn recorded(db: &impl ConnectionTrait, secret: CredentialSecretId) -> Result<Option<leak::Model>> {
    Ok(leak::Entity::find().filter(leak::Column::CredentialSecretId.eq(secret)).one(db).await?)
}

async fn secret_leaked(
    ctx: &Domain,
    actor: &Actor,
    (id, secret): (CredentialId, CredentialSecretId),
    place: &Place,
) -> Result<()> {
    let tx = Tx::begin(ctx).await?;
    let Some(row) = credential::Entity::find_by_id(id).one(tx.db()).await? else { return Ok(()) };
    let client = locked_client(&tx, row.client_id).await?;
    // As it is now that nobody else works on it.
    let row = credential::Entity::find_by_id(id).one(tx.db()).await?.unwrap_or(row);
    let Some((secret, newest)) = unrecorded(&tx, &row, secret).await? else {
        return tx.commit_unaudited(Unaudited::NothingChanged).await;
    };
    let held = held_by(&tx, &client).await?;
    let measure = decide(Facts {
        environment: row.environment,
        newest,
        valid_until: secret.valid_until,
        expires_at: row.expires_at,
        now: tx.now(),
        plan: held.as_ref().map(|(_, plan)| (plan.leaked_key_action, &plan.scopes[..])),
    });
    let leak = take(&tx, &row, &secret, &measure, place).await?;
    let shown = secret.lookup.as_deref().map(|lookup| masked_key(row.environment, lookup));
    let shown = shown.or_else(|| row.masked.clone().filter(|_| newest));
    let entry = Audit::of(actor, Action::CredentialLeaked, row.id)
        .team(row.team_id)
        .set("leak", leak.id)
        .set("masked", &shown)
        .set("action", leak.action)
        .set("scopes", &leak.scopes)
        .set("url", &leak.url)
        .set("source", &leak.source)
        .change("validUntil", secret.valid_until, measure.ends().or(secret.valid_until));
    let told = notice(tx.db(), &row, CredentialNotice::Leaked { shown, url: leak.url, newest, measure }).await?;
    notices::tell(&tx, actor, To::Team(row.team_id, MemberRight::ManageCredentials), &told).await?;
    tx.commit(entry).await
}

/// A secret that works and was not told of, and whether none that works is newer.
async fn unrecorded(
    tx: &Tx<'_>,
    row: &credential::Model,
    id: CredentialSecretId,
) -> Result<Option<(credential_secret::Model, bool)>> {
    let (newest, older) = live_secrets(tx, row).await?;
    let is_newest = newest.as_ref().is_some_and(|newest| newest.id == id);
    let found = older.into_iter().chain(newest).find(|secret| secret.id == id);
    match found {
        Some(secret) if recorded(tx.db(), id).await?.is_none() => Ok(Some((secret, is_newest))),
        _ => Ok(None),
    }
}

/// Does what was decided, and records it.
async fn take(
    tx: &Tx<'_>,
    row: &credential::Model,
    secret: &credential_secret::Model,
    measure: &Measure,
    place: &Place,
) -> Result<leak::Model> {
    if let Some(at) = measure.ends() {
        let mut row = secret.clone().into_active_model();
        row.valid_until = Set(Some(at));
        credential_secret::Entity::update(row).exec(tx.db()).await?;
    }
    let scopes = match measure {
        Measure::Narrow { scopes } => Some(Strings(scopes.clone())),
        Measure::None | Measure::End { .. } => None,
    };
    if *measure != Measure::None {
        tx.touch_gateway(Touch::Client(row.client_id));
    }
    tx.insert(leak::Model {
        id: tx.ctx().env.id(),
        team_id: row.team_id,
        client_id: row.client_id,
        credential_id: row.id,
        credential_secret_id: secret.id,
        action: measure.action(),
        scopes,
        url: place.url.clone(),
        source: place.source.clone(),
        reported_at: tx.now(),
    })
    .await
}

/// It may all that a person may: it ends at once.
async fn access_token_leaked(ctx: &Domain, actor: &Actor, id: AccessTokenId, place: &Place) -> Result<()> {
    let tx = Tx::begin(ctx).await?;
    let token = access_token::Entity::find_by_id(id).lock_exclusive().one(tx.db()).await?;
    let works = |token: &access_token::Model| token.revoked_at.is_none() && token.expires_at.is_none_or(|at| at > tx.now());
    let Some(token) = token.filter(works) else {
        return tx.commit_unaudited(Unaudited::NothingChanged).await;
    };
    let row = access_token::ActiveModel { id: Set(id), revoked_at: Set(Some(tx.now())), ..Default::default() };
    access_token::Entity::update(row).exec(tx.db()).await?;
    let told = Notice::AccessTokenLeaked { id, name: token.name, url: place.url.clone() };
    notices::tell(&tx, actor, To::Person(token.user_id), &told).await?;
    let entry = Audit::of(actor, Action::AccessTokenRevoked, id)
        .set("revokedAt", tx.now())
        .set("reason", "found in public")
        .set("url", &place.url)
        .set("source", &place.source);
    tx.commit(entry).await
}
