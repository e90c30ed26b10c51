use std::sync::{Mutex, atomic::AtomicI64};

use async_trait::async_trait;
use chrono::TimeDelta;
use serde_json::json;

use super::*;
use crate::{
    env::{Clock, Env, System},
    rules::{jose::SigningKey, outgoing::Reach},
};

#[derive(Default)]
struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(self.0.load(Ordering::Relaxed))
    }
}

/// Answers by URL; counts who asked.
#[derive(Default)]
struct Web {
    pages: Mutex<HashMap<String, Result<String, NotFetched>>>,
    asked: Mutex<Vec<String>>,
}

#[async_trait]
impl Outgoing for Web {
    fn reach(&self) -> Reach {
        Reach::Public
    }

    async fn get(&self, url: &Url, _: usize) -> Result<Fetched, NotFetched> {
        self.asked.lock().expect("asked").push(url.to_string());
        tokio::task::yield_now().await;
        let page = self.pages.lock().expect("pages").get(url.as_str()).cloned().unwrap_or(Err(NotFetched::Status(404)));
        page.map(|text| Fetched { text, fresh_for: None })
    }
}

impl Web {
    fn put(&self, url: &str, page: Result<String, NotFetched>) {
        self.pages.lock().expect("pages").insert(url.to_owned(), page);
    }

    fn asked(&self) -> usize {
        self.asked.lock().expect("asked").len()
    }
}

fn world() -> (Arc<Web>, Arc<Hand>, KeySets) {
    let (web, clock) = (Arc::new(Web::default()), Arc::new(Hand::default()));
    let env = Env::new(clock.clone(), Arc::new(System));
    let sets = KeySets::new(env, web.clone());
    (web, clock, sets)
}

/// A set of one new key.
fn new_set() -> KeySet {
    let (key, _) = SigningKey::generate().expect("a key");
    [key.public_key().clone()].into_iter().collect()
}

fn text(set: &KeySet) -> Result<String, NotFetched> {
    Ok(set.to_json().to_string())
}

#[tokio::test]
async fn keys_are_read_when_needed_and_again_when_they_changed_or_are_old() {
    let (web, clock, sets) = world();
    let source = KeySource::At("https://a.example/keys".into());
    let now = || clock.now();
    let [one, two] = [new_set(), new_set()];
    web.put("https://a.example/keys", text(&one));
    assert!(sets.get(&source, now()).is_none());
    // Many at once are one request.
    let (first, second) = tokio::join!(sets.refresh(&source), sets.refresh(&source));
    assert_eq!((first, second, web.asked()), (true, true, 1));
    assert_eq!(sets.get(&source, now()), Some(one));
    web.put("https://a.example/keys", text(&two));
    assert!(!sets.refresh(&source).await, "asked a moment ago");
    clock.0.store(31, Ordering::Relaxed);
    assert!(sets.refresh(&source).await);
    assert_eq!(sets.get(&source, now()).as_ref(), Some(&two));
    // An outage takes nothing away for a day, and is asked about behind those who call.
    web.put("https://a.example/keys", Err(NotFetched::Timeout));
    clock.0.store(3_600, Ordering::Relaxed);
    assert_eq!(sets.get(&source, now()).as_ref(), Some(&two));
    let asked = web.asked();
    tokio::select! {
        () = sets.keep() => {}
        () = async { while web.asked() == asked { tokio::task::yield_now().await } } => {}
    }
    assert_eq!(sets.get(&source, now()).as_ref(), Some(&two));
    clock.0.store(31 + 86_400, Ordering::Relaxed);
    assert!(sets.get(&source, now()).is_none());
    web.put("https://a.example/keys", Ok(json!({ "keys": [] }).to_string()));
    assert!(sets.refresh(&source).await);
    assert_eq!(sets.get(&source, now()), Some(KeySet::default()));
}

#[tokio::test]
async fn an_issuers_keys_are_where_its_own_document_says() {
    let (web, clock, sets) = world();
    let source = KeySource::Issuer("https://a.example".into());
    let document = |issuer: &str, keys: &str| Ok(json!({ "issuer": issuer, "jwks_uri": keys }).to_string());
    let discovery = "https://a.example/.well-known/openid-configuration";
    web.put("https://keys.example/k", text(&new_set()));
    let mut second = 0;
    for (page, found) in [
        (document("https://b.example", "https://keys.example/k"), false),
        (document("https://a.example", "https://127.0.0.1/k"), false),
        (document("https://a.example", "http://keys.example/k"), false),
        (Ok("<html>".to_owned()), false),
        (Err(NotFetched::Status(500)), false),
        (document("https://a.example", "https://keys.example/k"), true),
    ] {
        web.put(discovery, page);
        second += 60;
        clock.0.store(second, Ordering::Relaxed);
        assert_eq!(sets.refresh(&source).await, found);
        assert_eq!(sets.get(&source, clock.now()).is_some(), found);
    }
    let asked = web.asked.lock().expect("asked").clone();
    assert!(asked.iter().all(|url| url == discovery || url == "https://keys.example/k"), "{asked:?}");
}
