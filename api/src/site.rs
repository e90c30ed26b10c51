//! The instance as the outside knows it.

/// Where this instance is reached.
#[derive(Debug, Clone)]
pub struct Site {
    /// Without a trailing slash.
    pub base_url: String,
    pub gateway_url: String,
    /// Serialised origins that a browser may come from and be sent back to: our own, the portal's, the allowed ones.
    pub origins: Vec<String>,
}
