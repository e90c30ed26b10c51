//! How many WebSockets may be open at a time in one process: of a person, of a team's members together, from a source.

use std::{net::IpAddr, sync::Arc};

use domain::{Domain, DomainError, read::teams, rules::source::Source};
use entities::id::{TeamId, UserId};

use crate::seats::{Seat, Seats};

const OF_A_PERSON: u32 = 20;
const OF_A_TEAM: u32 = 100;
const FROM_A_SOURCE: u32 = 200;

#[derive(Debug, Default)]
pub struct Sockets {
    persons: Arc<Seats<UserId>>,
    teams: Arc<Seats<TeamId>>,
    sources: Arc<Seats<(Source, bool)>>,
}

pub type FromSource = Seat<(Source, bool)>;

/// A person's, counted for each of their teams.
#[derive(Debug)]
pub struct OfPerson {
    _person: Seat<UserId>,
    _teams: Vec<Seat<TeamId>>,
}

/// There are as many as there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    #[error("{OF_A_PERSON} WebSockets of this person are open: close one first")]
    Person,
    #[error("{OF_A_TEAM} WebSockets of this person's team are open: close one first")]
    Team,
    #[error("{FROM_A_SOURCE} WebSockets from this address are open: close one first")]
    Source,
}

impl Sockets {
    /// Strangers are counted apart: they keep out nobody who is signed in and shares their address.
    pub fn from_source(&self, ip: IpAddr, stranger: bool) -> Result<FromSource, Full> {
        self.sources.take((Source::of(ip), stranger), FROM_A_SOURCE).ok_or(Full::Source)
    }

    pub async fn of_person(&self, domain: &Domain, person: UserId) -> Result<Result<OfPerson, Full>, DomainError> {
        let Some(seat) = self.persons.take(person, OF_A_PERSON) else { return Ok(Err(Full::Person)) };
        let teams = teams::of_user(domain, person).await?;
        let seats: Option<Vec<_>> = teams.iter().map(|team| self.teams.take(team.id, OF_A_TEAM)).collect();
        Ok(seats.map(|seats| OfPerson { _person: seat, _teams: seats }).ok_or(Full::Team))
    }
}
