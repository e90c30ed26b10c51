//! `/auth/second-factor`: asks for the code of who has a second factor, then goes on to where the sign-in led.

use axum::{
    Form,
    extract::{Query, State},
    http::StatusCode,
    response::Response,
};
use domain::{
    DomainError, ProblemCode,
    ops::{second_factor, sessions::NewSession},
    rules::return_url,
};
use serde::Deserialize;
use url::form_urlencoded::byte_serialize;

use super::{
    Visit,
    page::{Ask, CodeField, Page, sentence},
};
use crate::{auth::cookie, http::AppState};

const PATH: &str = "/auth/second-factor";
/// Where a sign-in leads that was asked to lead nowhere.
pub const SIGNED_IN: &str = "/auth/signed-in";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Given {
    #[serde(default)]
    code: String,
    redirect_to: Option<String>,
}

/// The way on from a sign-in: by this page, where the session has to prove a second factor first.
pub fn on_the_way(session: &NewSession, to: &str) -> String {
    if session.is_unproven() { before(to) } else { to.to_owned() }
}

/// This page, on the way to another.
pub fn before(to: &str) -> String {
    format!("{PATH}?redirectTo={}", byte_serialize(to.as_bytes()).collect::<String>())
}

pub async fn show(State(state): State<AppState>, visit: Visit, Query(given): Query<Given>) -> Response {
    let to = checked(&state, given.redirect_to);
    match (&visit.caller.unproven, &visit.caller.signed_in) {
        (Some(_), _) => visit.look.page(StatusCode::OK, &asking(CodeField { redirect_to: to, problem: None })),
        (None, Some(_)) => visit.look.redirect(to.as_deref().unwrap_or(SIGNED_IN), None),
        (None, None) => visit.look.redirect("/auth/sign-in", None),
    }
}

pub async fn prove(State(state): State<AppState>, visit: Visit, Form(given): Form<Given>) -> Response {
    let redirect_to = checked(&state, given.redirect_to);
    if visit.caller.session().is_none() {
        return visit.look.redirect("/auth/sign-in", None);
    }
    match second_factor::prove(&state.domain, &visit.caller.actor, &given.code).await {
        Ok(session) => visit.look.redirect(redirect_to.as_deref().unwrap_or(SIGNED_IN), Some(cookie::set(&session, &state.site))),
        Err(error @ DomainError::Refused(_)) => {
            let problem = Some(sentence(&error.to_string()));
            let page = match &error {
                DomainError::Refused(problems) if problems.iter().any(|problem| problem.code == ProblemCode::LimitReached) => {
                    Page {
                        title: "Sign in again".to_owned(),
                        text: problem.into_iter().collect(),
                        ask: Some(Ask { redirect_to, ..Ask::default() }),
                        ..Page::default()
                    }
                }
                _ => asking(CodeField { redirect_to, problem }),
            };
            visit.look.page(StatusCode::BAD_REQUEST, &page)
        }
        Err(error) => visit.look.error(&error),
    }
}

/// What the form carries comes from the outside: it leads nowhere else than a sign-in may.
fn checked(state: &AppState, to: Option<String>) -> Option<String> {
    to.and_then(|to| return_url::checked("redirectTo", &to, &state.site.origins).ok())
}

fn asking(code: CodeField) -> Page {
    let text =
        "Your account has a second factor. Type the code that your authenticator app shows, or one of your recovery codes.";
    Page { title: "One more step".to_owned(), text: vec![text.to_owned()], code: Some(code), ..Page::default() }
}
