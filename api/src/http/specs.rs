//! Downloads of products' OpenAPI documents.

use std::{
    io::{self, Read},
    net::IpAddr,
    sync::Arc,
};

use axum::{
    Extension,
    body::Body,
    extract::{Path, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY},
    },
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use domain::{
    Domain, DomainError, Result,
    documents::Unpacker,
    read::specs::{self, DownloadRequest},
    rules::openapi::Format,
};
use futures_util::{Stream, stream};

use crate::{
    auth,
    error::{log_fault, outside, told_when},
    http::{AppState, compression::accepts_gzip, exchange::Exchange},
};

/// `GET /products/{slug}/openapi/{version}.json` and `.yaml`. The document's servers are replaced by the gateway's address
/// of the product; drafts are in it for staff only. What the caller may not see is 404.
pub async fn download(
    State(state): State<AppState>,
    Extension(exchange): Extension<Exchange>,
    Path((slug, file)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    match answer(&state, exchange.ip, &slug, &file, &headers).await {
        Ok(response) => response,
        Err(error) => {
            let outside = outside(&error);
            log_fault(&error, outside);
            told_when((outside.status, format!("{error}\n")).into_response(), &error)
        }
    }
}

async fn answer(state: &AppState, ip: IpAddr, slug: &str, file: &str, headers: &HeaderMap) -> Result<Response> {
    let caller = auth::admitted(&state.domain, &state.site, &state.strangers, headers, ip, None).await?;
    let (version, format) = parse(file).ok_or(DomainError::NotFound("document"))?;
    let request = DownloadRequest { slug, version, format, gateway_url: &state.site.gateway_url };
    let download = specs::download(&state.domain, &caller.actor, &request).await?;
    let gzip = accepts_gzip(headers);
    // Two encodings are two representations: each has a strong tag of its own (RFC 9110 section 8.8.3).
    let tag = format!("\"{}{}\"", download.tag, if gzip { "-gzip" } else { "" });
    let mut response = if is_known(headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let body = body(&state.domain, download, gzip).await?;
        let mut response = body.into_response();
        set(&mut response, CONTENT_TYPE, content_type(format));
        if gzip {
            set(&mut response, CONTENT_ENCODING, "gzip");
        }
        response
    };
    set(&mut response, ETAG, &tag);
    set(&mut response, VARY, "Accept-Encoding, Authorization, Cookie");
    // Who may see it can change at any time: a cache asks each time, and mostly hears 304.
    set(&mut response, CACHE_CONTROL, "private, no-cache");
    Ok(response)
}

fn parse(file: &str) -> Option<(&str, Format)> {
    let json = file.strip_suffix(".json").map(|version| (version, Format::Json));
    json.or_else(|| file.strip_suffix(".yaml").map(|version| (version, Format::Yaml)))
}

fn content_type(format: Format) -> &'static str {
    match format {
        Format::Json => "application/json",
        // RFC 9512.
        Format::Yaml => "application/yaml",
    }
}

async fn body(domain: &Domain, download: specs::Download, gzip: bool) -> Result<Body> {
    let packed: Arc<Vec<u8>> = download.body(domain).await?;
    let packed = Bytes::from_owner(Packed(packed));
    Ok(if gzip { Body::from(packed) } else { Body::from_stream(unpacked(packed)) })
}

/// What is kept, and sent from there to however many read it.
struct Packed(Arc<Vec<u8>>);

impl AsRef<[u8]> for Packed {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// The text piece by piece, as fast as it is read: nobody is given a copy of all of it.
fn unpacked(packed: Bytes) -> impl Stream<Item = io::Result<Bytes>> {
    const PIECE: usize = 64 << 10;
    let mut reader = Unpacker::new(packed);
    stream::iter(std::iter::from_fn(move || {
        let mut piece = vec![0; PIECE];
        match reader.read(&mut piece) {
            Ok(0) => None,
            Ok(read) => {
                piece.truncate(read);
                Some(Ok(piece.into()))
            }
            Err(error) => Some(Err(error)),
        }
    }))
}

fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// Whether the caller has it already; `If-None-Match` compares weakly (RFC 9110 section 13.1.2).
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let listed = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).flat_map(|line| line.split(','));
    listed.map(str::trim).any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn tags() {
        for (value, expected) in [
            ("\"a\"", true),
            ("W/\"a\"", true),
            ("\"b\", \"a\"", true),
            ("*", true),
            ("\"b\"", false),
            ("\"a-gzip\"", false),
            ("a", false),
        ] {
            assert_eq!(is_known(&header(IF_NONE_MATCH, value), "\"a\""), expected, "{value}");
        }
    }

    #[test]
    fn files() {
        assert_eq!(parse("1.2.3.json"), Some(("1.2.3", Format::Json)));
        assert_eq!(parse("latest.yaml"), Some(("latest", Format::Yaml)));
        assert_eq!(parse("latest"), None);
        assert_eq!(parse("latest.yml"), None);
    }
}
