//! Who calls by an access token of our own, or asks for one: the credential behind it, and whether it may call at all.

use std::{borrow::Cow, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use entities::{
    enums::{AuthMethod, DenialReason},
    id::{CredentialId, CredentialSecretId, TokenId},
};

use super::{
    Call, Known,
    checks::{Decision, Holds, held},
    granted::granted_in_all,
};
use crate::rules::{
    credential::{self, state},
    jose::{
        BadToken, Jws, Shown,
        access_token::{self, AccessToken},
        outside_token::{self, OutsideToken},
        signed_jwt,
    },
    key_source::KeySource,
    view::{Client, Credential, Moment, Outside, Proof, Scopes, View},
};

/// A client that proved itself, and by what.
#[derive(Debug, Clone)]
pub struct Caller {
    pub client: Arc<Client>,
    /// The credential's place among the client's.
    pub at: usize,
    pub secret: CredentialSecretId,
}

impl Caller {
    pub fn credential(&self) -> &Credential {
        &self.client.credentials[self.at]
    }

    /// The scopes that it holds.
    pub fn scopes<'a>(&'a self, granted: &'a Scopes) -> impl Iterator<Item = &'a str> {
        held(&self.client, self.holds(granted, None))
    }

    /// Those that an access token which names these gives it.
    pub fn scopes_by<'a>(&'a self, granted: &'a Scopes, token_scope: &'a str) -> impl Iterator<Item = &'a str> {
        held(&self.client, self.holds(granted, Some(token_scope)))
    }

    /// What its client was granted of all products in the credential's environment.
    pub fn granted(&self, view: &impl View) -> Scopes {
        granted_in_all(view, &self.client, self.credential().environment)
    }

    fn holds<'a>(&'a self, granted: &'a Scopes, token_scope: Option<&'a str>) -> Holds<'a> {
        Holds { granted, credential: Some(self.credential()), secret: Some(self.secret), token_scope }
    }

    /// The certificate that it proved itself by: what it is given is bound to that one.
    pub fn certificate(&self) -> Option<[u8; 32]> {
        let secret = self.credential().secrets.iter().find(|secret| secret.id == self.secret)?;
        (self.credential().kind == AuthMethod::Mtls).then_some(secret.hash)
    }

    /// When the credential, or the secret of it that was shown, ends.
    pub fn ends(&self) -> Option<Moment> {
        let secret = self.credential().secrets.iter().find(|secret| secret.id == self.secret)?;
        Some(self.credential().expires_at.min(secret.valid_until)).filter(|end| *end != Moment::NEVER)
    }
}

/// Whether calls by this client would be let through up to the check of its credential: steps 3 and 4, and what of step 8 does
/// not depend on the call.
pub fn may_call(view: &impl View, caller: &Caller, now: DateTime<Utc>) -> Result<(), DenialReason> {
    let (client, credential) = (&caller.client, caller.credential());
    if !client.enabled {
        return Err(DenialReason::ClientDisabled);
    }
    let profile = &client.profiles[usize::from(credential.profile)];
    if !profile.enabled {
        return Err(DenialReason::ProfileDisabled);
    }
    let nobody = Call::of_nobody(now);
    let decision = Decision { view, call: &nobody, now: now.into() };
    decision.subscription(client, profile.environment).map_err(|refusal| refusal.reason)?;
    credential_state(credential, now.into())
}

pub(super) fn credential_state(credential: &Credential, now: Moment) -> Result<(), DenialReason> {
    use entities::enums::CredentialStatus::{Active, Expired, Revoked, Unclaimed};
    match state(credential.status, credential.expires_at, now) {
        Active => Ok(()),
        Revoked => Err(DenialReason::CredentialRevoked),
        Expired => Err(DenialReason::CredentialExpired),
        Unclaimed => Err(DenialReason::CredentialInvalid),
    }
}

/// The client and the credential that an access token names, by the claim of its subject. Nothing is proven.
pub(super) fn named_by(view: &impl View, jws: &Jws<'_>) -> Option<(Arc<Client>, usize)> {
    let id: CredentialId = jws.claimed_subject()?.parse().ok()?;
    let (client, hint) = view.oauth_client(id)?;
    let client = view.client(client)?;
    let at = client.credential_at(id, hint)?;
    Some((client, at))
}

/// Who stands behind a token that holds; `None` where what it was issued for works no longer, or it was revoked.
pub fn token_caller(view: &impl View, token: &AccessToken<'_>, now: Moment) -> Option<Caller> {
    let id: CredentialId = token.client_id.parse().ok()?;
    let (client, hint) = view.oauth_client(id)?;
    let client = view.client(client)?;
    let at = client.credential_at(id, hint)?;
    let secret = issued_for(&client, &client.credentials[at], token, now).ok()?;
    Some(Caller { client, at, secret })
}

/// The secret that a token was issued for: a token ends with it.
fn issued_for(
    client: &Client,
    credential: &Credential,
    token: &AccessToken<'_>,
    now: Moment,
) -> Result<CredentialSecretId, (DenialReason, Cow<'static, str>)> {
    let revoked = token.jti.parse::<TokenId>().is_ok_and(|jti| client.revoked_tokens.contains(&jti));
    if revoked {
        return Err((DenialReason::CredentialRevoked, "the access token was revoked".into()));
    }
    let proof: Option<CredentialSecretId> = token.proof.parse().ok();
    let live = credential::live(&credential.secrets, now).find(|secret| Some(secret.id) == proof);
    let ended = || (DenialReason::CredentialExpired, "what the access token was issued for has ended: get a new one".into());
    live.map(|secret| secret.id).ok_or_else(ended)
}

/// What a presented access token proves.
pub(super) struct Proven {
    pub secret: CredentialSecretId,
    /// What the token may use of the scopes that are held.
    pub scope: Box<str>,
}

type Refused = (DenialReason, Cow<'static, str>);

pub(super) fn prove_access_token(
    view: &impl View,
    call: &Call<'_>,
    jws: &Jws<'_>,
    (client, at): (&Client, usize),
) -> Result<Proven, Refused> {
    let expected = call.tokens;
    let token =
        access_token::check(jws, &view.token_keys(), expected, call.now, TimeDelta::zero()).map_err(|error| match error {
            BadToken::NoKeyFits(_) | BadToken::SignatureWrong => {
                (DenialReason::CredentialInvalid, "the access token was not issued here: get one from the token endpoint".into())
            }
            error => bad(&error),
        })?;
    let credential = &client.credentials[at];
    if token.environment != credential.environment {
        return Err((DenialReason::WrongEnvironment, "the access token is for the other environment".into()));
    }
    bound_to(token.certificate, call)?;
    let secret = issued_for(client, credential, &token, call.now.into())?;
    Ok(Proven { secret, scope: token.scope.into() })
}

/// A token that is bound to a certificate comes with it (RFC 8705 section 3).
fn bound_to(certificate: Option<[u8; 32]>, call: &Call<'_>) -> Result<(), Refused> {
    let Some(bound) = certificate else { return Ok(()) };
    if call.certificate.is_some_and(|shown| shown.certificate.thumbprint == bound && shown.certificate.is_in_force(call.now)) {
        return Ok(());
    }
    let say = "the token is bound to a certificate: send it over a connection that shows that one";
    Err((DenialReason::CredentialInvalid, say.into()))
}

/// A token of an outside issuer. With a refusal comes where its keys are, where other keys could change it.
pub(super) fn prove_outside_token<'j>(
    view: &impl View,
    call: &Call<'_>,
    jws: &'j Jws<'_>,
    outside: &Outside,
) -> Result<OutsideToken<'j>, (Option<KeySource>, Refused)> {
    let source = KeySource::Issuer(outside.issuer.as_str().into());
    if jws.claimed_issuer() != Some(&outside.issuer) {
        // Whoever has signed it, asking this issuer for keys would not help.
        let found = jws.claimed_issuer().map_or_else(|| "missing".to_owned(), |issuer| Shown::of(issuer).to_string());
        let say = format!("iss is {found}; the profile takes tokens whose iss is {}", outside.issuer);
        return Err((None, (DenialReason::CredentialInvalid, say.into())));
    }
    let Some(keys) = view.outside_keys(&source, call.now) else {
        let say = "the issuer's keys cannot be read now, and without them no token of it can be verified";
        return Err((Some(source), (DenialReason::CredentialInvalid, say.into())));
    };
    let expected = outside_token::Expected { issuer: &outside.issuer, audience: Some(&outside.audience) };
    let token = outside_token::check(jws, &keys, expected, call.now).map_err(|error| {
        let wants = error.may_be_of_new_key().then_some(source);
        (wants, bad(&error))
    })?;
    bound_to(token.cnf.certificate, call).map_err(|refused| (None, refused))?;
    if token.cnf.dpop_key.is_some() {
        let say = "the token is bound to a DPoP key, which is not taken here: get one that is not";
        return Err((None, (DenialReason::CredentialInvalid, say.into())));
    }
    Ok(token)
}

/// A token that the partner signed with a secret of one of the profile's credentials: the credential's place, and the secret.
pub(super) fn prove_signed_jwt(
    call: &Call<'_>,
    jws: &Jws<'_>,
    (client, profile): (&Client, usize),
) -> Result<(usize, CredentialSecretId), Refused> {
    let now = call.now.into();
    let mut candidates = Vec::new();
    for (at, credential) in client.credentials.iter().enumerate() {
        if usize::from(credential.profile) != profile || credential.kind != AuthMethod::SignedJwt {
            continue;
        }
        if credential_state(credential, now).is_err() {
            continue;
        }
        for secret in credential::live(&credential.secrets, now) {
            if let Some(Proof::Shared(shared)) = secret.proof.as_deref() {
                candidates.push((at, secret.id, shared));
            }
        }
    }
    let client_id = client.id.to_string();
    let audiences = [call.tokens.audience, call.tokens.issuer];
    let expected = signed_jwt::Expected { client_id: &client_id, audiences: &audiences };
    let secrets = candidates.iter().map(|(_, _, shared)| secrecy::ExposeSecret::expose_secret(*shared).as_bytes());
    let held = signed_jwt::check(jws, secrets, expected, call.now).map_err(|e| bad(&e))?;
    let (at, secret, _) = candidates[held.secret];
    Ok((at, secret))
}

fn bad(error: &BadToken) -> Refused {
    let reason = match error {
        BadToken::Expired(_) => DenialReason::CredentialExpired,
        _ => DenialReason::CredentialInvalid,
    };
    (reason, error.to_string().into())
}

impl Known {
    pub(super) fn of(client: &Arc<Client>, at: usize) -> Self {
        let profile = usize::from(client.credentials[at].profile);
        Self { client: Some(client.clone()), profile: Some(profile), credential: Some(at), ..Self::default() }
    }
}

#[cfg(test)]
mod tests;
