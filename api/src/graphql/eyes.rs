//! By whose eyes a part of an answer is seen: the viewer's own, or, where staff ask, those of a team's members.

use std::borrow::Cow;

use async_graphql::Context;
use domain::Actor;
use entities::id::TeamId;

use crate::graphql::request::RequestContext;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Eyes {
    Own,
    MemberOf(TeamId),
}

impl Eyes {
    /// Whom to ask for in reads.
    pub fn of<'a>(self, ctx: &'a Context<'_>) -> Cow<'a, Actor> {
        match self {
            Self::Own => Cow::Borrowed(ctx.actor()),
            Self::MemberOf(team) => Cow::Owned(Actor::member_of(team)),
        }
    }
}
