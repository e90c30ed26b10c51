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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_it_is_told_and_none_of_it_is_fine() {
        let with = |issuer: bool, client_id: bool, domains: bool| {
            let mut config = Config::default();
            config.staff_sso.issuer = issuer.then(|| "https://login.example.com".to_owned());
            config.staff_sso.client_id = client_id.then(|| "portico".to_owned());
            config.staff_sso.domains = if domains { vec!["example.com".to_owned()] } else { Vec::new() };
            staff_sso(&config).map(|found| found.is_some()).map_err(|error| error.to_string())
        };
        let missing = |given: &str, missing: &str| {
            Err(format!(
                "PORTICO_STAFF_SSO_{given} is set and PORTICO_STAFF_SSO_{missing} is not: single sign-on of staff needs both"
            ))
        };
        for (issuer, client_id, domains, told) in [
            (false, false, false, Ok(false)),
            (true, true, true, Ok(true)),
            (true, true, false, missing("ISSUER", "DOMAINS")),
            (true, false, true, missing("ISSUER", "CLIENT_ID")),
            (false, true, true, missing("CLIENT_ID", "ISSUER")),
            (false, false, true, missing("DOMAINS", "ISSUER")),
        ] {
            assert_eq!(with(issuer, client_id, domains), told);
        }
    }
}
