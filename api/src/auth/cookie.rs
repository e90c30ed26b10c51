//! The session's cookie on its way to the browser.

use domain::ops::sessions::NewSession;
use secrecy::ExposeSecret;

use super::SESSION_COOKIE;
use crate::site::Site;

/// `Set-Cookie` for a session: out of reach of scripts, not sent along from other sites but when a link is followed.
pub fn set(session: &NewSession, site: &Site) -> String {
    // A session gets its token when it is opened, and another when a second factor is proven in it.
    let since = session.row.second_factor_at.unwrap_or(session.row.created_at);
    let seconds = (session.row.expires_at - since).num_seconds();
    let (token, secure) = (session.token.expose_secret(), secure(site));
    format!("{SESSION_COOKIE}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}")
}

/// `Set-Cookie` that takes it away.
pub fn clear(site: &Site) -> String {
    format!("{SESSION_COOKIE}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0{}", secure(site))
}

fn secure(site: &Site) -> &'static str {
    if site.base_url.starts_with("https://") { "; Secure" } else { "" }
}
