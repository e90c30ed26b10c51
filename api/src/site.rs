//! The instance as the outside knows it.

use domain::read::sample_request::Places;

/// The session cookie's name where the base URL is not https.
pub const SESSION_COOKIE: &str = "portico_session";
/// Where it is: no neighbouring host can set it, and browsers send it over https alone (RFC 6265bis section 4.1.3.2).
pub const SECURE_SESSION_COOKIE: &str = "__Host-portico_session";

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

    /// Whether browsers reach us by https.
    pub fn is_secure(&self) -> bool {
        self.base_url.starts_with("https://")
    }

    /// The name of the cookie that a session is.
    pub fn session_cookie(&self) -> &'static str {
        if self.is_secure() { SECURE_SESSION_COOKIE } else { SESSION_COOKIE }
    }

    pub fn token_endpoint(&self) -> String {
        format!("{}/oauth2/token", self.base_url)
    }

    /// What sample requests lead to.
    pub fn places(&self) -> Places<'_> {
        Places { gateway_url: &self.gateway_url, base_url: &self.base_url }
    }
}
