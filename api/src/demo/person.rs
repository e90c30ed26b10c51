//! Somebody in the demo, who knows the portal only by its front door: mails, pages and GraphQL over HTTP.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use reqwest::{
    Client,
    header::{CONTENT_TYPE, COOKIE, ORIGIN, SET_COOKIE},
};
use serde_json::{Value, json};

/// Why a step of the demo failed: one sentence.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How long a mail may take to arrive, and a logged call to show.
const PATIENCE: Duration = Duration::from_secs(5);
const GLANCE: Duration = Duration::from_millis(20);

pub struct Person {
    pub email: String,
    portal: String,
    mails: PathBuf,
    http: Client,
    /// `portico_session=…`, once signed in; the demo is served by http.
    pub cookie: Option<String>,
}

impl Person {
    pub fn new(email: &str, portal: &str, mails: &Path, http: Client) -> Self {
        Self { email: email.to_owned(), portal: portal.to_owned(), mails: mails.to_owned(), http, cookie: None }
    }

    /// What a GraphQL operation answers; an error or a `userErrors` entry is a failure.
    pub async fn ask(&self, query: &str, variables: Value) -> Result<Value, Failure> {
        let mut request = self.http.post(format!("{}/graphql", self.portal));
        if let Some(cookie) = &self.cookie {
            request = request.header(COOKIE, cookie);
        }
        let body = json!({ "query": query, "variables": variables });
        let mut answer: Value = request.json(&body).send().await?.json().await?;
        if let Some(error) = answer.pointer("/errors/0/message") {
            return Err(format!("{error}").into());
        }
        Ok(answer["data"].take())
    }

    /// Runs the mutation `field` and gives its payload.
    pub async fn change(&self, field: &str, input_type: &str, input: Value, select: &str) -> Result<Value, Failure> {
        let query =
            format!("mutation($input: {input_type}!) {{ {field}(input: $input) {{ {select} userErrors {{ message path }} }} }}");
        let mut payload = self.ask(&query, json!({ "input": input })).await?[field].take();
        if let Some(error) = payload.pointer("/userErrors/0") {
            return Err(format!("{field}: {error}").into());
        }
        payload["userErrors"].take();
        Ok(payload)
    }

    /// Asks for a sign-in link.
    pub async fn request_link(&self) -> Result<(), Failure> {
        let input = json!({ "email": self.email });
        self.change("requestMagicLink", "RequestMagicLinkInput", input, "sent").await.map(drop)
    }

    /// Opens the newest link that was mailed to this person, presses the page's button and keeps the session.
    pub async fn follow_mailed_link(&mut self, page: &str) -> Result<(), Failure> {
        let link = self.mailed_link(page, None).await?;
        let shown = self.http.get(&link).send().await?;
        if !shown.status().is_success() {
            return Err(format!("the page behind the link answered {}", shown.status()).into());
        }
        let token = link.split_once("token=").map(|(_, token)| token.to_owned()).ok_or("a link without a token")?;
        let pressed = self
            .http
            .post(format!("{}{page}", self.portal))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ORIGIN, &self.portal)
            .body(format!("token={token}"))
            .send()
            .await?;
        let cookie = pressed.headers().get(SET_COOKIE).and_then(|value| value.to_str().ok());
        let cookie = cookie.and_then(|value| value.split(';').next()).ok_or("no session after the button")?;
        self.cookie = Some(cookie.to_owned());
        Ok(())
    }

    /// The cookie of a session that lives: signs in again where the last one was ended.
    pub async fn signed_in(&mut self) -> Result<&str, Failure> {
        let viewer = self.ask("{ viewer { user { email } } }", json!({})).await?;
        if viewer["viewer"].is_null() {
            let before = newest_link(&self.mails, &self.email, "/auth/magic-link");
            self.request_link().await?;
            self.mailed_link("/auth/magic-link", before.as_deref()).await?;
            self.follow_mailed_link("/auth/magic-link").await?;
        }
        self.cookie.as_deref().ok_or_else(|| "nobody is signed in".into())
    }

    /// Waits for a mail to this person that has a link to `page`, other than `before`.
    async fn mailed_link(&self, page: &str, before: Option<&str>) -> Result<String, Failure> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let newest = newest_link(&self.mails, &self.email, page);
            if let Some(link) = newest.filter(|link| Some(link.as_str()) != before) {
                return Ok(link);
            }
            tokio::time::sleep(GLANCE).await;
        }
        Err(format!("no mail arrived within {} s", PATIENCE.as_secs()).into())
    }
}

/// Looks again and again until something is there.
pub async fn eventually<T>(otherwise: &str, look: impl AsyncFn() -> Option<T>) -> Result<T, Failure> {
    let found = tokio::time::timeout(PATIENCE, async {
        loop {
            match look().await {
                Some(found) => return found,
                None => tokio::time::sleep(GLANCE).await,
            }
        }
    });
    found.await.map_err(|_| format!("{otherwise} within {} s", PATIENCE.as_secs()).into())
}

fn newest_link(mails: &Path, address: &str, page: &str) -> Option<String> {
    let files = std::fs::read_dir(mails).ok()?.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let mut mails: Vec<_> = files.filter(|file| file.extension().is_some_and(|e| e == "eml")).collect();
    mails.sort_by_key(|file| file.metadata().and_then(|meta| meta.modified()).ok());
    mails.iter().rev().find_map(|file| {
        let text = std::fs::read_to_string(file).ok()?;
        let to = text.lines().any(|line| line.starts_with("To:") && line.contains(address));
        to.then(|| link_in(&text, page)).flatten()
    })
}

/// The link in a mail's plain part; a mail breaks long lines with `=` at the end.
fn link_in(mail: &str, page: &str) -> Option<String> {
    let text = mail.replace("=\r\n", "").replace("=\n", "").replace("=3D", "=");
    let at = text.find(&format!("{page}?token="))?;
    let start = text[..at].rfind("http")?;
    let link = &text[start..];
    let end = link.find(|c: char| c.is_whitespace() || matches!(c, '"' | '<' | '>')).unwrap_or(link.len());
    Some(link[..end].to_owned())
}
