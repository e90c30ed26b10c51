//! The API's explorer: one page, one module and its style, out of the binary. Nothing of it comes from elsewhere.

use axum::{
    Router,
    http::{
        HeaderValue,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
    routing::get,
};

use super::AppState;

const PAGE: &str = include_str!("explorer/page.html");
const FILES: [(&str, &str, &str); 3] = [
    ("/graphql/explorer.js", "text/javascript; charset=utf-8", include_str!("explorer/explorer.js")),
    ("/graphql/explorer.css", "text/css; charset=utf-8", include_str!("explorer/explorer.css")),
    ("/graphql/explorer.svg", "image/svg+xml", include_str!("explorer/explorer.svg")),
];

/// Its own files and the API; no markup is made of text (trusted types).
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

/// The files beside the page, which `GET /graphql` answers browsers with.
pub fn routes(switched_on: bool) -> Router<AppState> {
    let files = FILES.into_iter().filter(|_| switched_on);
    files.fold(Router::new(), |router, (path, kind, text)| router.route(path, get(async move || file(kind, text))))
}

pub fn page() -> Response {
    let mut response = file("text/html; charset=utf-8", PAGE);
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

/// Asked for anew by each version of the program.
fn file(kind: &'static str, text: &'static str) -> Response {
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache")], text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_fetched_from_elsewhere_and_nothing_is_inline() {
        for (path, text) in FILES.iter().map(|(path, _, text)| (*path, *text)).chain([("page", PAGE)]) {
            for address in text.split("//").skip(1) {
                let namespace = address.starts_with("www.w3.org/2000/svg");
                assert!(namespace || !address.starts_with(|c: char| c.is_ascii_alphanumeric()), "{path}: //{address:.40}");
            }
            for sink in
                ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "import(", "import ", "@import"]
            {
                assert!(!text.contains(sink), "{path} has {sink}");
            }
        }
        assert!(!PAGE.contains("<style") && !PAGE.contains(" style=") && !PAGE.contains(" on"), "inline");
        assert_eq!(PAGE.matches("<script").count(), 1);
    }
}
