//! `/auth/magic-link`: the page behind a mailed sign-in link.

use axum::{
    Form,
    extract::{Query, State},
    http::StatusCode,
    response::Response,
};
use domain::{ops::sign_in, read};

use super::{
    Token, Visit,
    page::{Button, Page},
    second_factor::{SIGNED_IN, on_the_way},
};
use crate::{auth::cookie, http::AppState};

pub async fn show(State(state): State<AppState>, Visit { look, .. }: Visit, Query(link): Query<Token>) -> Response {
    match read::sign_in::magic_link(&state.domain, &state.domain.db, &link.token).await {
        Ok(Ok(found)) => {
            let text = format!("You are about to sign in as {}. The link works once.", found.email);
            let button = Button { action: "/auth/magic-link", label: "Sign in".to_owned(), fields: vec![("token", link.token)] };
            let page = Page { title: "Sign in".to_owned(), text: vec![text], button: Some(button), ..Page::default() };
            look.page(StatusCode::OK, &page)
        }
        Ok(Err((_, refusal))) => look.error(&refusal.problem().into()),
        Err(error) => look.error(&error),
    }
}

pub async fn redeem(State(state): State<AppState>, visit: Visit, Form(link): Form<Token>) -> Response {
    match sign_in::redeem_magic_link(&state.domain, &visit.caller.actor, &link.token).await {
        Ok(done) => {
            let to = on_the_way(&done.session, done.redirect_to.as_deref().unwrap_or(SIGNED_IN));
            visit.look.redirect(&to, Some(cookie::set(&done.session, &state.site)))
        }
        Err(error) => visit.look.error(&error),
    }
}
