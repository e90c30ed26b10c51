//! What a gateway decided on a call, told from the log: which checks it passed, which refused it, what would change that.

use entities::{enums::DenialReason, request_log};

use super::{
    admission::Check,
    denial::{self, Fixer},
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Whether the call was let through to its upstream.
    pub allowed: bool,
    pub explanation: String,
    pub remedy: Option<&'static str>,
    pub fixer: Option<Fixer>,
    /// Up to the one that refused the call; later ones were not made.
    pub checks: Vec<Checked>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    pub check: Check,
    pub passed: bool,
    /// What a failed one was about.
    pub detail: Option<String>,
}

impl Check {
    /// What people read.
    pub fn name(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Identity => "identity",
            Self::Client => "client",
            Self::Profile => "profile",
            Self::Subscription => "subscription",
            Self::Product => "product",
            Self::Network => "network",
            Self::Method => "method",
            Self::Credential => "credential",
            Self::Scopes => "scopes",
            Self::Limits => "limits",
            Self::Forward => "forward",
        }
    }
}

/// The check that refuses for this reason. Some reasons have two: before and after the endpoint was found.
fn check_of(reason: DenialReason, endpoint_found: bool) -> Check {
    match reason {
        DenialReason::RouteNotFound => Check::Route,
        DenialReason::MalformedRequest | DenialReason::RequestTooLarge if !endpoint_found => Check::Route,
        DenialReason::MethodNotAllowed if !endpoint_found => Check::Route,
        DenialReason::MalformedRequest
        | DenialReason::RequestTooLarge
        | DenialReason::CredentialMissing
        | DenialReason::ClientIdMissing
        | DenialReason::IdentityMismatch
        | DenialReason::ProfileRequired => Check::Identity,
        DenialReason::ClientUnknown | DenialReason::ClientDisabled => Check::Client,
        DenialReason::ProfileUnknown | DenialReason::ProfileDisabled => Check::Profile,
        DenialReason::SubscriptionInactive => Check::Subscription,
        DenialReason::ProductNotAssigned => Check::Product,
        DenialReason::IpNotAllowed => Check::Network,
        DenialReason::MethodNotAllowed => Check::Method,
        DenialReason::CredentialInvalid
        | DenialReason::WrongEnvironment
        | DenialReason::CredentialRevoked
        | DenialReason::CredentialExpired => Check::Credential,
        DenialReason::ScopeMissing => Check::Scopes,
        DenialReason::RateLimited | DenialReason::QuotaExhausted | DenialReason::Unavailable => Check::Limits,
        DenialReason::SchemaViolation
        | DenialReason::UpstreamUnreachable
        | DenialReason::UpstreamTimeout
        | DenialReason::LoopDetected
        | DenialReason::RequestTimeout => Check::Forward,
    }
}

/// The detail of a call that was decided on for a gateway in front, which forwards it: how it ended is not known here.
pub const FORWARDED_IN_FRONT: &str = "let through, for the gateway in front to forward";

/// What the detail of a call begins with that was let in, and ended later by the gateway; the reason follows.
pub const ENDED_WHILE_OPEN: &str = "ended while it was open: ";

/// Whether a call's detail tells of the provider's network: what was resolved and connected to.
pub fn names_inside_hosts(row: &request_log::Model) -> bool {
    matches!(row.denial, Some(DenialReason::UpstreamUnreachable | DenialReason::UpstreamTimeout))
}

/// Explains a logged call.
pub fn explain(row: &request_log::Model) -> Explanation {
    let Some(reason) = row.denial else {
        if row.denial_detail.as_deref() == Some(FORWARDED_IN_FRONT) {
            return forwarded_in_front();
        }
        let checks = Check::ALL.map(|check| Checked { check, passed: true, detail: None });
        let explanation = format!("The call passed every check; {}.", ended(row));
        return Explanation { allowed: true, explanation, remedy: None, fixer: None, checks: checks.into() };
    };
    let failed = match check_of(reason, row.endpoint_id.is_some()) {
        // An API key that nobody was found by is refused before its client is looked at.
        Check::Credential if row.client_id.is_none() => Check::Identity,
        // A call without a credential is refused there only where its profile was named.
        Check::Identity if reason == DenialReason::CredentialMissing && row.profile_id.is_some() => Check::Credential,
        check => check,
    };
    let checks = Check::ALL.into_iter().filter(|check| *check <= failed).map(|check| {
        let passed = check < failed;
        Checked { check, passed, detail: row.denial_detail.clone().filter(|_| !passed) }
    });
    let entry = denial::told(reason, row.denial_detail.as_deref());
    let explanation = match &row.denial_detail {
        Some(about) => format!("{} ({about}).", entry.explanation),
        None => format!("{}.", entry.explanation),
    };
    Explanation {
        allowed: failed == Check::Forward,
        explanation,
        remedy: Some(entry.remedy),
        fixer: Some(entry.fixer),
        checks: checks.collect(),
    }
}

/// The status of a call whose caller was gone before the answer's head. Not a registered one; the field has learned to read it.
pub const HUNG_UP: u16 = 499;

/// How a call that was let through ended.
fn ended(row: &request_log::Model) -> String {
    let status = row.status;
    let refused = row.denial_detail.as_deref().and_then(|detail| detail.strip_prefix(ENDED_WHILE_OPEN));
    if let Some(why) = refused {
        return format!(
            "the API behind the gateway answered {status}. The gateway ended it while it was open, as it would not be let in any \
             more: {why}"
        );
    }
    match (row.completed, &row.denial_detail) {
        _ if status == HUNG_UP.cast_signed() => "the caller went away before the API behind the gateway answered".to_owned(),
        (true, _) => format!("the API behind the gateway answered {status}"),
        (false, Some(detail)) => format!("the API behind the gateway answered {status}, but not to the end: {detail}"),
        (false, None) => format!("the API behind the gateway answered {status}, and the caller went away before the end"),
    }
}

fn forwarded_in_front() -> Explanation {
    let made = Check::ALL.into_iter().filter(|check| *check < Check::Forward);
    Explanation {
        allowed: true,
        explanation: "The call passed every check; the gateway in front of this one forwarded it, and what the API answered is \
                      not known here."
            .to_owned(),
        remedy: None,
        fixer: None,
        checks: made.map(|check| Checked { check, passed: true, detail: None }).collect(),
    }
}

#[cfg(test)]
mod tests {
    use entities::id::{ClientId, EndpointId, RequestLogId};
    use uuid::Uuid;

    use super::*;

    fn row(denial: Option<DenialReason>, endpoint: bool, client: bool) -> request_log::Model {
        request_log::Model {
            id: RequestLogId(Uuid::nil()),
            at: chrono::DateTime::UNIX_EPOCH,
            team_id: None,
            client_id: client.then_some(ClientId(Uuid::nil())),
            profile_id: None,
            credential_id: None,
            product_id: None,
            endpoint_id: endpoint.then_some(EndpointId(Uuid::nil())),
            endpoint: None,
            environment: None,
            method: "GET".to_owned(),
            path: "/pay".to_owned(),
            status: 200,
            latency_us: 1,
            denial,
            denial_detail: denial.map(|_| "about".to_owned()),
            ip: "127.0.0.1".to_owned(),
            user_agent: None,
            request_headers: Vec::new().into_iter().collect(),
            response_headers: Vec::new().into_iter().collect(),
            via_explorer: false,
            completed: true,
        }
    }

    #[test]
    fn each_reason_fails_one_check_and_shows_those_before_it() {
        let lines = denial::ALL.iter().flat_map(|reason| [false, true].map(|found| (reason, found))).map(|(reason, found)| {
            let told = explain(&row(Some(*reason), found, found));
            let last = told.checks.last().unwrap();
            assert!(!last.passed && last.detail.is_some());
            assert!(told.checks[..told.checks.len() - 1].iter().all(|c| c.passed && c.detail.is_none()));
            format!("{reason:?} {} {} {:?}", if found { "later" } else { "early" }, last.check.name(), told.fixer.unwrap())
        });
        insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn an_answered_call_passed_all() {
        let told = explain(&row(None, true, true));
        assert!(told.allowed && told.checks.len() == Check::ALL.len() && told.checks.iter().all(|c| c.passed));
        assert_eq!(told.explanation, "The call passed every check; the API behind the gateway answered 200.");
    }

    #[test]
    fn an_answer_that_did_not_end_is_not_told_as_one_that_did() {
        let broken = request_log::Model { completed: false, ..row(None, true, true) };
        let upstream = request_log::Model { denial_detail: Some("the upstream's answer broke off".to_owned()), ..broken.clone() };
        let gone = request_log::Model { status: 499, ..broken.clone() };
        for (row, say) in [
            (upstream, "answered 200, but not to the end: the upstream's answer broke off."),
            (broken, "answered 200, and the caller went away before the end."),
            (gone, "the caller went away before the API behind the gateway answered."),
        ] {
            let told = explain(&row);
            assert!(told.allowed && told.explanation.ends_with(say), "{}", told.explanation);
        }
    }

    #[test]
    fn of_a_call_that_a_gateway_in_front_forwards_the_answer_is_not_known() {
        let told = explain(&request_log::Model { denial_detail: Some(FORWARDED_IN_FRONT.to_owned()), ..row(None, true, true) });
        assert!(told.allowed && told.checks.iter().all(|c| c.passed && c.check < Check::Forward));
        assert!(told.explanation.ends_with("is not known here."), "{}", told.explanation);
    }
}
