//! `/auth/invitation`: the page behind a mailed invitation.

use axum::{
    Form,
    extract::{Query, State},
    http::StatusCode,
    response::Response,
};
use domain::{
    Actor, DomainError,
    ops::invitations,
    read::invitations::{Preview, preview},
};
use serde::Deserialize;

use super::{
    Token, Visit,
    page::{Button, Page},
    second_factor::{SIGNED_IN, before},
};
use crate::{auth::cookie, http::AppState};

const PATH: &str = "/auth/invitation";

#[derive(Deserialize)]
pub struct Acceptance {
    #[serde(default)]
    token: String,
    /// Given where somebody else is signed in, and means to go on as the invited.
    switch: Option<String>,
}

pub async fn show(State(state): State<AppState>, visit: Visit, Query(link): Query<Token>) -> Response {
    match preview(&state.domain, &link.token).await {
        Ok(Ok(Preview { over: Some(problem), .. })) => visit.look.error(&problem.into()),
        Ok(Ok(found)) => visit.look.page(StatusCode::OK, &page(&visit, found, link.token)),
        Ok(Err(refusal)) => visit.look.error(&refusal.problem().into()),
        Err(error) => visit.look.error(&error),
    }
}

fn page(visit: &Visit, found: Preview, token: String) -> Page {
    let (team, invited) = (found.team, found.row.email);
    let by = found.invited_by.map_or_else(|| "You are invited".to_owned(), |name| format!("{name} invites you"));
    let mut text = vec![format!("{by} to join the team {team}. The invitation is for {invited}.")];
    let mut fields = vec![("token", token)];
    let signed_in = visit.caller.signed_in.as_ref().map(|who| who.user.email.as_str());
    let label = match signed_in {
        Some(email) if email == invited => format!("Join {team}"),
        Some(other) => {
            text.push(format!("You are signed in as {other}."));
            fields.push(("switch", "yes".to_owned()));
            format!("Go on as {invited}")
        }
        None if found.signs_in => format!("Join {team}"),
        None => {
            text.push("For your safety this link no longer signs you in by itself: we mail you a fresh one.".to_owned());
            "Mail me a sign-in link".to_owned()
        }
    };
    let button = Button { action: PATH, label, fields };
    Page { title: format!("Join {team}"), text, button: Some(button), ..Page::default() }
}

pub async fn accept(State(state): State<AppState>, visit: Visit, Form(form): Form<Acceptance>) -> Response {
    let actor = match form.switch {
        Some(_) => Actor::nobody(visit.caller.actor.origin.clone()),
        None => visit.caller.actor.clone(),
    };
    match invitations::accept(&state.domain, &actor, &form.token).await {
        Ok(accepted) => {
            let to = match accepted.team {
                Some(_) => SIGNED_IN.to_owned(),
                None => before(&format!("{PATH}?token={}", form.token)),
            };
            visit.look.redirect(&to, accepted.session.map(|session| cookie::set(&session, &state.site)))
        }
        Err(DomainError::SecondFactorRequired(_)) => visit.look.redirect(&before(&format!("{PATH}?token={}", form.token)), None),
        Err(DomainError::Unauthenticated) => mail_link(&state, &visit, &actor, &form.token).await,
        Err(error) => visit.look.error(&error),
    }
}

async fn mail_link(state: &AppState, visit: &Visit, actor: &Actor, token: &str) -> Response {
    match invitations::mail_link(&state.domain, actor, token).await {
        Ok(email) => {
            let text = format!("We sent a sign-in link to {email}. Open it, and you are in the team.");
            visit.look.page(StatusCode::OK, &visit.look.note("Look into your mailbox", &text))
        }
        Err(error) => visit.look.error(&error),
    }
}
