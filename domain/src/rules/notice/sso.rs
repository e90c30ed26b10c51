//! What those who manage a team are told of its single sign-on: a way in that they did not open is somebody else's.

use entities::id::TeamId;

use super::{Text, told};

/// A change of a team's identity provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SsoNotice {
    pub team_id: TeamId,
    pub team: String,
    pub provider: String,
    pub issuer: String,
    /// Whose people sign in by it, or did.
    pub domains: Vec<String>,
    /// Whether these have no other way in.
    pub enforced: bool,
    pub what: SsoChange,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SsoChange {
    SetUp,
    Changed,
    TakenAway,
}

impl SsoNotice {
    pub(super) fn text(&self) -> Text {
        let (team, domains) = (&self.team, self.domains.join(", "));
        let (title, about) = match self.what {
            SsoChange::SetUp => (format!("{team} has single sign-on"), self.now(&domains)),
            SsoChange::Changed => (format!("The single sign-on of {team} was changed"), self.now(&domains)),
            SsoChange::TakenAway => {
                let about = format!("{} ({}) signs nobody in any more.", self.provider, self.issuer);
                (
                    format!("{} was taken out of the single sign-on of {team}", self.provider),
                    format!("{about} People at {domains} sign in by mail."),
                )
            }
        };
        let stranger = "If nobody of your team wanted this, undo it in the portal and ask the provider for help: the audit log says \
                        who did it.";
        told(title, [about, stranger.to_owned()])
    }

    fn now(&self, domains: &str) -> String {
        let only = if self.enforced { ", and is their only way in" } else { "" };
        format!("{} ({}) signs in people at {domains}{only}.", self.provider, self.issuer)
    }
}
