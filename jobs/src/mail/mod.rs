//! Mail: templates with the portal's own name and look, made into messages that are the same each time they are made, so that
//! a second copy can be told by its Message-ID. Nothing in them is tracked.

use std::{path::PathBuf, sync::Arc};

use domain::{
    read::mail::{InvitationMail, NotificationMail, Onward, SignInMail, SupportMail, WayIn},
    rules::text,
};
use entities::{
    id::{InvitationId, MagicLinkId},
    portal,
};
use lettre::message::Mailbox;
use secrecy::{ExposeSecret, SecretString};
use url::form_urlencoded;

use crate::Failure;

mod compose;
mod look;
mod template;
mod transport;

pub use transport::{SentMail, SentMails};

use compose::Letter;
use transport::Transport;

/// The page behind a mailed invitation.
const INVITATION: &str = "/auth/invitation";

/// How mails leave.
#[derive(Debug)]
pub enum Delivery {
    /// `smtp://` or `smtps://`, with user, password and `?tls=required|opportunistic` as they need be.
    Smtp(SecretString),
    /// As `.eml` files into a directory; what is said of each, with its link, goes to `print`, which must not wait.
    Files { directory: PathBuf, print: Option<fn(String)> },
    /// Kept in memory, for tests and demonstrations.
    Memory(SentMails),
}

#[derive(Debug)]
pub struct MailSettings {
    /// An address, or `Name <address>`; without a name the portal's is used.
    pub from: String,
    /// Where links lead; without a slash at its end.
    pub portal_url: String,
    /// Where this instance is reached; without a slash at its end.
    pub base_url: String,
    pub delivery: Delivery,
    /// Certificate authorities that mail servers are believed by besides the public ones, in DER.
    pub authorities: Vec<Vec<u8>>,
}

/// A setting that mail cannot work with. The text names what is wrong and never a password.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct MailSettingError(pub(crate) String);

/// Sends mails; cheap to clone.
#[derive(Clone)]
pub struct Mailer(Arc<Inner>);

struct Inner {
    from: Mailbox,
    portal_url: String,
    base_url: String,
    transport: Transport,
}

impl Mailer {
    pub fn new(settings: MailSettings) -> Result<Self, MailSettingError> {
        let from = settings.from.parse().map_err(|error| {
            MailSettingError(format!("the sender {:?} is not an address such as portal@example.com: {error}", settings.from))
        })?;
        let portal_url = settings.portal_url.trim_end_matches('/').to_owned();
        let base_url = settings.base_url;
        let transport = Transport::open(settings.delivery, settings.authorities)?;
        Ok(Self(Arc::new(Inner { from, portal_url, base_url, transport })))
    }

    /// Whether mails can leave, in a sentence; connects to the mail server where there is one.
    pub async fn check(&self) -> Result<String, String> {
        self.0.transport.check().await
    }

    pub(crate) async fn send(&self, letter: Letter) -> Result<(), Failure> {
        self.0.transport.send(letter).await
    }

    /// A link into the portal that carries a token.
    fn link(&self, path: &str, token: &SecretString) -> String {
        format!("{}{path}?token={}", self.0.portal_url, token.expose_secret())
    }

    /// The way to an address's identity provider. It starts and ends at this instance, whose cookie it needs.
    fn way_to_provider(&self, email: &str, then: Option<&Onward>) -> String {
        let page = format!("{}/auth/sso?", self.0.base_url);
        let start = page.len();
        let mut query = form_urlencoded::Serializer::for_suffix(page, start);
        query.append_pair("email", email);
        match then {
            Some(Onward::Invitation(token)) => query.append_pair("redirectTo", &self.link(INVITATION, token)),
            Some(Onward::To(path)) if path.starts_with('/') => {
                query.append_pair("redirectTo", &format!("{}{path}", self.0.portal_url))
            }
            Some(Onward::To(url)) => query.append_pair("redirectTo", url),
            None => &mut query,
        };
        query.finish()
    }
}

/// The mail with a sign-in link, or with the way to the one provider that signs its reader in.
pub(crate) fn sign_in(mailer: &Mailer, id: MagicLinkId, facts: &SignInMail) -> Result<Letter, Failure> {
    let (link, text) = match &facts.way {
        WayIn::Link(token) => {
            let link = mailer.link("/auth/magic-link", token);
            let about = template::SignIn {
                link: &link,
                minutes: (facts.valid_until - facts.asked_at).num_minutes(),
                until: template::moment(facts.valid_until),
            };
            let text = template::render("sign_in", &facts.portal, &about)?;
            (link, text)
        }
        WayIn::SingleSignOn { provider, then } => {
            let link = mailer.way_to_provider(&facts.to, then.as_ref());
            let text = template::render("single_sign_on", &facts.portal, &template::SingleSignOn { link: &link, provider })?;
            (link, text)
        }
    };
    compose::letter(&mailer.0.from, &facts.portal, &facts.to, id.to_string(), facts.asked_at, &link, text)
}

/// The mail with an invitation.
pub(crate) fn invitation(mailer: &Mailer, id: InvitationId, generation: i32, facts: &InvitationMail) -> Result<Letter, Failure> {
    let link = mailer.link(INVITATION, &facts.token);
    let about = template::Invitation {
        link: &link,
        team: &facts.team,
        team_in_subject: facts.team_in_subject.as_deref().unwrap_or("a team"),
        invited_by: facts.invited_by.as_deref(),
        message: facts.message.as_deref(),
        until: template::moment(facts.valid_until),
        to: &facts.to,
    };
    let text = template::render("invitation", &facts.portal, &about)?;
    compose::letter(&mailer.0.from, &facts.portal, &facts.to, format!("{id}.{generation}"), facts.invited_at, &link, text)
}

/// The mail to the provider's support; answers go to who asked.
pub(crate) fn support_request(mailer: &Mailer, facts: &SupportMail) -> Result<Letter, Failure> {
    let request = &facts.request;
    let from = match &facts.from_name {
        Some(name) => format!("{name} ({})", facts.from),
        None => facts.from.clone(),
    };
    let about = template::SupportRequest {
        link: &mailer.0.portal_url,
        reference: &request.reference,
        from: &from,
        team: &facts.team,
        topic: text::word(request.topic),
        subject: &request.subject,
        body: &request.body,
        request_id: request.request_id.map(|id| id.to_string()),
        at: template::moment(request.created_at),
    };
    // The address for questions is whom it goes to.
    let portal = portal::Model { support_email: None, ..facts.portal.clone() };
    let text = template::render("support_request", &portal, &about)?;
    let (name, link) = (request.id.to_string(), &mailer.0.portal_url);
    let letter = compose::letter(&mailer.0.from, &portal, &facts.to, name, request.created_at, link, text)?;
    letter.written_by(&facts.from, facts.from_name.as_deref())
}

/// The mail of what a person was told; its link leads to the same text in the portal.
pub(crate) fn notification(mailer: &Mailer, facts: &NotificationMail) -> Result<Letter, Failure> {
    let told = &facts.notification;
    let link = format!("{}/notifications/{}", mailer.0.portal_url, told.id);
    let about = template::Notification { link: &link, title: &told.title, body: &told.body };
    let text = template::render("notification", &facts.portal, &about)?;
    compose::letter(&mailer.0.from, &facts.portal, &facts.to, told.id.to_string(), told.at, &link, text)
}
