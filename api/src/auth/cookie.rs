//! Cookies on their way to the browser.

use domain::{
    ops::{sessions::NewSession, sso::Away},
    rules::sso::AWAY,
};
use secrecy::ExposeSecret;

use crate::site::Site;

/// How many sign-ins one browser may have under way.
const SLOTS: u8 = 8;

/// `Set-Cookie` for a session: out of reach of scripts, not sent along from other sites but when a link is followed.
pub fn set(session: &NewSession, site: &Site) -> String {
    // A session gets its token when it is opened, and another when a second factor is proven in it.
    let since = session.row.second_factor_at.unwrap_or(session.row.created_at);
    let seconds = (session.row.expires_at - since).num_seconds();
    let (name, token, secure) = (site.session_cookie(), session.token.expose_secret(), secure(site));
    format!("{name}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}")
}

/// `Set-Cookie` for who leaves for an identity provider: only the way back brings it, but for https, where nobody else's host may
/// be able to set it, and so all ways do.
pub fn set_away(away: &Away, site: &Site) -> String {
    let (name, kept, path) = (name_away(&away.state, site), away.kept.expose_secret(), path_away(site));
    format!("{name}={kept}; Path={path}; HttpOnly; SameSite=Lax; Max-Age={}{}", AWAY.num_seconds(), secure(site))
}

/// `Set-Cookie` that takes it away once they are back.
pub fn clear_away(state: &str, site: &Site) -> String {
    let (name, path) = (name_away(state, site), path_away(site));
    format!("{name}=; Path={path}; HttpOnly; SameSite=Lax; Max-Age=0{}", secure(site))
}

/// One of a few: two tabs seldom disturb each other, and however many sign-ins are left undone, a request's head stays small.
pub fn name_away(state: &str, site: &Site) -> String {
    let first = state.bytes().next().unwrap_or_default();
    format!("{}portico_sso_{}", if site.is_secure() { "__Host-" } else { "" }, first % SLOTS)
}

/// `__Host-` asks for all paths.
fn path_away(site: &Site) -> &'static str {
    if site.is_secure() { "/" } else { "/auth/sso/callback" }
}

/// `Set-Cookie` that takes the session away.
pub fn clear(site: &Site) -> String {
    format!("{}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0{}", site.session_cookie(), secure(site))
}

fn secure(site: &Site) -> &'static str {
    if site.is_secure() { "; Secure" } else { "" }
}
