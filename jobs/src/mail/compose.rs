//! A letter: the same bytes each time it is made from the same facts.

use chrono::{DateTime, Utc};
use domain::rules::text::is_hidden;
use entities::portal;
use lettre::{
    Address, Message,
    message::{
        Body, Mailbox, Mailboxes, MultiPart, SinglePart,
        header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue, ReplyTo},
    },
};

use super::template::Texts;
use crate::Failure;

/// Bytes of a line, its end not counted (RFC 5322, 2.1.1).
const LINE: usize = 998;

/// A mail that is ready to leave.
pub struct Letter {
    pub message: Message,
    /// What tells this mail from others, and its copies from each other not: what the Message-ID is made of.
    pub name: String,
    pub to: String,
    pub subject: String,
    pub link: String,
    pub text: String,
    pub html: String,
}

impl Letter {
    /// As written by a person: answers go to them, and what sorts out machines' mails lets it through.
    pub fn written_by(mut self, email: &str, name: Option<&str>) -> Result<Self, Failure> {
        let address: Address =
            email.parse().map_err(|error| Failure::Park(format!("the writer's address is not fit for a mail: {error}")))?;
        let headers = self.message.headers_mut();
        headers.remove_raw("Auto-Submitted");
        headers.set(ReplyTo::from(Mailboxes::from(Mailbox::new(name.map(one_line), address))));
        Ok(self)
    }
}

/// `name` and `at` are of what the mail is about, never of when it is sent.
pub fn letter(
    from: &Mailbox,
    portal: &portal::Model,
    to: &str,
    name: String,
    at: DateTime<Utc>,
    link: &str,
    texts: Texts,
) -> Result<Letter, Failure> {
    let refused = |what: &str, error: &dyn std::fmt::Display| Failure::Park(format!("{what} is not fit for a mail: {error}"));
    let recipient: Address = to.parse().map_err(|error| refused("the recipient's address", &error))?;
    let sender = Mailbox::new(Some(one_line(from.name.as_deref().unwrap_or(&portal.name))), from.email.clone());
    let subject = one_line(&texts.subject);
    let mut message = Message::builder()
        .message_id(Some(format!("<{name}@{}>", from.email.domain())))
        .date(at.into())
        .from(sender)
        .to(Mailbox::new(None, recipient))
        .subject(&subject)
        .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()));
    if let Some(support) = portal.support_email.as_deref().and_then(|address| address.parse().ok()) {
        message = message.reply_to(Mailbox::new(None, support));
    }
    let part = |kind: ContentType, text: &str| SinglePart::builder().header(kind).body(body(text));
    // lettre would draw a boundary by chance.
    let parts = MultiPart::alternative()
        .boundary(format!("={name}="))
        .singlepart(part(ContentType::TEXT_PLAIN, &texts.text))
        .singlepart(part(ContentType::TEXT_HTML, &texts.html));
    let message = message.multipart(parts).map_err(|error| refused("a header", &error))?;
    Ok(Letter { message, name, to: to.to_owned(), subject, link: link.to_owned(), text: texts.text, html: texts.html })
}

/// As it is where mail can carry it so: a file of it can be read, and its link followed, by hand.
fn body(text: &str) -> Body {
    let fits = |line: &str| line.len() < LINE && line.bytes().all(|byte| byte.is_ascii() && !matches!(byte, 0 | b'\r'));
    let plain = text.lines().all(fits);
    if !plain {
        return Body::new(text.to_owned());
    }
    let lines = text.lines().flat_map(|line| [line, "\r\n"]).collect::<String>();
    Body::dangerous_pre_encoded(lines.into_bytes(), ContentTransferEncoding::SevenBit)
}

/// A header is one line, whatever its parts were made of.
fn one_line(text: &str) -> String {
    let spaced: String = text.chars().map(|c| if is_hidden(c) { ' ' } else { c }).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}
