//! What people are told of credentials.

use chrono::{DateTime, Utc};
use entities::{
    enums::{Environment, NotificationKind},
    id::CredentialId,
};

use super::{Text, leak, moment, noted, queue, told};
use crate::rules::leak::Measure;

/// A credential as texts name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub id: CredentialId,
    /// Its name, else the part of its secret that is shown.
    pub credential: String,
    pub environment: Environment,
    pub client: String,
    pub team: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialNotice {
    /// `renewed`: a rotation gives it a new term.
    Expiring {
        days: u32,
        at: DateTime<Utc>,
        renewed: bool,
    },
    /// An older secret is in use, and its overlap ends soon.
    OverlapEnding {
        at: DateTime<Utc>,
        last_used_at: DateTime<Utc>,
    },
    /// To those who decide.
    RotationRequested {
        by: String,
    },
    RotationApproved {
        overlap_hours: i32,
        notes: Option<String>,
    },
    RotationDeclined {
        notes: Option<String>,
    },
    /// One of its secrets was found in public. `shown`: the part that it is recognised by; `newest`: none that works is newer.
    Leaked {
        shown: Option<String>,
        url: Option<String>,
        newest: bool,
        measure: Measure,
    },
}

impl CredentialNotice {
    pub fn kind(&self) -> NotificationKind {
        match self {
            Self::RotationRequested { .. } => NotificationKind::Review,
            Self::Expiring { .. }
            | Self::OverlapEnding { .. }
            | Self::RotationApproved { .. }
            | Self::RotationDeclined { .. }
            | Self::Leaked { .. } => NotificationKind::Credential,
        }
    }

    pub fn text(&self, named: &Named) -> Text {
        let name = &named.credential;
        match self {
            Self::Expiring { days, at, renewed } => {
                let left = if *days == 1 { "1 day".to_owned() } else { format!("{days} days") };
                let next = if *renewed {
                    "Rotate it before: the new secret has a new term, and both work for a while."
                } else {
                    "Make another one before, and put it in its place."
                };
                let next = format!("Calls with it are refused from {} on. {next}", moment(*at));
                told(format!("{name} expires in {left}"), [named.line(), next])
            }
            Self::OverlapEnding { at, last_used_at } => {
                let used = format!(
                    "It was last used on {}, and calls with it are refused from {} on.",
                    moment(*last_used_at),
                    moment(*at)
                );
                let next = "Put the new secret in its place wherever it is used still.".to_owned();
                told(format!("An old secret of {name} is in use still"), [named.line(), used, next])
            }
            Self::RotationRequested { by } => {
                let about = format!("{by} asks for a new secret. Until that is decided, the one that it has works on.");
                told(format!("{name} of {} waits for a rotation", named.team), [named.line(), about, queue()])
            }
            Self::RotationApproved { overlap_hours, notes } => {
                let old = match overlap_hours {
                    0 => "the old one stops at once".to_owned(),
                    1 => "the old one works for 1 hour from then on".to_owned(),
                    hours => format!("the old one works for {hours} hours from then on"),
                };
                let next = format!("Claim it in the portal: it is made and shown then, once, and {old}.");
                noted(format!("{name} gets a new secret"), [named.line(), next], notes)
            }
            Self::RotationDeclined { notes } => {
                let next = "Its secret works on. You may ask again, or revoke it at any time.".to_owned();
                noted(format!("{name} gets no new secret"), [named.line(), next], notes)
            }
            Self::Leaked { shown, url, newest, measure } => {
                leak::of_secret(named, shown.as_deref(), url.as_deref(), *newest, measure)
            }
        }
    }
}

impl Named {
    pub(super) fn line(&self) -> String {
        let lane = match self.environment {
            Environment::Sandbox => "sandbox",
            Environment::Production => "production",
        };
        format!("{} is a {lane} credential of {}, a client of {}.", self.credential, self.client, self.team)
    }
}
