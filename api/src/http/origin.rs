//! Which browsers' pages may use the API: our own, and those of the allowed origins.

use axum::http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{HOST, ORIGIN, RETRY_AFTER},
};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};
use url::Url;

use super::exchange::REQUEST_ID;

/// How long a browser may remember that an origin is allowed, in seconds.
const REMEMBER: u64 = 600;

#[derive(Debug, Clone)]
pub struct Origins {
    /// Of the base URL.
    own: String,
    allowed: Vec<String>,
}

impl Origins {
    pub fn new(base_url: &str, allowed: &[String]) -> Self {
        let own = Url::parse(base_url).map(|url| url.origin().ascii_serialization()).unwrap_or_default();
        Self { own, allowed: allowed.to_vec() }
    }

    /// Whether the page that sends this may use a session. Programs send no `Origin`, and nobody else's cookie.
    pub fn may_use_session(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(ORIGIN) else {
            return headers.get("sec-fetch-site").is_none_or(|site| site != "cross-site");
        };
        let Ok(origin) = origin.to_str() else { return false };
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        let same_host = origin.split_once("://").is_some_and(|(_, authority)| Some(authority) == host);
        same_host || origin == self.own || self.allowed.iter().any(|allowed| allowed == origin)
    }

    /// Answers of the allowed origins' requests may be read by their pages; nobody else's.
    pub fn cors(&self) -> CorsLayer {
        let allowed: Vec<HeaderValue> = self.allowed.iter().filter_map(|origin| origin.parse().ok()).collect();
        CorsLayer::new()
            .allow_origin(AllowOrigin::list(allowed))
            .allow_credentials(true)
            .allow_methods([Method::GET, Method::POST, Method::QUERY])
            .allow_headers(AllowHeaders::mirror_request())
            .expose_headers([HeaderName::from_static(REQUEST_ID), RETRY_AFTER])
            .max_age(std::time::Duration::from_secs(REMEMBER))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_pages_and_allowed_origins_only() {
        let origins = Origins::new("https://portal.example/x", &["https://app.example".to_owned()]);
        for (fields, expected) in [
            (&[][..], true),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("origin", "https://portal.example")], true),
            (&[("origin", "https://app.example")], true),
            (&[("origin", "http://127.0.0.1:8080"), ("host", "127.0.0.1:8080")], true),
            (&[("origin", "https://evil.example"), ("host", "portal.example")], false),
            (&[("origin", "https://app.example.evil.example")], false),
            (&[("origin", "null")], false),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.insert(*name, HeaderValue::from_static(value));
            }
            assert_eq!(origins.may_use_session(&headers), expected, "{fields:?}");
        }
    }
}
