//! OpenID Connect with identity providers that people outside set up: everything is fetched by the one client for that, and
//! nothing is believed that a signature does not hold.

mod answers;
mod shape;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    env::Env,
    identity::{Answer, Attempt, Identity, IdentityProviders, NoIdentity, Registration},
    outgoing::{NotFetched, Outgoing},
    rules::{outgoing as reach, text},
};
use futures_util::{FutureExt, future::BoxFuture};
use openidconnect::{
    AccessTokenHash, AsyncHttpClient, AuthType, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, CsrfToken,
    DiscoveryError, HttpRequest, HttpResponse, IssuerUrl, JsonWebKey, JsonWebKeySet, Nonce, OAuth2TokenResponse,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope, SignatureVerificationError, TokenResponse,
    UserInfoError,
    core::{
        CoreAuthenticationFlow, CoreClientAuthMethod, CoreErrorResponseType, CoreJsonWebKey, CoreJwsSigningAlgorithm as Alg,
        CoreUserInfoClaims,
    },
};
use secrecy::ExposeSecret;
use serde::Deserialize;
use url::Url;

use self::{
    answers::Asked,
    shape::{Asking, Claims, Metadata, Tokens},
};
use crate::outgoing::Client;

/// For so long a discovery document and its keys are believed.
const FRESH: TimeDelta = TimeDelta::minutes(5);
/// For so long one that did not answer is not asked again.
const REST: TimeDelta = TimeDelta::seconds(10);
/// How far a provider's clock may be ahead of ours.
const AHEAD: TimeDelta = TimeDelta::minutes(5);
/// Bytes of one answer.
const MAX_ANSWER: usize = 64 << 10;
/// Characters of what a token's header says, in the log.
const SHOWN: usize = 60;
/// Providers that are kept.
const MAX_KNOWN: usize = 1_000;
/// By keys that the provider publishes: a shared secret would let whoever knows it sign in as anybody.
const ALGORITHMS: [Alg; 9] = [
    Alg::RsaSsaPkcs1V15Sha256,
    Alg::RsaSsaPkcs1V15Sha384,
    Alg::RsaSsaPkcs1V15Sha512,
    Alg::RsaSsaPssSha256,
    Alg::RsaSsaPssSha384,
    Alg::RsaSsaPssSha512,
    Alg::EcdsaP256Sha256,
    Alg::EcdsaP384Sha384,
    Alg::EdDsa,
];

/// Who reads holds it, so that a provider is asked once however many come at the same moment.
type Shared = Arc<tokio::sync::Mutex<Known>>;

/// What is known of one provider.
#[derive(Default)]
struct Known {
    metadata: Option<(Arc<Metadata>, DateTime<Utc>)>,
    failed: Option<(NoIdentity, DateTime<Utc>)>,
}

pub struct OpenIdConnect {
    /// To what people outside named, and to what the settings did.
    outgoing: Arc<Client>,
    trusting: Client,
    env: Env,
    known: Mutex<HashMap<(bool, String), Shared>>,
}

impl OpenIdConnect {
    /// `outgoing` asks what people outside named; `trusting` what the settings name, which may be in a private network.
    pub fn new(outgoing: Arc<Client>, trusting: Client, env: Env) -> Self {
        Self { outgoing, trusting, env, known: Mutex::default() }
    }

    fn client(&self, trusted: bool, asked: Asked) -> Through<'_> {
        Through(if trusted { &self.trusting } else { &self.outgoing }, asked)
    }

    /// What a provider says of itself: as it was read lately, else read now.
    async fn metadata(&self, issuer: &str, trusted: bool, fresh_for: TimeDelta) -> Result<Arc<Metadata>, NoIdentity> {
        let known = self.known(issuer, trusted);
        let mut known = known.lock().await;
        let now = self.env.now();
        match &*known {
            Known { metadata: Some((metadata, read_at)), .. } if now - *read_at < fresh_for => return Ok(Arc::clone(metadata)),
            Known { failed: Some((error, at)), .. } if now - *at < REST => return Err(error.clone()),
            _ => {}
        }
        match discover(self.client(trusted, Asked::Discovery), issuer).await {
            Ok(read) => {
                let read = Arc::new(read);
                *known = Known { metadata: Some((Arc::clone(&read), now)), failed: None };
                Ok(read)
            }
            Err(error) => {
                known.failed = Some((error.clone(), now));
                Err(error)
            }
        }
    }

    fn known(&self, issuer: &str, trusted: bool) -> Shared {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (trusted, issuer.to_owned());
        if all.len() >= MAX_KNOWN && !all.contains_key(&key) {
            all.clear();
        }
        Arc::clone(all.entry(key).or_default())
    }

    async fn token(
        &self,
        metadata: &Metadata,
        us: &Registration,
        attempt: &Attempt,
        answer: &Answer,
    ) -> Result<Tokens, NoIdentity> {
        let client = client(metadata, us)?;
        let code = AuthorizationCode::new(answer.code.expose_secret().to_owned());
        let request = client.exchange_code(code).map_err(|_| NoIdentity::Discovery("it names no token endpoint".to_owned()))?;
        let request = request.set_pkce_verifier(PkceCodeVerifier::new(attempt.verifier.clone()));
        request.request_async(&self.client(us.trusted, Asked::Token)).await.map_err(|error| match error {
            // The code's fault, not the client's: used, too old, or of another sign-in.
            RequestTokenError::ServerResponse(response) if *response.error() == CoreErrorResponseType::InvalidGrant => {
                NoIdentity::Unproven("it gives no token for the code".to_owned())
            }
            RequestTokenError::ServerResponse(response) => NoIdentity::Refused(response.error().to_string()),
            RequestTokenError::Request(error @ NotFetched::Unreadable(_)) => NoIdentity::Unproven(error.to_string()),
            RequestTokenError::Request(error) => NoIdentity::Unreachable(error.to_string()),
            // By its place alone: what stands there may be a token.
            RequestTokenError::Parse(error, _) => NoIdentity::Unproven(format!("its {} cannot be read", error.path())),
            RequestTokenError::Other(say) => NoIdentity::Unproven(say),
        })
    }

    /// The token's claims. A key that is not known may be a new one: the provider's keys are read again then. As often as it
    /// comes: the provider itself has just given the token.
    async fn claims(
        &self,
        metadata: &Metadata,
        us: &Registration,
        attempt: &Attempt,
        token: &Tokens,
    ) -> Result<Claims, NoIdentity> {
        match self.verified(metadata, us, attempt, token)? {
            Err(ClaimsVerificationError::SignatureVerification(
                SignatureVerificationError::NoMatchingKey | SignatureVerificationError::CryptoError(_),
            )) => {
                let again = self.metadata(&us.issuer, us.trusted, TimeDelta::zero()).await?;
                self.verified(&again, us, attempt, token)?.map_err(|error| unproven(&error, token))
            }
            verified => verified.map_err(|error| unproven(&error, token)),
        }
    }

    /// By the one key that the token means; else by each that may be meant: some providers name their keys in tokens alone, in
    /// their key set alone, or give two of them one name.
    fn verified(
        &self,
        metadata: &Metadata,
        us: &Registration,
        attempt: &Attempt,
        token: &Tokens,
    ) -> Result<Result<Claims, ClaimsVerificationError>, NoIdentity> {
        let first = self.verified_by(metadata, us, attempt, token)?;
        if !matches!(first, Err(ClaimsVerificationError::SignatureVerification(_))) {
            return Ok(first);
        }
        let named = header(token).kid;
        for key in metadata.jwks().keys().iter().filter_map(|key| alone(key, named.as_deref())) {
            let by_one = metadata.clone().set_jwks(JsonWebKeySet::new(vec![key]));
            let verified = self.verified_by(&by_one, us, attempt, token)?;
            if !matches!(verified, Err(ClaimsVerificationError::SignatureVerification(_))) {
                return Ok(verified);
            }
        }
        Ok(first)
    }

    fn verified_by(
        &self,
        metadata: &Metadata,
        us: &Registration,
        attempt: &Attempt,
        token: &Tokens,
    ) -> Result<Result<Claims, ClaimsVerificationError>, NoIdentity> {
        let unproven = |say: &str| NoIdentity::Unproven(say.to_owned());
        let client = client(metadata, us)?;
        let now = self.env.now();
        let verifier = client
            .id_token_verifier()
            .set_allowed_algs(ALGORITHMS)
            .set_time_fn(move || now)
            .set_issue_time_verifier_fn(
                move |at| if at > now + AHEAD { Err(format!("issued in the future, at {at}")) } else { Ok(()) },
            )
            // A token for others too is not meant for us alone.
            .set_other_audience_verifier_fn(|_| false);
        let id_token = token.id_token().ok_or_else(|| unproven("it answers with no ID token"))?;
        let claims = match id_token.claims(&verifier, &Nonce::new(attempt.nonce.clone())) {
            Ok(claims) => claims.clone(),
            Err(error) => return Ok(Err(error)),
        };
        if claims.authorized_party().is_some_and(|party| party.as_str() != us.client_id) {
            return Err(unproven("the ID token was made for another client"));
        }
        if let Some(hash) = claims.access_token_hash() {
            let signed_by = id_token.signing_key(&verifier).map_err(|error| NoIdentity::Unproven(error.to_string()))?;
            let algorithm = id_token.signing_alg().map_err(|error| NoIdentity::Unproven(error.to_string()))?;
            let own = AccessTokenHash::from_token(token.access_token(), algorithm, signed_by);
            if own.map_err(|error| NoIdentity::Unproven(error.to_string()))? != *hash {
                return Err(unproven("the access token is not the one that the ID token names"));
            }
        }
        Ok(Ok(claims))
    }

    /// The address and whether it is verified, where the ID token does not tell both.
    async fn told(
        &self,
        metadata: &Metadata,
        us: &Registration,
        token: &Tokens,
        claims: &Claims,
    ) -> Result<Option<CoreUserInfoClaims>, NoIdentity> {
        if address(claims).is_some() && verified(claims).is_some() {
            return Ok(None);
        }
        let client = client(metadata, us)?;
        let Ok(request) = client.user_info(token.access_token().clone(), Some(claims.subject().clone())) else { return Ok(None) };
        let told = request.request_async(&self.client(us.trusted, Asked::Userinfo)).await;
        told.map(Some).map_err(|error| match error {
            UserInfoError::Request(error @ NotFetched::Unreadable(_)) => NoIdentity::Unproven(error.to_string()),
            UserInfoError::Request(error) => NoIdentity::Unreachable(error.to_string()),
            UserInfoError::ClaimsVerification(ClaimsVerificationError::InvalidSubject(_)) => {
                NoIdentity::Unproven("its userinfo endpoint tells of somebody else".to_owned())
            }
            other => NoIdentity::Unproven(chain(&other)),
        })
    }
}

/// One of our clients, as the library asks for one.
#[derive(Clone, Copy)]
struct Through<'a>(&'a Client, Asked);

impl Through<'_> {
    async fn ask(self, request: HttpRequest) -> Result<HttpResponse, NotFetched> {
        let (parts, body) = request.into_parts();
        // The discovery document names where we go: it is no more to be trusted than who named the issuer.
        reach::url("", &parts.uri.to_string(), self.0.reach()).map_err(|_| NotFetched::NotAllowed)?;
        let path = parts.uri.path().to_owned();
        let request = http::Request::from_parts(parts, Bytes::from(body));
        let answer = self.0.send(request, MAX_ANSWER).await?;
        if answer.status().is_server_error() {
            return Err(NotFetched::Status(answer.status().as_u16()));
        }
        answers::plain(self.1, &path, answer)
    }
}

impl<'c> AsyncHttpClient<'c> for Through<'_> {
    type Error = NotFetched;
    type Future = BoxFuture<'c, Result<HttpResponse, NotFetched>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        self.ask(request).boxed()
    }
}

async fn discover(through: Through<'_>, issuer: &str) -> Result<Metadata, NoIdentity> {
    let bad = |say: &str| NoIdentity::Discovery(say.to_owned());
    let issuer = IssuerUrl::new(issuer.to_owned()).map_err(|_| bad("the issuer is no URL"))?;
    let metadata = Metadata::discover_async(issuer, &through).await.map_err(|error| match error {
        DiscoveryError::Request(error @ NotFetched::Unreadable(_)) => NoIdentity::Discovery(error.to_string()),
        DiscoveryError::Request(error) => NoIdentity::Unreachable(error.to_string()),
        DiscoveryError::Response(status, ..) => NoIdentity::Unreachable(format!("the answer was {status}")),
        other => NoIdentity::Discovery(chain(&other)),
    })?;
    let sent_to = metadata.authorization_endpoint().url().as_str();
    reach::url("", sent_to, through.0.reach()).map_err(|_| bad("its authorization endpoint may not be visited"))?;
    if metadata.token_endpoint().is_none() {
        return Err(bad("it names no token endpoint"));
    }
    let methods = metadata.additional_metadata().code_challenge_methods_supported.as_deref();
    if methods.is_some_and(|methods| !methods.iter().any(|method| method == "S256")) {
        return Err(bad("it does not know PKCE with S256"));
    }
    Ok(metadata)
}

fn client(metadata: &Metadata, us: &Registration) -> Result<Asking, NoIdentity> {
    let secret = us.client_secret.as_ref().map(|secret| ClientSecret::new(secret.expose_secret().to_owned()));
    let callback =
        RedirectUrl::new(us.callback.clone()).map_err(|_| NoIdentity::Discovery("our callback is no URL".to_owned()))?;
    let client = openidconnect::Client::from_provider_metadata(metadata.clone(), ClientId::new(us.client_id.clone()), secret);
    let methods = metadata.token_endpoint_auth_methods_supported();
    let by_post = methods.is_some_and(|methods| {
        methods.contains(&CoreClientAuthMethod::ClientSecretPost) && !methods.contains(&CoreClientAuthMethod::ClientSecretBasic)
    });
    let auth = if by_post { AuthType::RequestBody } else { AuthType::BasicAuth };
    Ok(client.set_auth_type(auth).set_redirect_uri(callback))
}

/// What a token's header says of its key, unproven.
#[derive(Default, Deserialize)]
struct Header {
    kid: Option<String>,
    alg: Option<String>,
}

fn header(token: &Tokens) -> Header {
    let text = token.id_token().map(ToString::to_string).unwrap_or_default();
    let decoded = BASE64.decode(text.split('.').next().unwrap_or_default()).unwrap_or_default();
    serde_json::from_slice(&decoded).unwrap_or_default()
}

/// A key that a token may mean: of its name, or of none, which it gets then.
fn alone(key: &CoreJsonWebKey, named: Option<&str>) -> Option<CoreJsonWebKey> {
    let Some(named) = named else { return Some(key.clone()) };
    match key.key_id() {
        Some(own) => (own.as_str() == named).then(|| key.clone()),
        None => {
            let mut renamed = serde_json::to_value(key).ok()?;
            renamed["kid"] = named.into();
            serde_json::from_value(renamed).ok()
        }
    }
}

/// Names the claim, the header or the key at fault.
fn unproven(error: &ClaimsVerificationError, token: &Tokens) -> NoIdentity {
    let said = chain(error);
    let told = match error {
        ClaimsVerificationError::SignatureVerification(_) => {
            let Header { kid, alg } = header(token);
            let [kid, alg] = [kid, alg].map(|value| value.map_or_else(|| "missing".to_owned(), |value| text::cut(&value, SHOWN)));
            format!("the ID token's signature (kid: {kid}, alg: {alg}): {said}")
        }
        _ => format!("the ID token: {said}"),
    };
    NoIdentity::Unproven(told)
}

/// An error with what is behind it, for the operator's log.
fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[async_trait]
impl IdentityProviders for OpenIdConnect {
    async fn check(&self, issuer: &str) -> Result<(), NoIdentity> {
        discover(self.client(false, Asked::Discovery), issuer).await.map(drop)
    }

    async fn authorization_url(&self, us: &Registration, attempt: &Attempt, hint: &str) -> Result<Url, NoIdentity> {
        let client = client(&*self.metadata(&us.issuer, us.trusted, FRESH).await?, us)?;
        let (state, nonce) = (CsrfToken::new(attempt.state.clone()), Nonce::new(attempt.nonce.clone()));
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(attempt.verifier.clone()));
        let asked = client.authorize_url(CoreAuthenticationFlow::AuthorizationCode, || state, || nonce);
        let asked = asked.add_scope(Scope::new("email".to_owned())).set_pkce_challenge(challenge);
        Ok(asked.add_extra_param("login_hint", hint).url().0)
    }

    async fn identify(&self, us: &Registration, attempt: &Attempt, answer: &Answer) -> Result<Identity, NoIdentity> {
        let metadata = self.metadata(&us.issuer, us.trusted, FRESH).await?;
        let says_who = metadata.additional_metadata().authorization_response_iss_parameter_supported == Some(true);
        match &answer.issuer {
            Some(issuer) if *issuer != us.issuer => return Err(NoIdentity::OtherIssuer),
            None if says_who => return Err(NoIdentity::OtherIssuer),
            _ => {}
        }
        let token = self.token(&metadata, us, attempt, answer).await?;
        let claims = self.claims(&metadata, us, attempt, &token).await?;
        let told = self.told(&metadata, us, &token, &claims).await?;
        let (subject, own) = (claims.subject().to_string(), address(&claims));
        let Some(told) = told else {
            return Ok(Identity { subject, email: own, email_verified: verified(&claims) });
        };
        let told = (told.email().map(|email| email.to_string()), told.email_verified());
        let (email, email_verified) = match (own, told) {
            // What is said of another address is not said of this one.
            (Some(own), (email, verified)) => (Some(own.clone()), verified.filter(|_| email == Some(own))),
            (None, told) => told,
        };
        Ok(Identity { subject, email, email_verified })
    }
}

/// The address that an ID token has; an empty one is none.
fn address(claims: &Claims) -> Option<String> {
    claims.email().map(|email| email.to_string()).filter(|email| !email.trim().is_empty())
}

/// What an ID token says of its address.
fn verified(claims: &Claims) -> Option<bool> {
    claims.email_verified().or_else(|| claims.additional_claims().owner_verified())
}
