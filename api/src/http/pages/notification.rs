//! `/notifications/{id}`: what a person was told, for them alone.

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use domain::{ops::notifications, read};
use entities::{id::NotificationId, notification};

use super::{
    Visit,
    page::{Button, Page},
    second_factor::before,
};
use crate::http::AppState;

pub async fn show(State(state): State<AppState>, visit: Visit, Path(id): Path<String>) -> Response {
    let Some(who) = &visit.caller.signed_in else {
        if let (Some(_), Ok(id)) = (&visit.caller.unproven, id.parse::<NotificationId>()) {
            return visit.look.redirect(&before(&format!("/notifications/{id}")), None);
        }
        // Whoever it is for: only they will see it. What is no id leads nowhere, and needs no way back.
        let back = id.parse::<NotificationId>().map(|id| format!("?redirectTo=/notifications/{id}"));
        return visit.look.redirect(&format!("/auth/sign-in{}", back.unwrap_or_default()), None);
    };
    let found = match id.parse() {
        Ok(id) => read::notifications::by_id(&state.domain, who.user.id, id).await,
        Err(_) => Ok(None),
    };
    match found {
        Ok(Some(told)) => {
            if told.read_at.is_none()
                && let Err(error) = notifications::mark_read(&state.domain, &visit.caller.actor, Some(&[told.id])).await
            {
                tracing::debug!(error = %error, "a notification was shown and not marked read");
            }
            visit.look.page(StatusCode::OK, &page(told))
        }
        Ok(None) => visit.look.page(StatusCode::NOT_FOUND, &not_theirs(&who.user.email)),
        Err(error) => visit.look.error(&error),
    }
}

fn page(told: notification::Model) -> Page {
    let text = told.body.split("\n\n").map(str::to_owned).collect();
    Page { title: told.title, text, ..Page::default() }
}

fn not_theirs(email: &str) -> Page {
    let text = format!(
        "You are signed in as {email}. It is gone, or for somebody else: sign in with the address that the mail came to."
    );
    let button = Button { action: "/auth/sign-out", label: "Sign out".to_owned(), fields: Vec::new() };
    Page { title: "There is nothing here for you".to_owned(), text: vec![text], button: Some(button), ..Page::default() }
}
