//! Single sign-on: whom an identity provider may sign in. A team's provider speaks for the people of that team, at the domains
//! that the team has proven, and for nobody else.

use chrono::TimeDelta;

use super::{mail_domain::of_address, text};
use crate::{Problem, ProblemCode};

/// From leaving for the provider to coming back.
pub const AWAY: TimeDelta = TimeDelta::minutes(10);

/// Whose provider it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SpeaksFor {
    Team,
    /// The provider of the APIs: its own people.
    Staff,
}

/// What a provider says of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asserted<'a> {
    pub email: Option<&'a str>,
    pub verified: Option<bool>,
}

/// What the portal knows of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Person {
    pub staff: bool,
    /// A member of the provider's team.
    pub member: bool,
    /// A member of another team.
    pub elsewhere: bool,
}

/// Why a provider does not sign somebody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The browser brings no start, or another's.
    NotStarted,
    TooLate,
    /// The person, or the provider, said no.
    Declined,
    /// It does not answer, or not as OpenID Connect asks for.
    Unreachable,
    /// It refused our request for a token.
    Misconfigured,
    /// What it said does not hold: signature, audience, nonce, time.
    Unproven,
    OtherIssuer,
    NoAddress,
    NotVerified,
    ForeignAddress,
    NotInvited,
    NotStaff,
    /// It speaks for a team, and this is somebody of the staff or of other teams alone. Which of them is not its business.
    NotTheirs,
    /// The provider knew somebody else by this address.
    OtherSubject,
    TeamNotInUse,
    /// The provider was set up anew, or taken away, while somebody was on the way.
    Changed,
}

impl Refusal {
    /// For the audit log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotStarted => "not_started",
            Self::TooLate => "too_late",
            Self::Declined => "declined",
            Self::Unreachable => "unreachable",
            Self::Misconfigured => "misconfigured",
            Self::Unproven => "unproven",
            Self::OtherIssuer => "other_issuer",
            Self::NoAddress => "no_address",
            Self::NotVerified => "not_verified",
            Self::ForeignAddress => "foreign_address",
            Self::NotInvited => "not_invited",
            Self::NotStaff => "not_staff",
            Self::NotTheirs => "not_theirs",
            Self::OtherSubject => "other_subject",
            Self::TeamNotInUse => "team_not_in_use",
            Self::Changed => "changed",
        }
    }

    pub fn problem(self) -> Problem {
        let (code, say) = match self {
            Self::NotStarted => (
                ProblemCode::Invalid,
                "this sign-in was not started in this browser, or was used already: start it again from the sign-in page",
            ),
            Self::TooLate => (ProblemCode::Expired, "this sign-in took longer than ten minutes: start it again"),
            Self::Declined => (
                ProblemCode::WrongState,
                "your organisation's sign-in was not completed: start it again, or ask your administrator",
            ),
            Self::Unreachable => (
                ProblemCode::WrongState,
                "your organisation's identity provider does not answer as it should: try again in a minute, or ask your administrator",
            ),
            Self::Misconfigured => (
                ProblemCode::WrongState,
                "your organisation's identity provider refuses this portal: ask your administrator to check client id and secret",
            ),
            Self::Unproven => (
                ProblemCode::Invalid,
                "what your organisation's identity provider said does not hold, so nobody is signed in: start again, or ask your \
                 administrator",
            ),
            Self::OtherIssuer => (
                ProblemCode::Invalid,
                "the answer came from another identity provider than was asked, so nobody is signed in: start again",
            ),
            Self::NoAddress => (
                ProblemCode::Required,
                "your organisation's identity provider tells no mail address: ask your administrator to release the claim email",
            ),
            Self::NotVerified => (
                ProblemCode::Invalid,
                "your organisation's identity provider does not say that your mail address is verified: verify it there, or ask your \
                 administrator to release the claim email_verified",
            ),
            Self::ForeignAddress => (
                ProblemCode::Invalid,
                "your mail address is not at a domain that your organisation has proven here: sign in with a link by mail instead",
            ),
            Self::NotInvited => {
                (ProblemCode::WrongState, "you are not invited yet: ask an administrator of your team for an invitation")
            }
            Self::NotStaff => (ProblemCode::WrongState, "this address has no staff role here: ask an administrator for one"),
            Self::NotTheirs => (
                ProblemCode::WrongState,
                "your organisation's account does not sign this address in: ask for a link by mail, and accept an invitation to your \
                 team if you have one",
            ),
            Self::OtherSubject => (
                ProblemCode::WrongState,
                "somebody else at your organisation had this address here: ask an administrator of your team to remove that member, \
                 and to invite you",
            ),
            Self::TeamNotInUse => (ProblemCode::WrongState, "your team waits for approval, or was declined: ask the provider"),
            Self::Changed => (
                ProblemCode::WrongState,
                "your organisation's single sign-on was changed while you were away: start again from the sign-in page",
            ),
        };
        Problem::new(code, "", say)
    }
}

/// The address that a provider may speak of: verified, as far as it says, and at one of these domains.
pub fn address(asserted: Asserted<'_>, domains: &[String]) -> Result<String, Refusal> {
    let email = asserted.email.filter(|email| !email.trim().is_empty()).ok_or(Refusal::NoAddress)?;
    if asserted.verified == Some(false) {
        return Err(Refusal::NotVerified);
    }
    let email = text::email("email", email).map_err(|_| Refusal::NoAddress)?;
    is_within(&email, domains)?;
    Ok(email)
}

/// Whether an account that is there already becomes a subject's by its address. Silence is not enough: some providers let people
/// write any address into their profile.
pub fn may_link(verified: Option<bool>) -> Result<(), Refusal> {
    if verified == Some(true) { Ok(()) } else { Err(Refusal::NotVerified) }
}

/// Whether an address is at one of these domains.
pub fn is_within(email: &str, domains: &[String]) -> Result<(), Refusal> {
    let at = of_address(email);
    if domains.iter().any(|domain| domain == at) { Ok(()) } else { Err(Refusal::ForeignAddress) }
}

/// Whether a provider may sign in somebody whom the portal knows.
pub fn may_sign_in(provider: SpeaksFor, person: Person) -> Result<(), Refusal> {
    match (provider, person) {
        (SpeaksFor::Staff, Person { staff: true, .. }) => Ok(()),
        (SpeaksFor::Staff, _) => Err(Refusal::NotStaff),
        (SpeaksFor::Team, Person { staff: true, .. } | Person { member: false, elsewhere: true, .. }) => Err(Refusal::NotTheirs),
        (SpeaksFor::Team, _) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_counts_inside_the_proven_domains() {
        let domains = ["acme.example", "xn--bcher-kva.example"].map(str::to_owned);
        let said = |email, verified| address(Asserted { email, verified }, &domains);
        for (email, verified, counts) in [
            (Some("ada@acme.example"), Some(true), Ok("ada@acme.example")),
            (Some(" Ada@ACME.example "), None, Ok("ada@acme.example")),
            (Some("ada@xn--bcher-kva.example"), None, Ok("ada@xn--bcher-kva.example")),
            (None, Some(true), Err(Refusal::NoAddress)),
            (Some(" "), Some(true), Err(Refusal::NoAddress)),
            (Some("ada"), Some(true), Err(Refusal::NoAddress)),
            (Some("ada@acme.example\nbob@acme.example"), Some(true), Err(Refusal::NoAddress)),
            (Some("ada@acme.example"), Some(false), Err(Refusal::NotVerified)),
            (Some("bob@globex.example"), Some(true), Err(Refusal::ForeignAddress)),
            (Some("ada@sub.acme.example"), Some(true), Err(Refusal::ForeignAddress)),
            (Some("ada@notacme.example"), Some(true), Err(Refusal::ForeignAddress)),
            (Some("ada@acme.example.evil.example"), Some(true), Err(Refusal::ForeignAddress)),
        ] {
            assert_eq!(said(email, verified), counts.map(str::to_owned), "{email:?} {verified:?}");
        }
        assert_eq!(address(Asserted { email: Some("ada@acme.example"), verified: None }, &[]), Err(Refusal::ForeignAddress));
    }

    #[test]
    fn an_account_that_is_there_is_linked_by_a_verified_address_alone() {
        assert_eq!(may_link(Some(true)), Ok(()));
        assert_eq!(may_link(Some(false)), Err(Refusal::NotVerified));
        assert_eq!(may_link(None), Err(Refusal::NotVerified));
    }

    #[test]
    fn a_provider_signs_in_its_own_people() {
        let person = |staff, member, elsewhere| Person { staff, member, elsewhere };
        for (who, by_team, by_staff) in [
            (person(false, false, false), Ok(()), Err(Refusal::NotStaff)),
            (person(false, true, false), Ok(()), Err(Refusal::NotStaff)),
            (person(false, true, true), Ok(()), Err(Refusal::NotStaff)),
            (person(false, false, true), Err(Refusal::NotTheirs), Err(Refusal::NotStaff)),
            (person(true, false, false), Err(Refusal::NotTheirs), Ok(())),
            (person(true, true, false), Err(Refusal::NotTheirs), Ok(())),
            (person(true, true, true), Err(Refusal::NotTheirs), Ok(())),
            (person(true, false, true), Err(Refusal::NotTheirs), Ok(())),
        ] {
            assert_eq!(may_sign_in(SpeaksFor::Team, who), by_team, "{who:?}");
            assert_eq!(may_sign_in(SpeaksFor::Staff, who), by_staff, "{who:?}");
        }
    }
}
