//! How the pages look: the portal's name, colour and logo, no scripts, and no way to leak the token in their address.

use axum::{
    http::{
        HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, SET_COOKIE},
    },
    response::{IntoResponse, Response},
};
use domain::{DomainError, ProblemCode, read};
use minijinja::{Environment, context};
use serde::Serialize;
use url::Url;

use crate::{
    error::{log_fault, outside, told_when},
    http::AppState,
};

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const DEFAULT_COLOR: &str = "#2456d6";

/// The portal's look, for one answer.
pub struct Look {
    name: String,
    support_email: Option<String>,
    /// Whether asking for a link offers the way to an organisation's identity provider too.
    sso: bool,
    logo: Option<Url>,
    color: String,
    /// Of the text on `color`.
    ink: &'static str,
    /// Origins that a form's answer may redirect to.
    form_targets: String,
}

/// What a page says and offers.
#[derive(Debug, Default, Serialize)]
pub struct Page {
    pub title: String,
    pub text: Vec<String>,
    pub button: Option<Button>,
    /// Offers to ask for a new link.
    pub ask: Option<Ask>,
    /// Asks for a code of the second factor.
    pub code: Option<CodeField>,
    pub links: Vec<Link>,
}

/// The one form of a page; its fields are hidden.
#[derive(Debug, Serialize)]
pub struct Button {
    pub action: &'static str,
    pub label: String,
    pub fields: Vec<(&'static str, String)>,
}

#[derive(Debug, Default, Serialize)]
pub struct Ask {
    pub redirect_to: Option<String>,
    /// What was wrong with the address given.
    pub problem: Option<String>,
    pub email: String,
}

#[derive(Debug, Serialize)]
pub struct CodeField {
    pub redirect_to: Option<String>,
    /// What was wrong with the code given.
    pub problem: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct Link {
    pub href: String,
    pub label: String,
}

impl Look {
    /// The error is an answer already: without the portal's row there is no page to show.
    pub async fn load(state: &AppState) -> Result<Self, Response> {
        let unready = |error: DomainError| {
            log_fault(&error, outside(&error));
            (outside(&error).status, "the portal cannot answer now: try again in a minute\n").into_response()
        };
        let portal = read::portal::load(&state.domain).await.map_err(unready)?;
        let sso = read::sso::is_anywhere(&state.domain).await.map_err(unready)?;
        let color = portal.primary_color.unwrap_or_else(|| DEFAULT_COLOR.to_owned());
        Ok(Self {
            ink: ink_on(&color),
            color,
            logo: portal.logo_url.and_then(|url| Url::parse(&url).ok()),
            name: portal.name,
            support_email: portal.support_email,
            sso,
            form_targets: state.site.origins.join(" "),
        })
    }

    pub fn note(&self, title: &str, text: &str) -> Page {
        Page { title: title.to_owned(), text: vec![text.to_owned()], ..Page::default() }
    }

    /// The style of all pages, in the portal's colour.
    pub fn style(&self) -> Response {
        let text = format!(":root {{ --accent: {}; --ink: {}; }}\n{STYLE}", self.color, self.ink);
        ([(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "no-cache")], text).into_response()
    }

    pub fn page(&self, status: StatusCode, page: &Page) -> Response {
        let mut templates = Environment::new();
        let html = templates.add_template("page.html", TEMPLATE).and_then(|()| templates.get_template("page.html")).and_then(
            |template| {
                template.render(context! {
                    page, name => self.name, support_email => self.support_email, sso => self.sso,
                    logo => self.logo.as_ref().map(Url::as_str),
                })
            },
        );
        match html {
            Ok(html) => guarded((status, [(CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response(), &self.policy()),
            Err(error) => {
                tracing::error!(error = %error, "a page could not be made");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }

    /// A refusal as a page that says what to do.
    pub fn error(&self, error: &DomainError) -> Response {
        let seen = outside(error);
        log_fault(error, seen);
        let mut page = self.note("That did not work", &sentence(&error.to_string()));
        let status = match error {
            DomainError::Refused(problems) => {
                page.title = "This link does not work any more".to_owned();
                page.ask = Some(Ask::default());
                let gone = |code| matches!(code, ProblemCode::AlreadyDone | ProblemCode::Expired | ProblemCode::WrongState);
                if problems.iter().any(|problem| gone(problem.code)) { StatusCode::GONE } else { seen.status }
            }
            _ => seen.status,
        };
        told_when(self.page(status, &page), error)
    }

    /// On with a GET; with a cookie where somebody signed in or out.
    pub fn redirect(&self, to: &str, cookie: Option<String>) -> Response {
        let mut response = StatusCode::SEE_OTHER.into_response();
        match HeaderValue::try_from(to) {
            Ok(to) => response.headers_mut().insert(LOCATION, to),
            Err(_) => response.headers_mut().insert(LOCATION, HeaderValue::from_static("/auth/signed-in")),
        };
        if let Some(cookie) = cookie.and_then(|cookie| HeaderValue::try_from(cookie).ok()) {
            response.headers_mut().insert(SET_COOKIE, cookie);
        }
        guarded(response, &self.policy())
    }

    fn policy(&self) -> String {
        let images = self.logo.as_ref().map_or_else(|| "'none'".to_owned(), |logo| logo.origin().ascii_serialization());
        format!(
            "default-src 'none'; style-src 'self'; img-src {images}; form-action 'self' {}; base-uri 'none'; \
             frame-ancestors 'none'",
            self.form_targets
        )
    }
}

/// Not stored: the address may hold a token. The rest is said of every answer.
fn guarded(mut response: Response, policy: &str) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(policy) = HeaderValue::try_from(policy) {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// Black or white, whichever reads better on the colour (relative luminance of WCAG 2).
fn ink_on(color: &str) -> &'static str {
    let channel = |at: usize| {
        let value = color.get(at..at + 2).and_then(|hex| u8::from_str_radix(hex, 16).ok()).unwrap_or_default();
        let part = f64::from(value) / 255.0;
        if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    };
    let luminance = 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
    if luminance > 0.179 { "#000000" } else { "#ffffff" }
}

/// An error's text as a sentence.
pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{}.", letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_button_can_be_read_on_every_colour() {
        for (color, ink) in [("#000000", "#ffffff"), ("#ffffff", "#000000"), ("#2456d6", "#ffffff"), ("#ffd400", "#000000")] {
            assert_eq!(ink_on(color), ink, "{color}");
        }
    }
}
