//! Cookies on their way to the browser.

use domain::{
    ops::{sessions::NewSession, sso::Away},
    rules::sso::AWAY,
};
use secrecy::ExposeSecret;

use super::SESSION_COOKIE;
use crate::site::Site;

/// How many sign-ins one browser may have under way.
const SLOTS: u8 = 8;
const PATH_BACK: &str = "/auth/sso/callback";

/// `Set-Cookie` for a session: out of reach of scripts, not sent along from other sites but when a link is followed.
pub fn set(session: &NewSession, site: &Site) -> String {
    // A session gets its token when it is opened, and another when a second factor is proven in it.
    let since = session.row.second_factor_at.unwrap_or(session.row.created_at);
    let seconds = (session.row.expires_at - since).num_seconds();
    let (token, secure) = (session.token.expose_secret(), secure(site));
    format!("{SESSION_COOKIE}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}")
}

/// `Set-Cookie` for who leaves for an identity provider: only the way back brings it.
pub fn set_away(away: &Away, site: &Site) -> String {
    let (name, kept) = (name_away(&away.state), away.kept.expose_secret());
    format!("{name}={kept}; Path={PATH_BACK}; HttpOnly; SameSite=Lax; Max-Age={}{}", AWAY.num_seconds(), secure(site))
}

/// `Set-Cookie` that takes it away once they are back.
pub fn clear_away(state: &str, site: &Site) -> String {
    format!("{}=; Path={PATH_BACK}; HttpOnly; SameSite=Lax; Max-Age=0{}", name_away(state), secure(site))
}

/// One of a few: two tabs seldom disturb each other, and however many sign-ins are left undone, a request's head stays small.
pub fn name_away(state: &str) -> String {
    let first = state.bytes().next().unwrap_or_default();
    format!("portico_sso_{}", first % SLOTS)
}

/// `Set-Cookie` that takes the session away.
pub fn clear(site: &Site) -> String {
    format!("{SESSION_COOKIE}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0{}", secure(site))
}

fn secure(site: &Site) -> &'static str {
    if site.base_url.starts_with("https://") { "; Secure" } else { "" }
}
