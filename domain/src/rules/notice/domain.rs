//! What those who manage a team are told of its mail domains.

use chrono::{DateTime, Utc};
use entities::id::TeamId;

use super::{Text, moment, told};

/// A domain's proof, as it should stand in DNS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainRecord {
    pub team_id: TeamId,
    pub team: String,
    pub domain: String,
    pub name: String,
    pub value: String,
}

impl DomainRecord {
    pub(super) fn missing(&self, until: DateTime<Utc>) -> Text {
        let about = format!("{} has proven {}, and the record that proves it is no longer there.", self.team, self.domain);
        let until = format!("From {} on nobody joins or signs in by the domain any more.", moment(until));
        told(format!("The DNS record of {} is missing", self.domain), [about, self.publish(), until])
    }

    pub(super) fn lost(&self) -> Text {
        let about = format!("The record that proves {} was not there for a week.", self.domain);
        let now = format!("Nobody joins {} or signs in by the domain until it is proven again. Its members stay.", self.team);
        told(format!("{} is no longer proven", self.domain), [about, now, self.publish()])
    }

    fn publish(&self) -> String {
        format!("Publish this TXT record at {}:\n{}", self.name, self.value)
    }
}
