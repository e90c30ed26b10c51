//! The staff's own identity provider, by the settings.

use domain::context::StaffSso;

use super::StartError;
use crate::config::{Config, StaffSsoSettings};

/// `None`: staff sign in by mail.
pub fn staff_sso(config: &Config) -> Result<Option<StaffSso>, StartError> {
    const ISSUER: &str = "PORTICO_STAFF_SSO_ISSUER";
    const CLIENT_ID: &str = "PORTICO_STAFF_SSO_CLIENT_ID";
    const DOMAINS: &str = "PORTICO_STAFF_SSO_DOMAINS";
    let StaffSsoSettings { issuer, client_id, client_secret, domains, enforced } = config.staff_sso.clone();
    let (issuer, client_id) = match (issuer, client_id) {
        (Some(issuer), Some(client_id)) if !domains.is_empty() => (issuer, client_id),
        (Some(_), Some(_)) => return Err(StartError::HalfOfStaffSso { given: ISSUER, missing: DOMAINS }),
        (Some(_), None) => return Err(StartError::HalfOfStaffSso { given: ISSUER, missing: CLIENT_ID }),
        (None, Some(_)) => return Err(StartError::HalfOfStaffSso { given: CLIENT_ID, missing: ISSUER }),
        (None, None) if !domains.is_empty() => return Err(StartError::HalfOfStaffSso { given: DOMAINS, missing: ISSUER }),
        (None, None) => return Ok(None),
    };
    Ok(Some(StaffSso { issuer, client_id, client_secret, domains, enforced }))
}
