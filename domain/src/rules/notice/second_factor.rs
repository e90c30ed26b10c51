//! What people are told of their own second factor: a change that they did not make is somebody else's.

use super::{Text, told};

/// What became of somebody's second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecondFactorNotice {
    TurnedOn,
    TurnedOff,
    /// By the provider's staff, or from the command line.
    Reset,
    RecoveryCodeUsed {
        left: u64,
    },
}

impl SecondFactorNotice {
    pub fn text(self) -> Text {
        let stranger = "If this was not you, somebody is in your account: end your other sessions and ask the provider for help.";
        match self {
            Self::TurnedOn => {
                let about = "Each sign-in asks for a code of your app from now on, or for one of your recovery codes.";
                told("Your second factor is on".to_owned(), [about.to_owned(), stranger.to_owned()])
            }
            Self::TurnedOff => {
                let about = "A sign-in asks for no code any more. Its recovery codes are void.";
                told("Your second factor is off".to_owned(), [about.to_owned(), stranger.to_owned()])
            }
            Self::Reset => {
                let about = "The provider took it away, and all your sessions have ended. Sign in by mail and set it up again.";
                let unasked = "If you did not ask for it, ask the provider why.";
                told("Your second factor was reset".to_owned(), [about.to_owned(), unasked.to_owned()])
            }
            Self::RecoveryCodeUsed { left } => {
                let about = match left {
                    0 => "It was the last one: make new ones in the portal, or you are locked out when your app is gone."
                        .to_owned(),
                    1 => "One is left. Make new ones in the portal before it is used.".to_owned(),
                    left => format!("{left} are left."),
                };
                told("A recovery code of yours was used to sign in".to_owned(), [about, stranger.to_owned()])
            }
        }
    }
}
