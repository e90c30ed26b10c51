//! The templates: for each mail a subject, a text and an HTML part. HTML is escaped, whoever wrote what goes into it.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use entities::portal;
use minijinja::{AutoEscape, Environment, Error, Output, State, UndefinedBehavior, Value, context, escape_formatter};
use serde::Serialize;

use super::look::Look;
use crate::Failure;

const TEMPLATES: [(&str, &str); 17] = [
    ("layout.html", include_str!("templates/layout.html")),
    ("layout.txt", include_str!("templates/layout.txt")),
    ("sign_in.subject", include_str!("templates/sign_in.subject")),
    ("sign_in.txt", include_str!("templates/sign_in.txt")),
    ("sign_in.html", include_str!("templates/sign_in.html")),
    ("single_sign_on.subject", include_str!("templates/single_sign_on.subject")),
    ("single_sign_on.txt", include_str!("templates/single_sign_on.txt")),
    ("single_sign_on.html", include_str!("templates/single_sign_on.html")),
    ("invitation.subject", include_str!("templates/invitation.subject")),
    ("invitation.txt", include_str!("templates/invitation.txt")),
    ("invitation.html", include_str!("templates/invitation.html")),
    ("support_request.subject", include_str!("templates/support_request.subject")),
    ("support_request.txt", include_str!("templates/support_request.txt")),
    ("support_request.html", include_str!("templates/support_request.html")),
    ("notification.subject", include_str!("templates/notification.subject")),
    ("notification.txt", include_str!("templates/notification.txt")),
    ("notification.html", include_str!("templates/notification.html")),
];

static TEMPLATE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_formatter(escaped);
    for (name, source) in TEMPLATES {
        #[expect(clippy::expect_used, reason = "the templates are part of the program; every test of a mail loads them all")]
        environment.add_template(name, source).expect("a template of ours");
    }
    environment
});

#[derive(Debug, Serialize)]
pub struct SignIn<'a> {
    pub link: &'a str,
    pub minutes: i64,
    pub until: String,
}

#[derive(Debug, Serialize)]
pub struct SingleSignOn<'a> {
    pub link: &'a str,
    pub provider: &'a str,
}

#[derive(Debug, Serialize)]
pub struct Invitation<'a> {
    pub link: &'a str,
    pub team: &'a str,
    pub team_in_subject: &'a str,
    pub invited_by: Option<&'a str>,
    pub message: Option<&'a str>,
    pub until: String,
    pub to: &'a str,
}

#[derive(Debug, Serialize)]
pub struct SupportRequest<'a> {
    pub link: &'a str,
    pub reference: &'a str,
    pub from: &'a str,
    pub team: &'a str,
    pub topic: String,
    pub subject: &'a str,
    pub body: &'a str,
    pub request_id: Option<String>,
    pub at: String,
}

#[derive(Debug, Serialize)]
pub struct Notification<'a> {
    pub link: &'a str,
    pub title: &'a str,
    pub body: &'a str,
}

/// HTML without `&#x2f;` for each slash, which makes a link look disguised to filters of spam.
fn escaped(out: &mut Output, state: &State, value: &Value) -> Result<(), Error> {
    let Some(text) = value.as_str().filter(|_| state.auto_escape() == AutoEscape::Html && !value.is_safe()) else {
        return escape_formatter(out, state, value);
    };
    let mut rest = text;
    while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
        let (plain, special) = rest.split_at(at);
        out.write_str(plain)?;
        out.write_str(match special.as_bytes()[0] {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&quot;",
            _ => "&#x27;",
        })?;
        rest = &special[1..];
    }
    Ok(out.write_str(rest)?)
}

/// A mail's three texts.
#[derive(Debug)]
pub struct Texts {
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// As people read it; UTC, as we do not know where they are.
pub fn moment(at: DateTime<Utc>) -> String {
    at.format("%-d %B %Y, %H:%M UTC").to_string()
}

pub fn render(name: &str, portal: &portal::Model, about: &impl Serialize) -> Result<Texts, Failure> {
    let part = |kind: &str| {
        let template = TEMPLATE.get_template(&format!("{name}.{kind}"))?;
        template.render(context! { portal => Look::of(portal), mail => about })
    };
    let failed = |error: Error| Failure::Park(format!("the mail's template cannot be filled in: {error}"));
    Ok(Texts {
        subject: part("subject").map_err(failed)?,
        text: part("txt").map_err(failed)?,
        html: part("html").map_err(failed)?,
    })
}
