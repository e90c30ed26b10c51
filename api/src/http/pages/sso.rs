//! `/auth/sso`: on to an organisation's identity provider, and back from it.

use axum::{
    Form,
    extract::{Path, Query, State},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{REFRESH, SET_COOKIE},
    },
    response::Response,
};
use domain::{DomainError, identity::Answer, ops::sso};
use secrecy::SecretString;
use serde::Deserialize;

use super::{
    Visit,
    page::{Ask, Button, Link, Page, sentence},
    second_factor::{SIGNED_IN, on_the_way},
    session::{Request, asking},
};
use crate::{
    auth::{cookie, named_cookie},
    http::AppState,
};

const TITLE: &str = "Sign in with your organisation's account";

/// Where mails lead. Opening it sends nobody on and starts nothing: whoever made the link chose whose provider that would be.
pub async fn ask(visit: Visit, Query(asked): Query<Request>) -> Response {
    if asked.email.is_empty() {
        return visit.look.page(StatusCode::OK, &asking(Ask { redirect_to: asked.redirect_to, ..Ask::default() }));
    }
    let text = format!("You are about to sign in as {}, by your organisation's account. Go on if that is you.", asked.email);
    let fields = [("email", Some(asked.email)), ("redirectTo", asked.redirect_to)];
    let fields = fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let button = Button { action: "/auth/sso", label: TITLE.to_owned(), fields };
    let page = Page { title: TITLE.to_owned(), text: vec![text], button: Some(button), ..Page::default() };
    visit.look.page(StatusCode::OK, &page)
}

/// On to the provider. By a page and not by a redirect: the pages' policy would stop that one, as a form asked.
pub async fn start(State(state): State<AppState>, visit: Visit, Form(asked): Form<Request>) -> Response {
    let cmd = sso::StartSso {
        email: asked.email.clone(),
        redirect_to: asked.redirect_to.clone(),
        return_origins: state.site.origins.clone(),
        callback: state.site.sso_callback(),
    };
    match sso::start(&state.domain, cmd).await {
        Ok(away) => {
            let mut response = visit.look.page(StatusCode::OK, &onward(&away));
            if let Ok(refresh) = HeaderValue::try_from(format!("0; url={}", away.url)) {
                response.headers_mut().insert(REFRESH, refresh);
            }
            with_cookie(response, &cookie::set_away(&away, &state.site))
        }
        Err(error @ DomainError::Refused(_)) => {
            let problem = Some(sentence(&error.to_string()));
            let ask = Ask { redirect_to: asked.redirect_to, problem, email: asked.email };
            visit.look.page(StatusCode::BAD_REQUEST, &asking(ask))
        }
        Err(error) => visit.look.error(&error),
    }
}

fn onward(away: &sso::Away) -> Page {
    let host = away.url.host_str().unwrap_or_default();
    let text = format!("You are taken to {host}, where your organisation asks who you are.");
    let links = vec![Link { href: away.url.to_string(), label: format!("Continue to {host}") }];
    Page { title: TITLE.to_owned(), text: vec![text], links, ..Page::default() }
}

/// What a provider sends a browser back with.
#[derive(Deserialize)]
pub struct Return {
    #[serde(default)]
    state: String,
    code: Option<String>,
    /// In place of a code.
    #[serde(default)]
    error: String,
    /// RFC 9207.
    iss: Option<String>,
}

pub async fn callback(
    State(state): State<AppState>,
    visit: Visit,
    Path(came_by): Path<String>,
    headers: HeaderMap,
    Query(back): Query<Return>,
) -> Response {
    let kept = named_cookie(&headers, &cookie::name_away(&back.state, &state.site)).map(SecretString::from);
    let cmd = sso::Back {
        kept,
        came_by,
        answer: back.code.map(|code| Answer { code: code.into(), issuer: back.iss }).ok_or(back.error),
        callback: state.site.sso_callback(),
        state: back.state.clone(),
    };
    let response = match sso::finish(&state.domain, &visit.caller.actor, cmd).await {
        Ok(done) => {
            let to = on_the_way(&done.session, done.redirect_to.as_deref().unwrap_or(SIGNED_IN));
            visit.look.redirect(&to, Some(cookie::set(&done.session, &state.site)))
        }
        Err(error @ DomainError::Refused(_)) => {
            let page = Page {
                title: "Nobody is signed in".to_owned(),
                text: vec![sentence(&error.to_string())],
                ask: Some(Ask::default()),
                ..Page::default()
            };
            visit.look.page(StatusCode::BAD_REQUEST, &page)
        }
        Err(error) => visit.look.error(&error),
    };
    with_cookie(response, &cookie::clear_away(&back.state, &state.site))
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}
