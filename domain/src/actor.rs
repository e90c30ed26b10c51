//! Who asks, and from where.

use entities::{
    enums::{ActorKind, StaffRole},
    id::{AccessTokenId, SessionId, TeamId, UserId},
    user,
};

use crate::{
    DomainError,
    rules::{
        policy::Asker,
        second_factor::{PROVE, Standing},
        source::Source,
    },
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
        /// Whether a staff role of theirs does not count, for want of a second factor.
        withheld: bool,
    },
    /// Signed in only so far as to prove the second factor.
    Unproven {
        id: UserId,
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
    /// What proved who asks; `None` where nobody is signed in, and for the program itself.
    pub signed_by: Option<SignedBy>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedBy {
    Session(SessionId),
    AccessToken(AccessTokenId),
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

    /// Whose eyes see the catalog as the members of this team do.
    pub fn member_of(team: TeamId) -> Self {
        Self { who: Who::MemberOf(team), origin: Origin::default() }
    }

    pub fn user(id: UserId, staff: Option<StaffRole>, origin: Origin) -> Self {
        Self { who: Who::User { id, staff, withheld: false }, origin }
    }

    /// A person, as far as what they have proven goes.
    pub fn standing(person: &user::Model, standing: Standing, origin: Origin) -> Self {
        let (id, role) = (person.id, person.staff_role);
        let who = match standing {
            Standing::Full => Who::User { id, staff: role, withheld: false },
            Standing::WithoutRole => Who::User { id, staff: None, withheld: true },
            Standing::Unproven => Who::Unproven { id },
        };
        Self { who, origin }
    }

    pub fn nobody(origin: Origin) -> Self {
        Self { who: Who::Nobody, origin }
    }

    /// The team whose members' eyes these are.
    pub fn seen_as_member_of(&self) -> Option<TeamId> {
        match self.who {
            Who::MemberOf(team) => Some(team),
            _ => None,
        }
    }

    /// The person who asks.
    pub fn signed_in(&self) -> Result<UserId, DomainError> {
        match self.who {
            Who::User { id, .. } => Ok(id),
            Who::Unproven { .. } => Err(DomainError::SecondFactorRequired(PROVE)),
            Who::Nobody | Who::MemberOf(_) | Who::System => Err(DomainError::Unauthenticated),
        }
    }

    /// The person who asks, whatever they have proven: for the audit log, and for who may do no more than prove or leave.
    pub fn person(&self) -> Option<UserId> {
        match self.who {
            Who::User { id, .. } | Who::Unproven { id } => Some(id),
            Who::Nobody | Who::MemberOf(_) | Who::System => None,
        }
    }

    /// The session that asks. What decides about sessions and tokens needs one: a token that got away must not outlive its end
    /// by another that it made.
    pub fn session(&self) -> Result<SessionId, DomainError> {
        self.signed_in()?;
        match self.origin.signed_by {
            Some(SignedBy::Session(id)) => Ok(id),
            Some(SignedBy::AccessToken(_)) => Err(DomainError::Forbidden("a session: an access token may not do it, so sign in")),
            None => Err(DomainError::Unauthenticated),
        }
    }

    pub fn user_id(&self) -> Option<UserId> {
        match self.who {
            Who::User { id, .. } => Some(id),
            Who::Unproven { .. } | Who::MemberOf(_) | Who::Nobody | Who::System => None,
        }
    }

    pub fn staff_role(&self) -> Option<StaffRole> {
        match self.who {
            Who::User { staff, .. } => staff,
            Who::Unproven { .. } | Who::MemberOf(_) | Who::Nobody | Who::System => None,
        }
    }

    /// Who asks, as far as permission goes.
    pub fn asker(&self) -> Asker {
        match self.who {
            Who::Nobody => Asker::Nobody,
            Who::Unproven { .. } => Asker::Unproven,
            Who::User { withheld: true, .. } => Asker::Withheld,
            Who::User { staff, .. } => Asker::Person(staff),
            Who::MemberOf(_) => Asker::Person(None),
            Who::System => Asker::System,
        }
    }

    pub fn kind(&self) -> ActorKind {
        match self.who {
            Who::User { staff: Some(_), .. } => ActorKind::Staff,
            Who::User { staff: None, .. } | Who::Unproven { .. } | Who::MemberOf(_) | Who::Nobody => ActorKind::User,
            Who::System => ActorKind::System,
        }
    }
}
