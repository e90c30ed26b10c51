//! The certificate that a caller has shown: for its own connection, or to a trusted proxy in front, which says so in a header.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use domain::rules::certificate::Shown;
use http::{HeaderMap, HeaderName};
use percent_encoding::percent_decode_str;
use tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject};

use crate::tls::Authority;

/// RFC 9440; Envoy's; Traefik's; nginx' by custom.
static NAMES: [HeaderName; 4] = [
    HeaderName::from_static("client-cert"),
    HeaderName::from_static("x-forwarded-client-cert"),
    HeaderName::from_static("x-forwarded-tls-client-cert"),
    HeaderName::from_static("x-ssl-client-cert"),
];

/// What a trusted proxy says of its caller's certificate. One header, once; anything else is no certificate.
pub fn told(headers: &HeaderMap, authority: &Authority) -> Option<Shown> {
    let mut given = NAMES.iter().flat_map(|name| headers.get_all(name));
    let value = given.next()?.to_str().ok()?;
    if given.next().is_some() {
        return None;
    }
    authority.judge(&[der(value)?])
}

/// The certificate in a header's value: a byte sequence of RFC 8941, PEM or its base64 with percent-encoding, or the `Cert` of
/// `X-Forwarded-Client-Cert`.
fn der(value: &str) -> Option<CertificateDer<'static>> {
    let value = value.trim();
    if let Some(inside) = value.strip_prefix(':').and_then(|rest| rest.strip_suffix(':')) {
        return BASE64.decode(inside).ok().map(Into::into);
    }
    let last = value.rsplit(',').next()?;
    let in_pair = last.split(';').find_map(|pair| pair.trim().strip_prefix("Cert="));
    let text = percent_decode_str(in_pair.map_or(value, |quoted| quoted.trim_matches('"'))).decode_utf8().ok()?;
    if text.contains("-----BEGIN") {
        return CertificateDer::from_pem_slice(text.as_bytes()).ok();
    }
    BASE64.decode(text.trim()).ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

    use super::*;

    #[test]
    fn each_proxys_form_gives_the_same_certificate() {
        let bytes = (0..=255).collect::<Vec<u8>>();
        let encoded = STANDARD.encode(&bytes);
        let pem = format!("-----BEGIN CERTIFICATE-----\n{encoded}\n-----END CERTIFICATE-----\n");
        let escaped = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        for value in [
            format!(":{encoded}:"),
            escaped(&pem),
            encoded.clone(),
            escaped(&encoded),
            format!("Hash=ab;Cert=\"{}\";Subject=\"CN=x\"", escaped(&pem)),
            format!("Hash=cd;Cert=\"AAAA\",Hash=ab;Cert=\"{}\"", escaped(&pem)),
        ] {
            assert_eq!(der(&value).as_deref(), Some(bytes.as_slice()), "{value}");
        }
        for value in ["", ":", "::x:", ":?:", "Hash=ab", "%ff", "-----BEGIN CERTIFICATE-----"] {
            assert!(der(value).is_none_or(|der| der.is_empty()), "{value}");
        }
        assert!(told(&HeaderMap::new(), &Authority::default()).is_none());
        let twice = [("client-cert", ":AAAA:"), ("x-ssl-client-cert", ":AAAA:")];
        let twice = twice.map(|(name, value)| (HeaderName::from_static(name), http::HeaderValue::from_static(value)));
        assert!(told(&twice.into_iter().collect(), &Authority::default()).is_none());
    }
}
