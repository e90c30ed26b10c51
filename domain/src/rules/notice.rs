//! What people are told: for each thing that can happen a title and a text, which says what happened and what to do next.

use chrono::{DateTime, Utc};
use entities::{
    enums::{Environment, NotificationKind},
    id::{AccessTokenId, CredentialId, ProductId, SubscriptionId, TeamId, TypedId, UserId},
};
use uuid::Uuid;

mod credential;
mod domain;
mod leak;
mod names;
mod second_factor;
mod sso;

pub use self::{
    credential::{CredentialNotice, Named},
    domain::DomainRecord,
    second_factor::SecondFactorNotice,
    sso::{SsoChange, SsoNotice},
};

/// Operations that a text names; of more it tells how many.
const NAMED: usize = 10;

/// A subscription as texts name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub id: SubscriptionId,
    pub name: String,
    pub plan: String,
    pub product: String,
    pub team: String,
}

/// A version that is served beside the one that comes after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StillServed {
    pub version: String,
    pub path_prefix: String,
    pub environments: Vec<Environment>,
}

/// What a notice is about, and leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    Subscription(SubscriptionId),
    Team(TeamId),
    Product(ProductId),
    Credential(CredentialId),
    AccessToken(AccessTokenId),
    Person(UserId),
}

/// Something that people are told. Notes and reasons are what somebody wrote to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// To those who decide.
    SubscriptionWaiting {
        held: Held,
    },
    SubscriptionApproved {
        held: Held,
        notes: Option<String>,
    },
    SubscriptionRejected {
        held: Held,
        notes: Option<String>,
    },
    SubscriptionSuspended {
        held: Held,
        notes: Option<String>,
    },
    SubscriptionReinstated {
        held: Held,
        notes: Option<String>,
    },
    CancellationScheduled {
        held: Held,
        at: DateTime<Utc>,
    },
    SubscriptionCancelled {
        held: Held,
        reason: Option<String>,
    },
    SubscriptionExpiring {
        held: Held,
        days: u32,
        at: DateTime<Utc>,
    },
    SubscriptionExpired {
        held: Held,
    },
    /// `from`: the plan that it was under.
    PlanChanged {
        held: Held,
        from: String,
    },
    /// To those who decide.
    SubmissionReceived {
        held: Held,
        due_at: DateTime<Utc>,
    },
    ReviewStarted {
        held: Held,
        reviewer: String,
    },
    SubmissionApproved {
        held: Held,
        notes: Option<String>,
    },
    SubmissionRejected {
        held: Held,
        notes: Option<String>,
    },
    ChangesRequested {
        held: Held,
        notes: String,
    },
    /// To those who would have decided.
    SubmissionWithdrawn {
        held: Held,
    },
    /// To those who decide.
    ScopesRequested {
        held: Held,
        scopes: Vec<String>,
        reason: Option<String>,
    },
    ScopeApproved {
        held: Held,
        scope: String,
        notes: Option<String>,
    },
    ScopeDeclined {
        held: Held,
        scope: String,
        notes: Option<String>,
    },
    ScopeRevoked {
        held: Held,
        scope: String,
        notes: Option<String>,
    },
    /// `broken`: operations that the team called and that this version breaks, as `GET /track/{id}`.
    SpecPublished {
        id: ProductId,
        product: String,
        version: String,
        breaking: bool,
        broken: Vec<String>,
        /// The version before, where that is served still.
        still: Option<StillServed>,
        release_notes: Option<String>,
    },
    /// To those who decide.
    RegistrationWaiting {
        id: TeamId,
        team: String,
        by: String,
    },
    RegistrationApproved {
        id: TeamId,
        team: String,
        notes: Option<String>,
    },
    RegistrationDeclined {
        id: TeamId,
        team: String,
        notes: Option<String>,
    },
    /// To the provider's staff.
    SupportRequested {
        id: TeamId,
        team: String,
        by: String,
        subject: String,
        body: String,
    },
    /// To those who manage the team.
    DomainMissing {
        record: DomainRecord,
        until: DateTime<Utc>,
    },
    DomainLost(DomainRecord),
    /// To those who manage the team.
    Sso(SsoNotice),
    Credential {
        named: Named,
        what: CredentialNotice,
    },
    /// To its owner.
    AccessTokenLeaked {
        id: AccessTokenId,
        name: String,
        url: Option<String>,
    },
    /// To its owner.
    SecondFactor {
        owner: UserId,
        what: SecondFactorNotice,
    },
}

/// A notice as it is read: one line, then paragraphs with an empty line between two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    pub title: String,
    pub body: String,
}

impl Subject {
    /// The prefix of its id, and the id.
    pub fn stored(self) -> (&'static str, Uuid) {
        match self {
            Self::Subscription(id) => (SubscriptionId::PREFIX, id.0),
            Self::Team(id) => (TeamId::PREFIX, id.0),
            Self::Product(id) => (ProductId::PREFIX, id.0),
            Self::Credential(id) => (CredentialId::PREFIX, id.0),
            Self::AccessToken(id) => (AccessTokenId::PREFIX, id.0),
            Self::Person(id) => (UserId::PREFIX, id.0),
        }
    }

    /// `None` for a kind that this version does not know.
    pub fn read(prefix: &str, id: Uuid) -> Option<Self> {
        match prefix {
            SubscriptionId::PREFIX => Some(Self::Subscription(SubscriptionId(id))),
            TeamId::PREFIX => Some(Self::Team(TeamId(id))),
            ProductId::PREFIX => Some(Self::Product(ProductId(id))),
            CredentialId::PREFIX => Some(Self::Credential(CredentialId(id))),
            AccessTokenId::PREFIX => Some(Self::AccessToken(AccessTokenId(id))),
            UserId::PREFIX => Some(Self::Person(UserId(id))),
            _ => None,
        }
    }
}

impl Notice {
    pub fn kind(&self) -> NotificationKind {
        match self {
            Self::SubscriptionApproved { .. }
            | Self::SubscriptionRejected { .. }
            | Self::SubscriptionSuspended { .. }
            | Self::SubscriptionReinstated { .. }
            | Self::CancellationScheduled { .. }
            | Self::SubscriptionCancelled { .. }
            | Self::SubscriptionExpiring { .. }
            | Self::SubscriptionExpired { .. }
            | Self::PlanChanged { .. } => NotificationKind::Subscription,
            Self::SubscriptionWaiting { .. }
            | Self::SubmissionReceived { .. }
            | Self::ReviewStarted { .. }
            | Self::SubmissionApproved { .. }
            | Self::SubmissionRejected { .. }
            | Self::ChangesRequested { .. }
            | Self::SubmissionWithdrawn { .. } => NotificationKind::Review,
            Self::ScopesRequested { .. }
            | Self::ScopeApproved { .. }
            | Self::ScopeDeclined { .. }
            | Self::ScopeRevoked { .. } => NotificationKind::Scope,
            Self::SpecPublished { .. } => NotificationKind::Spec,
            Self::RegistrationWaiting { .. }
            | Self::RegistrationApproved { .. }
            | Self::RegistrationDeclined { .. }
            | Self::DomainMissing { .. }
            | Self::DomainLost(_)
            | Self::Sso(_) => NotificationKind::Team,
            Self::SupportRequested { .. } => NotificationKind::Support,
            Self::Credential { what, .. } => what.kind(),
            Self::AccessTokenLeaked { .. } | Self::SecondFactor { .. } => NotificationKind::Credential,
        }
    }

    pub fn subject(&self) -> Subject {
        match self {
            Self::SubscriptionWaiting { held }
            | Self::SubscriptionApproved { held, .. }
            | Self::SubscriptionRejected { held, .. }
            | Self::SubscriptionSuspended { held, .. }
            | Self::SubscriptionReinstated { held, .. }
            | Self::CancellationScheduled { held, .. }
            | Self::SubscriptionCancelled { held, .. }
            | Self::SubscriptionExpiring { held, .. }
            | Self::SubscriptionExpired { held }
            | Self::PlanChanged { held, .. }
            | Self::SubmissionReceived { held, .. }
            | Self::ReviewStarted { held, .. }
            | Self::SubmissionApproved { held, .. }
            | Self::SubmissionRejected { held, .. }
            | Self::ChangesRequested { held, .. }
            | Self::SubmissionWithdrawn { held }
            | Self::ScopesRequested { held, .. }
            | Self::ScopeApproved { held, .. }
            | Self::ScopeDeclined { held, .. }
            | Self::ScopeRevoked { held, .. } => Subject::Subscription(held.id),
            Self::SpecPublished { id, .. } => Subject::Product(*id),
            Self::RegistrationWaiting { id, .. }
            | Self::RegistrationApproved { id, .. }
            | Self::RegistrationDeclined { id, .. }
            | Self::SupportRequested { id, .. } => Subject::Team(*id),
            Self::DomainMissing { record, .. } | Self::DomainLost(record) => Subject::Team(record.team_id),
            Self::Sso(sso) => Subject::Team(sso.team_id),
            Self::Credential { named, .. } => Subject::Credential(named.id),
            Self::AccessTokenLeaked { id, .. } => Subject::AccessToken(*id),
            Self::SecondFactor { owner, .. } => Subject::Person(*owner),
        }
    }

    pub fn text(&self) -> Text {
        match self {
            Self::SubscriptionWaiting { held } => {
                let about = format!("{} asks for the plan {} of {}.", held.team, held.plan, held.product);
                told(format!("{} of {} waits for approval", held.name, held.team), [about, queue()])
            }
            Self::SubscriptionApproved { held, notes } => {
                let next = "The portal shows what comes next.".to_owned();
                noted(format!("{} is approved", held.name), [held.line(), next], notes)
            }
            Self::SubscriptionRejected { held, notes } => {
                let next = "It cannot be used. You may subscribe again once the reason is gone.".to_owned();
                noted(format!("{} is rejected", held.name), [held.line(), next], notes)
            }
            Self::SubscriptionSuspended { held, notes } => {
                let next = "Calls with its credentials are refused until it is reinstated. Ask the provider what is needed.";
                noted(format!("{} is suspended", held.name), [held.line(), next.to_owned()], notes)
            }
            Self::SubscriptionReinstated { held, notes } => {
                let next = "Its credentials work again: there is nothing to do.".to_owned();
                noted(format!("{} is reinstated", held.name), [held.line(), next], notes)
            }
            Self::CancellationScheduled { held, at } => {
                let next = "Its credentials work until then and are revoked with it. The cancellation can be undone before.";
                told(format!("{} ends on {}", held.name, moment(*at)), [held.line(), next.to_owned()])
            }
            Self::SubscriptionCancelled { held, reason } => {
                let next = "Its credentials are revoked. To call again, subscribe again.".to_owned();
                noted(format!("{} is cancelled", held.name), [held.line(), next], reason)
            }
            Self::SubscriptionExpiring { held, days, at } => {
                let left = if *days == 1 { "1 day".to_owned() } else { format!("{days} days") };
                let next = format!("Its credentials are revoked on {}. Subscribe anew in time to go on calling.", moment(*at));
                told(format!("{} expires in {left}", held.name), [held.line(), next])
            }
            Self::SubscriptionExpired { held } => {
                let next = "Its credentials are revoked. To call again, subscribe again.".to_owned();
                told(format!("{} has expired", held.name), [held.line(), next])
            }
            Self::PlanChanged { held, from } => {
                let from = if *from == held.plan { "an earlier version of it" } else { from };
                let next = format!(
                    "It was under {from}. The new plan's limits, scopes and price apply from now on: the portal shows them."
                );
                told(format!("{} is under the plan {}", held.name, held.plan), [held.line(), next])
            }
            _ => self.text_of_review(),
        }
    }

    fn text_of_review(&self) -> Text {
        match self {
            Self::SubmissionReceived { held, due_at } => {
                let about = format!("{} asks to go to production with {} of {}.", held.team, held.plan, held.product);
                let due = format!("A decision is due by {}.", moment(*due_at));
                told(format!("{} of {} waits for review", held.name, held.team), [about, due, queue()])
            }
            Self::ReviewStarted { held, reviewer } => {
                let next = format!("{reviewer} reviews it. We tell you as soon as it is decided.");
                told(format!("{} is in review", held.name), [held.line(), next])
            }
            Self::SubmissionApproved { held, notes } => {
                let next = "Claim the production credentials in the portal: each shows its secret once.".to_owned();
                noted(format!("{} may go to production", held.name), [held.line(), next], notes)
            }
            Self::SubmissionRejected { held, notes } => {
                let next = "It stays in the sandbox. Ask the provider if you want it reviewed again.".to_owned();
                noted(format!("{} may not go to production", held.name), [held.line(), next], notes)
            }
            Self::ChangesRequested { held, notes } => {
                let next = "Change what is asked for, then submit it again.".to_owned();
                noted(format!("{} needs changes", held.name), [held.line(), next], &Some(notes.clone()))
            }
            Self::SubmissionWithdrawn { held } => {
                let about = format!("{} withdrew it: there is nothing to decide any more.", held.team);
                told(format!("{} of {} is withdrawn from review", held.name, held.team), [held.line(), about])
            }
            Self::ScopesRequested { held, scopes, reason } => {
                let about = format!("{} asks for {}.", held.team, scopes.join(", "));
                noted(format!("{} of {} asks for more scopes", held.name, held.team), [held.line(), about, queue()], reason)
            }
            Self::ScopeApproved { held, scope, notes } => {
                let next = "It applies to the existing credentials at once.".to_owned();
                noted(format!("{} has the scope {scope}", held.name), [held.line(), next], notes)
            }
            Self::ScopeDeclined { held, scope, notes } => {
                let next = "Nothing changes for its credentials. You may ask again with a better reason.".to_owned();
                noted(format!("{} does not get the scope {scope}", held.name), [held.line(), next], notes)
            }
            Self::ScopeRevoked { held, scope, notes } => {
                let next = "Calls that need it are refused from now on.".to_owned();
                noted(format!("{} has lost the scope {scope}", held.name), [held.line(), next], notes)
            }
            _ => self.text_of_provider(),
        }
    }

    fn text_of_provider(&self) -> Text {
        match self {
            Self::SpecPublished { product, version, breaking, broken, still, release_notes, .. } => {
                let mut next = match (breaking, broken.is_empty()) {
                    (false, _) => "It breaks nothing: your calls work as before.".to_owned(),
                    (true, true) => "It breaks operations, but none that your team has called lately.".to_owned(),
                    (true, false) => format!("It breaks operations that your team calls:\n{}", list(broken)),
                };
                if let Some(still) = still.as_ref().filter(|_| *breaking) {
                    next.push_str(&format!("\n\n{}", still.line()));
                }
                noted(format!("{product} has the new version {version}"), [next], release_notes)
            }
            Self::RegistrationWaiting { team, by, .. } => {
                let about = format!("{by} has registered the team {team}. Approve or decline it in the portal's review queue.");
                told(format!("{team} waits for approval"), [about])
            }
            Self::RegistrationApproved { team, notes, .. } => {
                let next = "The team can be used. Choose a plan to make the first call.".to_owned();
                noted(format!("{team} is approved"), [next], notes)
            }
            Self::RegistrationDeclined { team, notes, .. } => {
                let next = "The team cannot be used. Ask the provider if you think that this is wrong.".to_owned();
                noted(format!("{team} is declined"), [next], notes)
            }
            Self::SupportRequested { team, by, subject, body, .. } => {
                let about = format!("{by} of {team} asks for support.");
                noted(format!("Support: {subject}"), [about], &Some(body.clone()))
            }
            Self::DomainMissing { record, until } => record.missing(*until),
            Self::DomainLost(record) => record.lost(),
            Self::Sso(sso) => sso.text(),
            Self::Credential { named, what } => what.text(named),
            Self::AccessTokenLeaked { name, url, .. } => leak::of_access_token(name, url.as_deref()),
            Self::SecondFactor { what, .. } => what.text(),
            // Every other variant has its text above; the table of the tests would show this one.
            _ => told(String::new(), []),
        }
    }
}

impl StillServed {
    fn line(&self) -> String {
        let places = match self.environments[..] {
            [Environment::Sandbox] => "in the sandbox, but not in production",
            [Environment::Production] => "in production, but not in the sandbox",
            _ => "in the sandbox and in production",
        };
        let under = if self.path_prefix.is_empty() { String::new() } else { format!(" under {}", self.path_prefix) };
        format!("{} is served{under} still, {places}: until it is taken out, calls there work as before.", self.version)
    }
}

impl Held {
    fn line(&self) -> String {
        format!("{} is the subscription of {} to the plan {} of {}.", self.name, self.team, self.plan, self.product)
    }
}

fn told<const N: usize>(title: String, paragraphs: [String; N]) -> Text {
    Text { title, body: paragraphs.join("\n\n") }
}

/// With what somebody wrote, as a paragraph of its own.
fn noted<const N: usize>(title: String, paragraphs: [String; N], notes: &Option<String>) -> Text {
    let mut text = told(title, paragraphs);
    if let Some(notes) = notes {
        text.body.push_str("\n\n");
        text.body.push_str(notes);
    }
    text
}

fn queue() -> String {
    "Decide in the portal's review queue.".to_owned()
}

/// As people read it; UTC, as we do not know where they are.
fn moment(at: DateTime<Utc>) -> String {
    at.format("%-d %B %Y, %H:%M UTC").to_string()
}

fn list(operations: &[String]) -> String {
    let named = operations.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join("\n");
    match operations.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named}\nand {more} more"),
    }
}

#[cfg(test)]
mod tests;
