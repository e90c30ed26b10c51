//! Everything a gateway can refuse a call for: status, what happened, what would fix it, and who can.

mod lack;

use entities::enums::DenialReason;

pub use self::lack::Lack;

/// Who can put a refused call right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fixer {
    /// Whoever wrote the calling program.
    Caller,
    /// Someone of the team with access to its credentials.
    TeamAdmin,
    /// The provider's staff.
    Provider,
    /// Time: it passes by itself.
    NobodyWait,
}

/// What a refusal says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// As in the problem's `code`: `SCOPE_MISSING`.
    pub code: &'static str,
    pub status: u16,
    /// The problem's `title`.
    pub title: &'static str,
    /// What happened and what would fix it; what it was about is appended where known.
    pub explanation: &'static str,
    pub remedy: &'static str,
    pub fixer: Fixer,
}

impl Entry {
    /// The problem's `detail`: one or two sentences. `about` is what the check was about: a scope, a header, methods.
    pub fn detail(&self, about: Option<&str>) -> String {
        match about {
            Some(about) => format!("{} ({about}). {}", self.explanation, self.remedy),
            None => format!("{}. {}", self.explanation, self.remedy),
        }
    }
}

macro_rules! denials {
    ($($reason:ident $code:literal $status:literal $fixer:ident $title:literal $explanation:literal $remedy:literal)*) => {
        /// Every reason.
        pub const ALL: &[DenialReason] = &[$(DenialReason::$reason),*];

        /// What a refusal for this reason says.
        pub const fn entry(reason: DenialReason) -> &'static Entry {
            match reason {
                $(DenialReason::$reason => &Entry {
                    code: $code,
                    status: $status,
                    title: $title,
                    explanation: $explanation,
                    remedy: $remedy,
                    fixer: Fixer::$fixer,
                },)*
            }
        }
    };
}

denials! {
    RouteNotFound "ROUTE_NOT_FOUND" 404 Caller "Not found"
        "No published endpoint has this path"
        "Compare the base path and the path with the product's documentation."
    MalformedRequest "MALFORMED_REQUEST" 400 Caller "Malformed request"
        "The request can be read in more than one way, so it was not read at all"
        "Send it in its plain form."
    CredentialMissing "CREDENTIAL_MISSING" 401 Caller "Credential missing"
        "The call carries no credential"
        "Send the API key as X-API-Key, or the token as Authorization: Bearer beside X-Client-ID."
    ClientIdMissing "CLIENT_ID_MISSING" 401 Caller "Client id missing"
        "The call carries a token but does not say whose it is"
        "Send the client's id as X-Client-ID; the portal shows it beside the credential."
    CredentialInvalid "CREDENTIAL_INVALID" 401 Caller "Credential invalid"
        "The credential is not one of ours, or not this client's"
        "Send it exactly as it was shown when it was made; if it is lost, make a new one in the portal."
    IdentityMismatch "IDENTITY_MISMATCH" 403 Caller "Identity mismatch"
        "The identity headers contradict the credential"
        "Leave out X-Client-ID and X-Profile-ID, or send those that the credential belongs to."
    ProfileRequired "PROFILE_REQUIRED" 403 Caller "Profile required"
        "The client has several profiles that this call could belong to, or none"
        "Send the profile's name or id as X-Profile-ID."
    ClientUnknown "CLIENT_UNKNOWN" 403 Caller "Client unknown"
        "There is no client with this id"
        "Send the client's id, client_ and 26 characters, as the portal shows it."
    ClientDisabled "CLIENT_DISABLED" 403 Provider "Client disabled"
        "The client is switched off"
        "Ask the provider to enable it."
    ProfileUnknown "PROFILE_UNKNOWN" 403 Caller "Profile unknown"
        "The client has no such profile"
        "Send the name or the id of one of the client's profiles as X-Profile-ID."
    ProfileDisabled "PROFILE_DISABLED" 403 Provider "Profile disabled"
        "The profile is switched off"
        "Ask the provider to enable it."
    SubscriptionInactive "SUBSCRIPTION_INACTIVE" 403 TeamAdmin "Subscription inactive"
        "The subscription is not in force for this environment"
        "Look at its status in the portal: it may wait for approval or payment, be suspended, or have ended."
    ProductNotAssigned "PRODUCT_NOT_ASSIGNED" 403 TeamAdmin "Product not assigned"
        "The client does not hold this product"
        "Subscribe to one of its plans, or ask the provider to assign it."
    IpNotAllowed "IP_NOT_ALLOWED" 403 TeamAdmin "Address not allowed"
        "The call comes from an address outside the profile's allowlist"
        "Add the address to the profile's network rules, or call from one that is listed."
    MethodNotAllowed "METHOD_NOT_ALLOWED" 405 Caller "Method not allowed"
        "The method is not allowed here"
        "Use one of the methods in the Allow header."
    WrongEnvironment "WRONG_ENVIRONMENT" 401 Caller "Wrong environment"
        "The credential belongs to another environment than the profile"
        "Use a sandbox credential with a sandbox profile, and a production one with a production profile."
    CredentialRevoked "CREDENTIAL_REVOKED" 401 TeamAdmin "Credential revoked"
        "The credential was revoked"
        "Make a new one in the portal."
    CredentialExpired "CREDENTIAL_EXPIRED" 401 TeamAdmin "Credential expired"
        "The credential, or this secret of it, has expired"
        "Use the newer secret, or make a new credential in the portal."
    ScopeMissing "SCOPE_MISSING" 403 TeamAdmin "Scope missing"
        "The credential does not hold a scope that this endpoint requires"
        "Somebody with full access to the team's credentials can ask for it in the portal (requestScopes) where the plan offers \
         it; what no plan offers, the provider alone can give."
    RateLimited "RATE_LIMITED" 429 NobodyWait "Too many requests"
        "The rate limit is reached"
        "Wait as long as Retry-After says, and spread the calls out."
    QuotaExhausted "QUOTA_EXHAUSTED" 429 NobodyWait "Quota exhausted"
        "The quota of this period is used up"
        "Wait for the next period, or ask the provider for a larger quota."
    Unavailable "UNAVAILABLE" 503 NobodyWait "Unavailable"
        "The gateway could not confirm in time that the call may pass, so it did not let it through"
        "Try again in a moment."
    RequestTooLarge "REQUEST_TOO_LARGE" 413 Caller "Request too large"
        "The request is larger than the gateway takes"
        "Send less at once."
    SchemaViolation "SCHEMA_VIOLATION" 400 Caller "Schema violation"
        "The request is not what the product's document asks for"
        "Compare it with the endpoint's documentation."
    UpstreamUnreachable "UPSTREAM_UNREACHABLE" 502 Provider "Upstream unreachable"
        "The API behind the gateway could not be reached"
        "Try again; if it stays so, tell the provider and name the request id."
    RequestTimeout "REQUEST_TIMEOUT" 408 Caller "Request timeout"
        "The request's body came too slowly"
        "Send it without pauses: at least 1 KiB a second after ten seconds, and all of it within ten minutes."
    UpstreamTimeout "UPSTREAM_TIMEOUT" 504 Provider "Upstream timeout"
        "The API behind the gateway did not answer in time"
        "Try again if the call may be repeated; if it stays so, tell the provider and name the request id."
    LoopDetected "LOOP_DETECTED" 508 Provider "Loop detected"
        "The call was on its way back to this gateway"
        "The provider has to give the product the address of the API itself."
}

/// What a refusal says that is about this. Who can give a scope depends on why it is not held.
pub fn told(reason: DenialReason, about: Option<&str>) -> &'static Entry {
    match (reason, about.and_then(|about| Lack::read(about).1)) {
        (DenialReason::ScopeMissing, Some(lack)) => lack.entry(),
        _ => entry(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table() {
        let rows: Vec<String> = ALL
            .iter()
            .map(|reason| {
                let e = entry(*reason);
                format!("{} {} {:?}\n    {}", e.status, e.code, e.fixer, e.detail(Some("about")))
            })
            .collect();
        insta::assert_snapshot!(rows.join("\n"));
    }

    #[test]
    fn every_reason_is_in_the_list_and_its_code_is_its_name() {
        use sea_orm::{ActiveEnum, Iterable};
        assert_eq!(DenialReason::iter().count(), ALL.len());
        for reason in DenialReason::iter() {
            assert_eq!(entry(reason).code, reason.to_value().to_ascii_uppercase());
        }
    }
}
