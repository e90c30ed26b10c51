//! Forms that a page of another site sends in a visitor's name.

use axum::http::{
    HeaderMap,
    header::{HOST, ORIGIN},
};

use crate::site::Site;

/// Whether a browser says that the form it sends is on a foreign page. `Sec-Fetch-Site` decides where it is sent: our pages
/// have no referrer, and with their forms browsers send the origin `null`.
pub fn is_foreign_form(headers: &HeaderMap, site: &Site) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match (text("sec-fetch-site"), text(ORIGIN.as_str())) {
        (Some(from), _) => !matches!(from, "same-origin" | "none"),
        (None, None | Some("null")) => false,
        (None, Some(origin)) => {
            let here = text(HOST.as_str());
            let same_host = origin.split_once("://").is_some_and(|(_, host)| Some(host) == here);
            let own = site.origins.first().is_some_and(|own| own == origin) || same_host;
            !own
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_our_own_pages_send_forms() {
        let site = Site {
            base_url: "https://portal.example".to_owned(),
            gateway_url: String::new(),
            origins: ["https://portal.example", "https://apps.example"].map(str::to_owned).to_vec(),
        };
        for (given, foreign) in [
            (&[][..], false),
            (&[("origin", "https://portal.example")], false),
            (&[("origin", "http://10.0.0.7:8080"), ("host", "10.0.0.7:8080")], false),
            (&[("origin", "null")], false),
            (&[("origin", "null"), ("sec-fetch-site", "same-origin")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("origin", "null"), ("sec-fetch-site", "cross-site")], true),
            (&[("origin", "https://portal.example"), ("sec-fetch-site", "same-site")], true),
            (&[("origin", "https://apps.example")], true),
            (&[("origin", "https://portal.example.evil")], true),
            (&[("origin", "https://evil"), ("host", "portal.example")], true),
            (&[("origin", "garbage")], true),
        ] {
            let headers: HeaderMap =
                given.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect();
            assert_eq!(is_foreign_form(&headers, &site), foreign, "{given:?}");
        }
    }
}
