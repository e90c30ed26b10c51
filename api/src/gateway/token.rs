//! The token endpoint for clients that authenticate by their certificate (RFC 8705), which is known here alone.

use std::rc::Rc;

use http::{Method, Request, Response, StatusCode, request::Parts};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;

use super::{Core, answer::Answer, came::Came, refusal::REQUEST_ID, request_id};
use crate::{
    listen::{GuardedBody, TooSlow},
    oauth::{self, LARGEST},
};

/// No product can have it: the base path is reserved.
pub const PATH: &str = "/oauth2/token";

pub async fn answer(core: Rc<Core>, came: Came, request: Request<Incoming>) -> Response<Answer> {
    let (Parts { method, headers, .. }, body) = request.into_parts();
    let id = request_id::header(came.id);
    let mut too_slow = false;
    let mut response = if method == Method::POST {
        let asked = async {
            let body = Limited::new(GuardedBody::new(body, &core.settings.limits), LARGEST).collect().await;
            let body = body
                .map_err(|error| {
                    too_slow = error.is::<TooSlow>();
                    oauth::unread(error.is::<LengthLimitError>())
                })?
                .to_bytes();
            let (authorization, form) = oauth::read(&headers, &body)?;
            core.tokens.token(authorization, &form, came.certificate()).await
        };
        oauth::answered(asked.await)
    } else {
        oauth::not_posted()
    };
    if too_slow {
        *response.status_mut() = StatusCode::REQUEST_TIMEOUT;
    }
    response.headers_mut().insert(&REQUEST_ID, id);
    let call = came.unnoted();
    response.map(|text| Answer::text(text, call))
}
