//! Trying calls from the portal with the partner's own credentials. Nothing is written: the call's record is the gateway's.

use entities::{
    client, credential, credential_secret, endpoint,
    enums::{AuthMethod, CredentialStatus, Environment},
    id::{CredentialId, EndpointId, ProfileId},
    product, profile,
};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder};
use secrecy::SecretString;

use super::credentials::named;
use crate::{
    Actor, Domain, DomainError, ProblemCode, Result,
    access::{require_member, require_somebody},
    keyring::Purpose,
    read::endpoints,
    rules::{
        credential::state_at,
        explorer::{self, Draft, Pair, Ready},
        policy::MemberRight,
        text,
    },
};

#[derive(Debug, Clone)]
pub struct TryEndpoint {
    pub profile: ProfileId,
    pub endpoint: EndpointId,
    pub credential: Option<CredentialId>,
    pub path_parameters: Vec<Pair>,
    pub query: Vec<Pair>,
    pub headers: Vec<Pair>,
    pub body: Option<String>,
}

/// What a call is made with.
#[derive(Debug)]
pub struct Caller {
    pub profile: profile::Model,
    /// `None` where none was named.
    pub credential: Option<credential::Model>,
}

/// A call of a member's team that can be sent, and who makes it.
pub async fn prepare(ctx: &Domain, actor: &Actor, cmd: TryEndpoint) -> Result<(Ready, Caller)> {
    require_somebody(actor)?;
    let profile = profile::Entity::find_by_id(cmd.profile).one(&ctx.db).await?.ok_or(DomainError::NotFound("profile"))?;
    let allowed = require_member(&ctx.db, actor, profile.team_id, MemberRight::ManageCredentials).await;
    allowed.map_err(|error| named(error, "profile"))?;
    let endpoint: endpoint::Model =
        endpoints::endpoint(ctx, actor, cmd.endpoint).await?.ok_or(DomainError::NotFound("endpoint"))?;
    let product = product::Entity::find_by_id(endpoint.product_id).one(&ctx.db).await?;
    let product = product.ok_or_else(|| DomainError::internal("an endpoint has no product"))?;
    let credential = match cmd.credential {
        Some(id) => Some(own(ctx, actor, id).await?),
        None => None,
    };
    if credential.as_ref().is_some_and(|credential| credential.profile_id != profile.id) {
        let say = "the credential is of another profile";
        return Err(DomainError::refused(ProblemCode::Invalid, "credentialId", say));
    }
    let draft = Draft {
        method: endpoint.method,
        template: endpoint.path,
        base_path: product.base_path,
        path_parameters: cmd.path_parameters,
        query: cmd.query,
        headers: cmd.headers,
        body: cmd.body,
    };
    let ready = explorer::ready(draft).map_err(DomainError::Refused)?;
    Ok((ready, Caller { profile, credential }))
}

/// A credential for a member who manages its team's.
pub async fn own(ctx: &Domain, actor: &Actor, id: CredentialId) -> Result<credential::Model> {
    require_somebody(actor)?;
    let row = credential::Entity::find_by_id(id).one(&ctx.db).await?.ok_or(DomainError::NotFound("credential"))?;
    let allowed = require_member(&ctx.db, actor, row.team_id, MemberRight::ManageCredentials).await;
    allowed.map_err(|error| named(error, "credential"))?;
    Ok(row)
}

/// A sandbox credential's newest secret, from its sealed copy. Of production none is given out: who calls has it.
pub async fn kept_secret(ctx: &Domain, row: &credential::Model, path: &str) -> Result<SecretString> {
    use credential_secret::{Column, Entity};
    let refused = |code, say: String| Err(DomainError::refused(code, path, say));
    if row.environment == Environment::Production {
        return refused(
            ProblemCode::Required,
            "give the secret: of production credentials the portal shows none again".to_owned(),
        );
    }
    let state = state_at(row.status, row.expires_at, ctx.now());
    if state != CredentialStatus::Active {
        return refused(ProblemCode::WrongState, format!("the credential is {}", text::word(state)));
    }
    let live = Condition::any().add(Column::ValidUntil.is_null()).add(Column::ValidUntil.gt(ctx.now()));
    let newest = Entity::find()
        .filter(Column::CredentialId.eq(row.id))
        .filter(live)
        .order_by_desc(Column::ValidFrom)
        .order_by_desc(Column::Id)
        .one(&ctx.db)
        .await?;
    let sealed = newest.and_then(|secret| secret.sealed);
    match sealed.map(|sealed| ctx.keys.open(Purpose::CredentialSecret, &sealed)) {
        Some(Ok(secret)) => Ok(secret),
        Some(Err(error)) => Err(DomainError::internal(error)),
        None if row.kind == AuthMethod::Oauth2PrivateKeyJwt => {
            refused(ProblemCode::Required, "give an access token: only you can sign the assertion for one".to_owned())
        }
        None => {
            let say = "give the secret: the portal has no copy of one that was made before it kept any, or rotate it".to_owned();
            refused(ProblemCode::Required, say)
        }
    }
}

/// The client's id and the profile's name, as callers name themselves by.
pub async fn names(ctx: &Domain, caller: &Caller) -> Result<(String, String)> {
    let client = client::Entity::find_by_id(caller.profile.client_id).one(&ctx.db).await?;
    let client = client.ok_or_else(|| DomainError::internal("a profile has no client"))?;
    Ok((client.id.to_string(), caller.profile.id.to_string()))
}
