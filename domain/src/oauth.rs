//! The authorization server for client credentials: it answers from what gateways keep in memory, and writes no row for a token.

mod used;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Instant,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use chrono::{DateTime, TimeDelta, Utc};
use entities::{
    enums::AuthMethod,
    id::{ClientId, CredentialId, TokenId},
    revoked_token,
};
use sea_orm::{EntityTrait, IntoActiveModel};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::{Value, json};

use self::used::UsedAssertions;
use crate::{
    Domain, Result, Tx, enforcement,
    keyring::sha256,
    rules::{
        admission::{self, Caller},
        certificate::Shown,
        credential,
        jose::{
            BadToken, Jws, Typ,
            access_token::{self, AccessToken},
            assertion::{self, Assertion},
        },
        oauth::{Authentication, CLIENT_CREDENTIALS, Form, OAuthCode, OAuthError, granted, refused, scopes, unproven},
        view::{Client, Moment, Proof, Secret, View},
    },
    snapshot::{Live, Snapshot},
    tx::{Touch, Unaudited},
};

/// How long a token lives, unless its credential ends before.
const LIFETIME: TimeDelta = TimeDelta::minutes(10);

/// Issues, tells about and revokes access tokens. Cheap to clone.
#[derive(Clone)]
pub struct AuthorizationServer {
    ctx: Domain,
    live: Live,
    used: UsedAssertions,
    /// The last revision that all gateways are known to follow.
    followed: Arc<AtomicI64>,
    /// Who we are, exactly as tokens and assertions name us.
    pub issuer: String,
    /// Where tokens are taken: the gateway's URL.
    pub audience: String,
    certificates: Option<Certificates>,
}

/// Which certificates clients may authenticate by at the gateway's own token endpoint (RFC 8705 section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificates {
    /// Registered ones that its authority has issued.
    OfAuthority,
    /// Registered ones, whoever has issued them.
    Registered,
}

/// What the token endpoint answers (RFC 6749 section 5.1).
#[derive(Debug, Serialize)]
pub struct Token {
    pub access_token: String,
    pub token_type: &'static str,
    /// Seconds.
    pub expires_in: i64,
    pub scope: String,
}

impl AuthorizationServer {
    pub fn new(ctx: Domain, live: Live, issuer: String, audience: String) -> Self {
        let used = UsedAssertions::new(ctx.db.clone());
        let ctx = ctx.answering();
        Self { ctx, live, used, followed: Arc::new(AtomicI64::new(-1)), issuer, audience, certificates: None }
    }

    /// Announces what the gateway takes.
    #[must_use]
    pub fn taking_certificates(self, certificates: Option<Certificates>) -> Self {
        Self { certificates, ..self }
    }

    fn snapshot(&self) -> &Snapshot {
        self.live.snapshot()
    }

    /// The token endpoint.
    pub async fn token(
        &self,
        authorization: Option<&str>,
        form: &Form,
        certificate: Option<&Shown>,
    ) -> Result<Token, OAuthError> {
        let who = Authentication::read(authorization, form, certificate)?;
        let basic = who.is_basic();
        match form.require("grant_type")? {
            CLIENT_CREDENTIALS => {}
            _ => return Err(refused(OAuthCode::UnsupportedGrantType, "grant_type must be client_credentials")),
        }
        self.live.catch_up().await;
        let now = self.ctx.now();
        let caller = self.authenticated(who, now).await?;
        if let Err(refusal) = admission::may_call(self.snapshot(), &caller, now) {
            tracing::debug!(client.id = %caller.client.id, reason = ?refusal, "no token for a client that may not call");
            return Err(unproven(basic));
        }
        let all = caller.granted(self.snapshot());
        let held: Vec<&str> = caller.scopes(&all).collect();
        let asked = scopes(form)?;
        let scope = granted(asked.as_deref(), &held)?.join(" ");
        let token = self.signed(&caller, &scope, now)?;
        self.known_to_gateways().await;
        Ok(Token { access_token: token.0, token_type: "Bearer", expires_in: token.1, scope })
    }

    /// Waits, a second at most, until every gateway knows what this process issues by: a token works from its answer on.
    async fn known_to_gateways(&self) {
        let revision = self.live.applied_revision();
        if revision <= self.followed.load(Ordering::Relaxed) {
            return;
        }
        match Box::pin(enforcement::awaited(&self.ctx, revision, Instant::now())).await {
            Ok(seen) if seen.took.is_some() => drop(self.followed.fetch_max(revision, Ordering::Relaxed)),
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "it is not known whether the gateways know what a token was issued by"),
        }
    }

    /// The token, and for how many seconds it holds.
    fn signed(&self, caller: &Caller, scope: &str, now: DateTime<Utc>) -> Result<(String, i64), OAuthError> {
        let unavailable = || refused(OAuthCode::TemporarilyUnavailable, "no token can be signed now: try again in a moment");
        let key = self.snapshot().signing_key(now.into()).ok_or_else(unavailable)?;
        let end = caller.ends().and_then(|Moment(at)| DateTime::from_timestamp_micros(at));
        let expires_at = end.map_or(now + LIFETIME, |end| end.min(now + LIFETIME));
        let jti = self.ctx.env.id::<TokenId>().to_string();
        let (client_id, proof) = (caller.credential().id.to_string(), caller.secret.to_string());
        let token = AccessToken {
            issuer: &self.issuer,
            audience: &self.audience,
            client_id: &client_id,
            issued_at: now,
            expires_at,
            jti: &jti,
            scope,
            certificate: caller.certificate(),
            environment: caller.credential().environment,
            proof: &proof,
        };
        let signed = key.sign(Typ::AccessToken, &token).map_err(|error| {
            tracing::error!(%error, "an access token cannot be signed");
            unavailable()
        })?;
        Ok((signed, expires_at.timestamp() - now.timestamp()))
    }

    async fn authenticated(&self, who: Authentication, now: DateTime<Utc>) -> Result<Caller, OAuthError> {
        match who {
            Authentication::Secret { client, secret, basic } => {
                self.by_secret(&client, &secret, now).ok_or_else(|| unproven(basic))
            }
            Authentication::Assertion { client, assertion } => self.by_assertion(client.as_deref(), &assertion, now).await,
            Authentication::Certificate { client, shown } => {
                self.by_certificate(&client, &shown, now).ok_or_else(|| unproven(false))
            }
        }
    }

    fn by_secret(&self, client: &str, secret: &SecretString, now: DateTime<Utc>) -> Option<Caller> {
        self.by_hash(client, AuthMethod::Oauth2ClientSecret, &sha256(secret.expose_secret()), now)
    }

    /// RFC 8705 section 2: the certificate that is registered, and no other of its subject.
    fn by_certificate(&self, client: &str, shown: &Shown, now: DateTime<Utc>) -> Option<Caller> {
        let holds = shown.trusted && shown.certificate.is_in_force(now);
        holds.then(|| self.by_hash(client, AuthMethod::Mtls, &shown.certificate.thumbprint, now)).flatten()
    }

    fn by_hash(&self, client: &str, kind: AuthMethod, hash: &[u8; 32], now: DateTime<Utc>) -> Option<Caller> {
        let (client, at) = self.found(client, kind)?;
        let live = credential::live(&client.credentials[at].secrets, now.into());
        let secret = live.filter(|secret| credential::matches(&secret.hash, hash)).map(|secret| secret.id).next()?;
        Some(Caller { client, at, secret })
    }

    async fn by_assertion(&self, named: Option<&str>, token: &SecretString, now: DateTime<Utc>) -> Result<Caller, OAuthError> {
        let code = OAuthCode::InvalidClient { basic: false };
        let bad = |error: &dyn std::fmt::Display| refused(code, format!("the client assertion is refused: {error}"));
        let jws = Jws::parse(token.expose_secret()).map_err(|error| bad(&error))?;
        let claimed = jws.claimed_subject().or(jws.claimed_issuer()).or(named).unwrap_or_default().to_owned();
        if named.is_some_and(|named| named != claimed) {
            return Err(bad(&"client_id is not the assertion's sub"));
        }
        let (client, at) = self.found(&claimed, AuthMethod::Oauth2PrivateKeyJwt).ok_or_else(|| unproven(false))?;
        let expected = assertion::Expected { client_id: &claimed, issuer: &self.issuer };
        let mut fault = None;
        let mut held = None;
        for secret in credential::live(&client.credentials[at].secrets, now.into()) {
            match self.check_assertion(&jws, secret, expected, now).await {
                Ok(assertion) => held = Some((secret.id, assertion)),
                // Before a signature holds, nothing is said that tells a known client from an unknown one.
                Err(BadToken::NoKeyFits(_) | BadToken::SignatureWrong | BadToken::AlgorithmNotAllowed { .. }) => {}
                Err(error) => fault = Some(error),
            }
        }
        let Some((secret, assertion)) = held else { return Err(fault.map_or_else(|| unproven(false), |fault| bad(&fault))) };
        self.used_once(&claimed, assertion.jti, assertion.replayable_until).await?;
        Ok(Caller { client, at, secret })
    }

    /// By the keys of one secret; where they are published, and none fits, they are read again.
    async fn check_assertion<'j>(
        &self,
        jws: &'j Jws<'_>,
        secret: &Secret,
        expected: assertion::Expected<'_>,
        now: DateTime<Utc>,
    ) -> Result<Assertion<'j>, BadToken> {
        let source = match secret.proof.as_deref() {
            Some(Proof::Keys(keys)) => return assertion::check(jws, keys, expected, now),
            Some(Proof::KeysAt(source)) => source,
            Some(Proof::Shared(_)) | None => return Err(BadToken::SignatureWrong),
        };
        let check = || assertion::check(jws, &self.ctx.key_sets.get(source, now).unwrap_or_default(), expected, now);
        match check() {
            Err(error) if error.may_be_of_new_key() && self.ctx.key_sets.refresh(source).await => check(),
            checked => checked,
        }
    }

    async fn used_once(&self, client: &str, jti: &str, until: DateTime<Utc>) -> Result<(), OAuthError> {
        let digest = sha256([client.as_bytes(), &[0], jti.as_bytes()].concat());
        match self.used.is_new(digest, until).await {
            Some(true) => Ok(()),
            Some(false) => {
                let say = "the client assertion is refused: its jti was used before, and each may be used once";
                Err(refused(OAuthCode::InvalidClient { basic: false }, say))
            }
            None => Err(refused(OAuthCode::TemporarilyUnavailable, "the assertion could not be noted: try again with a new one")),
        }
    }

    fn found(&self, client_id: &str, kind: AuthMethod) -> Option<(Arc<Client>, usize)> {
        let id: CredentialId = client_id.parse().ok()?;
        let (client, hint) = self.snapshot().oauth_client(id)?;
        let client = self.snapshot().client(client)?;
        let at = client.credential_at(id, hint)?;
        (client.credentials[at].kind == kind).then_some((client, at))
    }

    /// What a token says, for its own client (RFC 7662). Whatever is not a live token of that client is inactive, and no more is
    /// said.
    pub async fn introspect(&self, authorization: Option<&str>, form: &Form) -> Result<Value, OAuthError> {
        self.live.catch_up().await;
        let now = self.ctx.now();
        let caller = self.authenticated(Authentication::read(authorization, form, None)?, now).await?;
        let token = form.require("token")?;
        let own = caller.credential().id.to_string();
        Ok(self.live_token(token, now).filter(|token| token["client_id"] == own.as_str()).unwrap_or(json!({ "active": false })))
    }

    /// What a token says that the gateway would take now.
    pub fn live_token(&self, token: &str, now: DateTime<Utc>) -> Option<Value> {
        let jws = Jws::parse(token).ok()?;
        let read = self.read(&jws, now)?;
        let caller = admission::token_caller(self.snapshot(), &read, now.into())?;
        admission::may_call(self.snapshot(), &caller, now).ok()?;
        let granted = caller.granted(self.snapshot());
        let mut told = json!({
            "active": true,
            "scope": caller.scopes_by(&granted, read.scope).collect::<Vec<_>>().join(" "),
            "client_id": read.client_id,
            "token_type": "Bearer",
            "exp": read.expires_at.timestamp(),
            "iat": read.issued_at.timestamp(),
            "sub": read.client_id,
            "aud": read.audience,
            "iss": read.issuer,
            "jti": read.jti,
        });
        if let Some(thumbprint) = read.certificate {
            told["cnf"] = json!({ "x5t#S256": BASE64.encode(thumbprint) });
        }
        Some(told)
    }

    fn read<'j>(&'j self, jws: &'j Jws<'_>, now: DateTime<Utc>) -> Option<AccessToken<'j>> {
        let expected = access_token::Expected { issuer: &self.issuer, audience: &self.audience };
        access_token::check(jws, &self.snapshot().token_keys(), expected, now, TimeDelta::zero()).ok()
    }

    /// Ends a client's own token now (RFC 7009); of any other nothing is said and nothing happens.
    pub async fn revoke(&self, authorization: Option<&str>, form: &Form) -> Result<(), OAuthError> {
        self.live.catch_up().await;
        let now = self.ctx.now();
        let caller = self.authenticated(Authentication::read(authorization, form, None)?, now).await?;
        let token = form.require("token")?;
        let Ok(jws) = Jws::parse(token) else { return Ok(()) };
        let Some(read) = self.read(&jws, now) else { return Ok(()) };
        let Ok(id) = read.jti.parse::<TokenId>() else { return Ok(()) };
        if read.client_id != caller.credential().id.to_string() {
            return Ok(());
        }
        self.note_revoked(id, caller.client.id, read.expires_at).await.map_err(|error| {
            tracing::warn!(error = &error as &dyn std::error::Error, "a token cannot be revoked");
            refused(OAuthCode::TemporarilyUnavailable, "the token could not be revoked and holds still: try again")
        })
    }

    async fn note_revoked(&self, id: TokenId, client_id: ClientId, expires_at: DateTime<Utc>) -> Result<()> {
        let tx = Tx::begin(&self.ctx).await?;
        let row = revoked_token::Model { id, client_id, expires_at };
        let again = revoked_token::Entity::insert(row.into_active_model()).on_conflict_do_nothing_on([revoked_token::Column::Id]);
        again.exec_without_returning(tx.db()).await?;
        tx.touch_gateway(Touch::Client(client_id));
        tx.commit_unaudited(Unaudited::TokenRevoked).await
    }

    /// The public keys that tokens are verified with (RFC 7517).
    pub fn jwks(&self) -> Value {
        self.snapshot().token_keys().to_json()
    }

    /// What clients have to know of us (RFC 8414).
    pub fn metadata(&self) -> Value {
        let at = |path: &str| format!("{}{path}", self.issuer);
        let methods = ["client_secret_basic", "client_secret_post", "private_key_jwt"];
        let algorithms = ["RS256", "PS256", "ES256", "EdDSA"];
        let mut document = json!({
            "issuer": self.issuer,
            "token_endpoint": at("/oauth2/token"),
            "introspection_endpoint": at("/oauth2/introspect"),
            "revocation_endpoint": at("/oauth2/revoke"),
            "jwks_uri": at("/oauth2/jwks"),
            "grant_types_supported": [CLIENT_CREDENTIALS],
            "token_endpoint_auth_methods_supported": methods,
            "token_endpoint_auth_signing_alg_values_supported": algorithms,
            "introspection_endpoint_auth_methods_supported": methods,
            "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
            "revocation_endpoint_auth_methods_supported": methods,
            "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
        });
        if let Some(certificates) = self.certificates {
            let method = match certificates {
                Certificates::OfAuthority => "tls_client_auth",
                Certificates::Registered => "self_signed_tls_client_auth",
            };
            let all: Vec<_> = methods.into_iter().chain([method]).collect();
            document["token_endpoint_auth_methods_supported"] = json!(all);
            document["tls_client_certificate_bound_access_tokens"] = json!(true);
            document["mtls_endpoint_aliases"] = json!({ "token_endpoint": format!("{}/oauth2/token", self.audience) });
        }
        document
    }
}
