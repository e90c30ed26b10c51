//! Asking for a link, and what is there once one is signed in: for portals without a frontend of their own.

use axum::{
    Form,
    extract::{Query, State},
    http::StatusCode,
    response::Response,
};
use domain::{
    DomainError,
    ops::{
        sessions,
        sign_in::{RequestMagicLink, request_magic_link},
    },
    read,
    rules::person::display_name,
};
use serde::Deserialize;

use super::{
    Visit,
    page::{Ask, Button, Link, Page, sentence},
    second_factor::{SIGNED_IN, before},
};
use crate::{auth::cookie, http::AppState};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    #[serde(default)]
    pub email: String,
    pub redirect_to: Option<String>,
}

/// `/`: on to where a visitor goes next.
pub async fn home(State(state): State<AppState>, visit: Visit) -> Response {
    let to = match (&visit.caller.signed_in, &visit.caller.unproven) {
        (Some(_), _) if state.config.graphiql => "/graphql".to_owned(),
        (Some(_), _) => SIGNED_IN.to_owned(),
        (None, Some(_)) => before("/"),
        (None, None) => "/auth/sign-in".to_owned(),
    };
    visit.look.redirect(&to, None)
}

pub async fn form(Visit { look, .. }: Visit, Query(request): Query<Request>) -> Response {
    let ask = Ask { redirect_to: request.redirect_to, ..Ask::default() };
    look.page(StatusCode::OK, &asking(ask))
}

pub fn asking(ask: Ask) -> Page {
    let text = "We mail you a link that signs you in. No password needed.".to_owned();
    Page { title: "Sign in".to_owned(), text: vec![text], ask: Some(ask), ..Page::default() }
}

pub async fn request(State(state): State<AppState>, visit: Visit, Form(form): Form<Request>) -> Response {
    let cmd = RequestMagicLink {
        email: form.email.clone(),
        redirect_to: form.redirect_to.clone(),
        return_origins: state.site.origins.clone(),
    };
    match request_magic_link(&state.domain, &visit.caller.actor, cmd).await {
        Ok(()) => {
            let text = "If this address is known here, a sign-in link is on its way to it. It works once, and not for long.";
            visit.look.page(StatusCode::OK, &visit.look.note("Look into your mailbox", text))
        }
        Err(error @ DomainError::Refused(_)) => {
            let problem = Some(sentence(&error.to_string()));
            visit.look.page(StatusCode::BAD_REQUEST, &asking(Ask { redirect_to: None, problem, email: form.email }))
        }
        Err(error) => visit.look.error(&error),
    }
}

pub async fn signed_in(State(state): State<AppState>, visit: Visit) -> Response {
    let Some(who) = &visit.caller.signed_in else {
        let way = if visit.caller.unproven.is_some() { before(SIGNED_IN) } else { "/auth/sign-in".to_owned() };
        return visit.look.redirect(&way, None);
    };
    let teams = match read::teams::of_user(&state.domain, who.user.id).await {
        Ok(teams) => teams,
        Err(error) => return visit.look.error(&error),
    };
    let name = display_name(who.user.name.as_deref(), Some(&who.user.email), who.user.staff_role);
    let mut text = vec![format!("You are signed in as {}.", who.user.email)];
    if !teams.is_empty() {
        let names: Vec<_> = teams.into_iter().map(|team| team.name).collect();
        text.push(format!("Your teams: {}.", names.join(", ")));
    }
    let links = match state.config.graphiql {
        true => vec![Link { href: "/graphql".to_owned(), label: "Explore the API".to_owned() }],
        false => Vec::new(),
    };
    let button = Button { action: "/auth/sign-out", label: "Sign out".to_owned(), fields: Vec::new() };
    let page = Page { title: format!("Welcome, {name}"), text, button: Some(button), links, ..Page::default() };
    visit.look.page(StatusCode::OK, &page)
}

pub async fn sign_out(State(state): State<AppState>, visit: Visit) -> Response {
    if let Some(session) = visit.caller.session()
        && let Err(error) = sessions::sign_out(&state.domain, &visit.caller.actor, session.id).await
    {
        return visit.look.error(&error);
    }
    visit.look.redirect("/auth/sign-in", Some(cookie::clear(&state.site)))
}
