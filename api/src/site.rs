//! The instance as the outside knows it.

use domain::read::sample_request::Places;

/// Where this instance is reached.
#[derive(Debug, Clone)]
pub struct Site {
    /// Without a trailing slash.
    pub base_url: String,
    pub gateway_url: String,
    /// Serialised origins that a browser may come from and be sent back to: our own, the portal's, the allowed ones.
    pub origins: Vec<String>,
}

impl Site {
    /// Below which identity providers send browsers back.
    pub fn sso_callback(&self) -> String {
        format!("{}/auth/sso/callback", self.base_url)
    }

    pub fn token_endpoint(&self) -> String {
        format!("{}/oauth2/token", self.base_url)
    }

    /// What sample requests lead to.
    pub fn places(&self) -> Places<'_> {
        Places { gateway_url: &self.gateway_url, base_url: &self.base_url }
    }
}
