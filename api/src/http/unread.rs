//! Requests to the API whose head cannot be read: told as the gateway tells them, and a line each.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use axum::http::Response;

use crate::{gateway, listen::unread::Unread};

/// Lines of a second: whoever sends nonsense must not fill the disk.
const MOST_LINES: u64 = 100;

/// The second, and in its lowest byte how many lines it has had.
static LINES: AtomicU64 = AtomicU64::new(0);

/// Says what is wrong, and writes a line of it.
pub fn answer(unread: Unread) -> Response<String> {
    if has_room(unread.at.timestamp().unsigned_abs()) {
        let status = unread.status().as_u16();
        tracing::info!(request.id = %unread.id, http.status = status, "a request's head cannot be read: {}", unread.about);
    }
    gateway::refuse_unread(&unread)
}

fn has_room(second: u64) -> bool {
    let second = second << 8;
    let counted = LINES.fetch_update(Relaxed, Relaxed, |kept| {
        let kept = if kept & !0xff == second { kept } else { second };
        (kept & 0xff < MOST_LINES).then_some(kept + 1)
    });
    counted.is_ok()
}
