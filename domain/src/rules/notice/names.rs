//! The names in notices: chosen by people, and told to others by mail.

use super::{CredentialNotice, DomainRecord, Held, Named, Notice, SsoNotice};
use crate::rules::text::{email, inert};

fn plain(name: &mut String) {
    *name = inert(name).into_owned();
}

/// A person who gave no name is told by their address.
fn person(name: &mut String) {
    if email("", name).is_err() {
        plain(name);
    }
}

impl Held {
    fn plain_names(&mut self) {
        let Self { id: _, name, plan, product, team } = self;
        [name, plan, product, team].into_iter().for_each(plain);
    }
}

impl Notice {
    /// With names of which nothing becomes a link, whatever they are.
    pub fn plain_names(mut self) -> Self {
        match &mut self {
            Self::PlanChanged { held, from } => {
                held.plain_names();
                plain(from);
            }
            Self::ReviewStarted { held, reviewer } => {
                held.plain_names();
                person(reviewer);
            }
            Self::SubscriptionWaiting { held }
            | Self::SubscriptionApproved { held, .. }
            | Self::SubscriptionRejected { held, .. }
            | Self::SubscriptionSuspended { held, .. }
            | Self::SubscriptionReinstated { held, .. }
            | Self::CancellationScheduled { held, .. }
            | Self::SubscriptionCancelled { held, .. }
            | Self::SubscriptionExpiring { held, .. }
            | Self::SubscriptionExpired { held }
            | Self::SubmissionReceived { held, .. }
            | Self::SubmissionApproved { held, .. }
            | Self::SubmissionRejected { held, .. }
            | Self::ChangesRequested { held, .. }
            | Self::SubmissionWithdrawn { held }
            | Self::ScopesRequested { held, .. }
            | Self::ScopeApproved { held, .. }
            | Self::ScopeDeclined { held, .. }
            | Self::ScopeRevoked { held, .. } => held.plain_names(),
            Self::SpecPublished { product, .. } => plain(product),
            Self::RegistrationWaiting { team, by, .. } => {
                plain(team);
                person(by);
            }
            Self::RegistrationApproved { team, .. } | Self::RegistrationDeclined { team, .. } => plain(team),
            Self::SupportRequested { team, by, subject, .. } => {
                [team, subject].into_iter().for_each(plain);
                person(by);
            }
            Self::DomainMissing { record: DomainRecord { team, .. }, .. } | Self::DomainLost(DomainRecord { team, .. }) => {
                plain(team);
            }
            Self::Sso(SsoNotice { team, provider, .. }) => [team, provider].into_iter().for_each(plain),
            Self::Credential { named: Named { credential, client, team, .. }, what } => {
                [credential, client, team].into_iter().for_each(plain);
                if let CredentialNotice::RotationRequested { by, .. } = what {
                    person(by);
                }
            }
            Self::AccessTokenLeaked { name, .. } => plain(name),
            Self::SecondFactor { .. } => {}
        }
        self
    }
}
