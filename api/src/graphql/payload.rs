//! Payloads of mutations: the thing changed, and what a person can put right.

use async_graphql::{ID, SimpleObject};
use domain::{DomainError, Problem};

use crate::{error::to_graphql, graphql::enums::UserErrorCode};

/// Something in the input that a person can put right.
#[derive(SimpleObject, Debug, Clone)]
pub struct UserError {
    pub code: UserErrorCode,
    /// A sentence that says what would fix it.
    pub message: String,
    /// Where in the input, outermost first; empty: the input as a whole.
    pub path: Vec<String>,
}

impl From<Problem> for UserError {
    fn from(problem: Problem) -> Self {
        Self { code: problem.code.into(), message: problem.message, path: problem.path }
    }
}

crate::payload_type! { #[graphql(complex)] DeletePayload { deleted_id: ID } }
crate::enforced! { DeletePayload }

/// A payload type, made by [`payload_type!`].
pub trait Payload: Sized {
    type Done;
    fn done(value: Self::Done) -> Self;
    fn refused(errors: Vec<UserError>) -> Self;
}

/// Wraps an operation's result: bad input and refusals become `userErrors`, the rest a top-level error.
pub fn payload<P: Payload>(result: Result<P::Done, DomainError>) -> async_graphql::Result<Option<P>> {
    match result {
        Ok(value) => Ok(Some(P::done(value))),
        Err(DomainError::Refused(problems)) => Ok(Some(P::refused(problems.into_iter().map(UserError::from).collect()))),
        Err(other) => Err(to_graphql(other)),
    }
}

/// `payload_type! { TeamPayload { team: Team } }`: the named fields are filled together, or `userErrors` says why not.
/// With one field `Done` is its type, with several a tuple in their order.
#[macro_export]
macro_rules! payload_type {
    ($($(#[$meta:meta])* $name:ident { $($field:ident : $ty:ty),+ $(,)? })*) => {$(
        #[derive(async_graphql::SimpleObject)]
        $(#[$meta])*
        pub struct $name {
            $(pub $field: Option<$ty>,)+
            pub user_errors: Vec<$crate::graphql::payload::UserError>,
        }

        impl $crate::graphql::payload::Payload for $name {
            #[allow(unused_parens)]
            type Done = ($($ty),+);
            #[allow(unused_parens)]
            fn done(($($field),+): Self::Done) -> Self {
                Self { $($field: Some($field),)+ user_errors: Vec::new() }
            }
            fn refused(user_errors: Vec<$crate::graphql::payload::UserError>) -> Self {
                Self { $($field: None,)+ user_errors }
            }
        }
    )*};
}
