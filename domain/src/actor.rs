//! Who asks, and from where.

use entities::{
    enums::{ActorKind, StaffRole},
    id::UserId,
};

use crate::{
    DomainError,
    rules::{policy::Asker, source::Source},
};

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

impl Origin {
    /// Whom requests from here are counted for.
    pub fn source(&self) -> Option<Source> {
        self.ip.as_ref()?.parse().ok().map(Source::of)
    }
}

impl Actor {
    pub fn system() -> Self {
        Self { who: Who::System, origin: Origin::default() }
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
            Who::Nobody | Who::System => None,
        }
    }

    pub fn staff_role(&self) -> Option<StaffRole> {
        match self.who {
            Who::User { staff, .. } => staff,
            Who::Nobody | Who::System => None,
        }
    }

    /// Who asks, as far as permission goes.
    pub fn asker(&self) -> Asker {
        match self.who {
            Who::Nobody => Asker::Nobody,
            Who::User { staff, .. } => Asker::Person(staff),
            Who::System => Asker::System,
        }
    }

    pub fn kind(&self) -> ActorKind {
        match self.who {
            Who::User { staff: Some(_), .. } => ActorKind::Staff,
            Who::User { staff: None, .. } | Who::Nobody => ActorKind::User,
            Who::System => ActorKind::System,
        }
    }
}
