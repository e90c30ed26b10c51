//! How letters leave: by SMTP, as files, or into memory.

use std::{
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use lettre::{
    AsyncSmtpTransport, AsyncTransport, Tokio1Executor,
    transport::smtp::{
        self,
        client::{Certificate, Tls, TlsParameters},
    },
};
use secrecy::ExposeSecret;
use tokio::{fs::OpenOptions, io::AsyncWriteExt, sync::Semaphore};
use url::Url;

use super::{Delivery, MailSettingError, compose::Letter};
use crate::Failure;

/// For each command and its answer.
const SMTP_TIMEOUT: Duration = Duration::from_secs(15);
/// Connections to the mail server at a time.
const CONNECTIONS: usize = 8;
/// Characters of a mail server's answer that are kept.
const ANSWER: usize = 200;

pub enum Transport {
    Smtp { server: AsyncSmtpTransport<Tokio1Executor>, connections: Semaphore },
    Files { directory: PathBuf, print: Option<fn(String)> },
    Memory(SentMails),
}

/// Mails that were sent into memory, in order.
#[derive(Debug, Clone, Default)]
pub struct SentMails(Arc<Mutex<Vec<SentMail>>>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentMail {
    pub to: String,
    pub subject: String,
    pub link: String,
    pub text: String,
    pub html: String,
    /// The whole message, as SMTP would carry it.
    pub message: String,
}

impl SentMails {
    pub fn mails(&self) -> Vec<SentMail> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Transport {
    pub fn open(delivery: Delivery, authorities: Vec<Vec<u8>>) -> Result<Self, MailSettingError> {
        match delivery {
            Delivery::Smtp(url) => {
                let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose_secret()).map_err(|_| {
                    let takes = "smtp://host:25, smtp://user:password@host:587?tls=required or smtps://user:password@host";
                    MailSettingError(format!("the mail server's address is not one: it looks like {takes}"))
                })?;
                let unusable = |error: smtp::Error| MailSettingError(format!("TLS to the mail server: {}", reason(&error)));
                let builder = match secured(url.expose_secret(), authorities).map_err(unusable)? {
                    Some(tls) => builder.tls(tls),
                    None => builder,
                };
                let server = builder.timeout(Some(SMTP_TIMEOUT)).build();
                Ok(Self::Smtp { server, connections: Semaphore::new(CONNECTIONS) })
            }
            Delivery::Files { directory, print } => {
                let refused = |error| MailSettingError(format!("mails cannot be written to {}: {error}", directory.display()));
                // Mails hold links that sign people in.
                DirBuilder::new().recursive(true).mode(0o700).create(&directory).map_err(refused)?;
                Ok(Self::Files { directory, print })
            }
            Delivery::Memory(outbox) => Ok(Self::Memory(outbox)),
        }
    }

    pub async fn check(&self) -> Result<String, String> {
        match self {
            Self::Smtp { server, .. } => match server.test_connection().await {
                Ok(true) => Ok("the mail server answers".to_owned()),
                Ok(false) => Err("the mail server does not answer NOOP".to_owned()),
                Err(error) => Err(format!("the mail server cannot be used: {}", reason(&error))),
            },
            Self::Files { directory, .. } => Ok(format!("mails are written to {}", directory.display())),
            Self::Memory(_) => Ok("mails stay in memory".to_owned()),
        }
    }

    pub async fn send(&self, letter: Letter) -> Result<(), Failure> {
        match self {
            Self::Smtp { server, connections } => {
                let _one = connections.acquire().await;
                server.send(letter.message).await.map(drop).map_err(|error| fate(&error))
            }
            Self::Files { directory, print } => {
                let path = write(directory, &letter)
                    .await
                    .map_err(|error| Failure::Retry(format!("the mail cannot be written to {}: {error}", directory.display())))?;
                if let Some(print) = print {
                    print(format!("mail  {}\n      {}\n      {}", letter.subject, letter.link, path.display()));
                }
                Ok(())
            }
            Self::Memory(SentMails(mails)) => {
                let message = String::from_utf8_lossy(&letter.message.formatted()).into_owned();
                let Letter { to, subject, link, text, html, .. } = letter;
                let mail = SentMail { to, subject, link, text, html, message };
                mails.lock().unwrap_or_else(PoisonError::into_inner).push(mail);
                Ok(())
            }
        }
    }
}

/// As the address asks for, with these authorities believed besides the public ones; none: as the address alone says.
fn secured(address: &str, authorities: Vec<Vec<u8>>) -> Result<Option<Tls>, smtp::Error> {
    let Some(url) = Url::parse(address).ok().filter(|_| !authorities.is_empty()) else { return Ok(None) };
    let asked = url.query_pairs().find(|(name, _)| name == "tls").map(|(_, value)| value.into_owned());
    let how = match (url.scheme(), asked.as_deref()) {
        ("smtps", _) => Tls::Wrapper,
        (_, Some("required")) => Tls::Required,
        (_, Some("opportunistic")) => Tls::Opportunistic,
        _ => return Ok(None),
    };
    let mut parameters = TlsParameters::builder(url.host_str().unwrap_or_default().to_owned());
    for authority in authorities {
        parameters = parameters.add_root_certificate(Certificate::from_der(authority)?);
    }
    parameters.build().map(how).map(Some)
}

/// Whole or not at all, and on the disk: under another name first.
async fn write(directory: &Path, letter: &Letter) -> std::io::Result<PathBuf> {
    let path = directory.join(format!("{}.eml", letter.name));
    let unfinished = directory.join(format!(".{}.unfinished", letter.name));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished).await?;
    file.write_all(&letter.message.formatted()).await?;
    file.sync_all().await?;
    tokio::fs::rename(&unfinished, &path).await?;
    Ok(path)
}

/// 5xx is the server's last word on this mail, but for what it says of our access to it.
fn fate(error: &smtp::Error) -> Failure {
    let code = error.status().map(u16::from);
    match code {
        Some(530 | 534 | 535 | 538) => Failure::Retry(format!("{}: check the mail server's user and password", reason(error))),
        Some(500..) => Failure::Park(reason(error)),
        _ => Failure::Retry(reason(error)),
    }
}

/// What the server or the network said, without addresses and links, which a server may repeat.
fn reason(error: &smtp::Error) -> String {
    let mut text = match error.status() {
        Some(code) => format!("the mail server answered {code}"),
        None => "the mail server was not reached".to_owned(),
    };
    let mut source: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    let word = |word| if [":/", "@", "token="].iter().any(|part| str::contains(word, part)) { "[…]" } else { word };
    text.split_whitespace().map(word).collect::<Vec<_>>().join(" ").chars().take(ANSWER).collect()
}
