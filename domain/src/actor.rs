//! Who asks, and from where.

use entities::{
    enums::{ActorKind, StaffRole},
    id::{TeamId, UserId},
};

use crate::DomainError;

/// Who asks for an operation or a read.
#[derive(Debug, Clone)]
pub struct Actor {
    pub who: Who,
    pub origin: Origin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Who {
    Nobody,
    User {
        id: UserId,
        staff: Option<StaffRole>,
    },
    /// Any member of a team, for reads that show what such a one sees. Nobody acts as one.
    MemberOf(TeamId),
    /// The program itself: jobs, the command line, the start.
    System,
}

/// Where a request came from, for the audit log.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    pub ip: Option<String>,
    pub user_agent: Option<String>,
    pub request_id: Option<String>,
}

impl Actor {
    pub fn system() -> Self {
        Self { who: Who::System, origin: Origin::default() }
    }

    /// Whose eyes see the catalog as the members of this team do.
    pub fn member_of(team: TeamId) -> Self {
        Self { who: Who::MemberOf(team), origin: Origin::default() }
    }

    pub fn user(id: UserId, staff: Option<StaffRole>, origin: Origin) -> Self {
        Self { who: Who::User { id, staff }, origin }
    }

    pub fn nobody(origin: Origin) -> Self {
        Self { who: Who::Nobody, origin }
    }

    /// The person who asks.
    pub fn signed_in(&self) -> Result<UserId, DomainError> {
        self.user_id().ok_or(DomainError::Unauthenticated)
    }

    pub fn user_id(&self) -> Option<UserId> {
        match self.who {
            Who::User { id, .. } => Some(id),
            Who::Nobody | Who::MemberOf(_) | Who::System => None,
        }
    }

    pub fn staff_role(&self) -> Option<StaffRole> {
        match self.who {
            Who::User { staff, .. } => staff,
            Who::Nobody | Who::MemberOf(_) | Who::System => None,
        }
    }

    pub fn kind(&self) -> ActorKind {
        match self.who {
            Who::User { staff: Some(_), .. } => ActorKind::Staff,
            Who::User { staff: None, .. } | Who::MemberOf(_) | Who::Nobody => ActorKind::User,
            Who::System => ActorKind::System,
        }
    }
}
