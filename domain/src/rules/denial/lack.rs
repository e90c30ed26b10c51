//! Why a call does not hold a scope that its operation asks for. Who can change that depends on it, and is told from the log too.

use entities::enums::DenialReason;

use super::{Entry, Fixer, entry};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// The product is the subscription's, which was not granted it.
    Grant,
    /// No subscription gives the product, and what was assigned by hand names other scopes.
    Assignment,
    /// The credential is restricted to others.
    Credential,
    /// The secret was found in public, and may use what was left to it.
    Secret,
    /// The access token was issued for others.
    Token,
}

impl Lack {
    pub const ALL: [Self; 5] = [Self::Grant, Self::Assignment, Self::Credential, Self::Secret, Self::Token];

    /// What a refusal for this scope is about. [`Lack::read`] takes it apart again.
    pub fn about(self, scope: &str) -> String {
        format!("{scope}{}", self.words())
    }

    /// The scope, and why it is not held, where that was said.
    pub fn read(about: &str) -> (&str, Option<Self>) {
        let found = Self::ALL.into_iter().find_map(|lack| Some((about.strip_suffix(lack.words())?, Some(lack))));
        found.unwrap_or((about, None))
    }

    /// They stand in the log, by which a call is explained later: changed, what was logged before is told in general.
    fn words(self) -> &'static str {
        match self {
            Self::Grant => ", which the subscription was not granted",
            Self::Assignment => ", which the assignment of the product does not give",
            Self::Credential => ", which the credential is not for",
            Self::Secret => ", which was taken from the secret when it was found in public",
            Self::Token => ", which the access token was not issued for",
        }
    }

    pub(super) fn entry(self) -> &'static Entry {
        match self {
            Self::Grant => {
                const TOLD: Entry = telling(
                    Fixer::TeamAdmin,
                    "Somebody with full access to the team's credentials can ask for it in the portal (requestScopes), if the plan \
                     offers it for this environment; if it does not, only the provider can give it, by a plan that does.",
                );
                &TOLD
            }
            Self::Assignment => {
                const TOLD: Entry = telling(
                    Fixer::Provider,
                    "Only the provider's staff can add it, to the assignment (assignProduct): no subscription gives the client this \
                     product, so there is nothing to ask for in the portal.",
                );
                &TOLD
            }
            Self::Credential => {
                const TOLD: Entry = telling(
                    Fixer::TeamAdmin,
                    "The client holds it, and this credential is restricted to others: use one that is not, or make one in the \
                     portal (createCredential).",
                );
                &TOLD
            }
            Self::Secret => {
                const TOLD: Entry = telling(
                    Fixer::TeamAdmin,
                    "Rotate the secret in the portal (rotateSecret): the new one may use what the credential may.",
                );
                &TOLD
            }
            Self::Token => {
                const TOLD: Entry = telling(
                    Fixer::Caller,
                    "Get a new access token with this scope among those that are asked for, or without asking for any.",
                );
                &TOLD
            }
        }
    }
}

const fn telling(fixer: Fixer, remedy: &'static str) -> Entry {
    let Entry { code, status, title, explanation, remedy: _, fixer: _ } = *entry(DenialReason::ScopeMissing);
    Entry { code, status, title, explanation, remedy, fixer }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_can_do_what_about_each() {
        let rows = Lack::ALL.map(|lack| {
            let about = lack.about("ship:write");
            assert_eq!(Lack::read(&about), ("ship:write", Some(lack)));
            let told = super::super::told(DenialReason::ScopeMissing, Some(&about));
            format!("{:?}: {}", told.fixer, told.detail(Some(&about)))
        });
        insta::assert_snapshot!(rows.join("\n"), @"
        TeamAdmin: The credential does not hold a scope that this endpoint requires (ship:write, which the subscription was not granted). Somebody with full access to the team's credentials can ask for it in the portal (requestScopes), if the plan offers it for this environment; if it does not, only the provider can give it, by a plan that does.
        Provider: The credential does not hold a scope that this endpoint requires (ship:write, which the assignment of the product does not give). Only the provider's staff can add it, to the assignment (assignProduct): no subscription gives the client this product, so there is nothing to ask for in the portal.
        TeamAdmin: The credential does not hold a scope that this endpoint requires (ship:write, which the credential is not for). The client holds it, and this credential is restricted to others: use one that is not, or make one in the portal (createCredential).
        TeamAdmin: The credential does not hold a scope that this endpoint requires (ship:write, which was taken from the secret when it was found in public). Rotate the secret in the portal (rotateSecret): the new one may use what the credential may.
        Caller: The credential does not hold a scope that this endpoint requires (ship:write, which the access token was not issued for). Get a new access token with this scope among those that are asked for, or without asking for any.
        ");
    }

    #[test]
    fn what_was_logged_without_it_is_told_in_general() {
        assert_eq!(Lack::read("ship:write"), ("ship:write", None));
        let told = super::super::told(DenialReason::ScopeMissing, Some("ship:write"));
        assert_eq!(told, entry(DenialReason::ScopeMissing));
        let other = super::super::told(DenialReason::ClientDisabled, Some(&Lack::Token.about("x")));
        assert_eq!(other, entry(DenialReason::ClientDisabled));
    }
}
