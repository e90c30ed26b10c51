//! The built-in pages: what mailed links lead to where the portal has no frontend of its own. Opening one signs nobody in,
//! however often a mail scanner does it; the button's POST does.

mod invitation;
mod magic_link;
mod notification;
mod page;
mod second_factor;
mod session;
mod sso;

use axum::{
    Router,
    extract::{DefaultBodyLimit, FromRequestParts, Request, State},
    http::{HeaderMap, StatusCode, request::Parts},
    middleware::{self, Next},
    response::Response,
    routing::get,
};
use domain::DomainError;
use serde::Deserialize;

use self::page::Look;
use crate::{
    auth::{self, Caller, origin::is_foreign_form},
    http::AppState,
    http::exchange::Exchange,
};

/// Bytes: these forms carry a token or an address.
const FORM_LIMIT: usize = 16 * 1024;

pub fn routes(state: AppState) -> Router<AppState> {
    Router::new()
        .route("/", get(session::home))
        .route("/auth/page.css", get(style))
        .route("/auth/magic-link", get(magic_link::show).post(magic_link::redeem))
        .route("/auth/invitation", get(invitation::show).post(invitation::accept))
        .route("/auth/second-factor", get(second_factor::show).post(second_factor::prove))
        .route("/auth/sign-in", get(session::form).post(session::request))
        .route("/auth/sso", get(sso::ask).post(sso::start))
        .route("/auth/sso/callback/{provider}", get(sso::callback))
        .route("/auth/signed-in", get(session::signed_in))
        .route("/auth/sign-out", axum::routing::post(session::sign_out))
        .route("/notifications/{id}", get(notification::show))
        .layer(DefaultBodyLimit::max(FORM_LIMIT))
        .layer(middleware::from_fn_with_state(state, refuse_foreign_forms))
}

/// The token of a mailed link.
#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    token: String,
}

/// Who visits, and how the portal looks.
struct Visit {
    caller: Caller,
    look: Look,
}

impl FromRequestParts<AppState> for Visit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Response> {
        let look = Look::load(state).await?;
        let Some(exchange) = parts.extensions.get::<Exchange>() else {
            return Err(look.error(&DomainError::internal("a request came by another way than the listener's")));
        };
        let request_id = Some(exchange.request_id.to_string());
        match auth::admitted(&state.domain, &state.site, &state.strangers, &parts.headers, exchange.ip, request_id).await {
            Ok(caller) => Ok(Self { caller, look }),
            Err(error) => Err(look.error(&error)),
        }
    }
}

async fn style(State(state): State<AppState>) -> Response {
    match Look::load(&state).await {
        Ok(look) => look.style(),
        Err(response) => response,
    }
}

async fn refuse_foreign_forms(State(state): State<AppState>, headers: HeaderMap, request: Request, next: Next) -> Response {
    if request.method().is_safe() || !is_foreign_form(&headers, &state.site) {
        return next.run(request).await;
    }
    match Look::load(&state).await {
        Ok(look) => {
            let told = "This form was sent by a page of another site, so nothing was done. Open the link from your mail instead.";
            look.page(StatusCode::FORBIDDEN, &look.note("That did not come from here", told))
        }
        Err(response) => response,
    }
}
