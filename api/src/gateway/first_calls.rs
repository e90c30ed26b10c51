//! Whose calls a core has seen getting through: each team is told of once for each environment, and the database keeps the first.

use std::collections::HashSet;

use domain::ops::onboarding_stages::FirstCall;
use entities::{enums::Environment, id::TeamId};

use super::record::Record;

#[derive(Default)]
pub struct FirstCalls(HashSet<(TeamId, Environment)>);

impl FirstCalls {
    /// The call, where it is the first of its team's and environment's that this core saw answered with 2xx.
    pub fn note(&mut self, record: &Record) -> Option<FirstCall> {
        if !record.status.is_success() || record.denial.is_some() {
            return None;
        }
        let (team, environment) = (record.known.team?, record.known.environment?);
        self.0.insert((team, environment)).then_some(FirstCall { team, environment, at: record.at })
    }
}
