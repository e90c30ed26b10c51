//! The certificate that a caller has shown to a trusted proxy in front, which says so in the one header that the settings name. A
//! proxy replaces one header of its callers at most, so no other is believed, whatever it is called.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use domain::{keyring::sha256, rules::certificate::Shown};
use http::{HeaderMap, HeaderName};
use percent_encoding::percent_decode_str;
use tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject};

use crate::tls::Authority;

/// Why a header tells of no certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unclear {
    SeveralHeaders,
    SeveralCertificates,
    Unreadable,
}

impl Unclear {
    /// For the denial, with the header's name.
    pub fn about(self, name: &HeaderName) -> String {
        let what = match self {
            Self::SeveralHeaders => "occurs several times: the proxy in front has to replace what callers send",
            Self::SeveralCertificates => "tells of several certificates: the proxy in front has to send the caller's own alone",
            Self::Unreadable => {
                "holds no certificate that can be read: RFC 9440, URL-escaped PEM, base64 and Envoy's Cert= are understood"
            }
        };
        format!("{name} {what}")
    }
}

/// What a trusted proxy says of its caller's certificate; `None`: that there is none.
pub fn told(headers: &HeaderMap, name: &HeaderName, authority: &Authority) -> Result<Option<Shown>, Unclear> {
    let mut given = headers.get_all(name).iter();
    let Some(value) = given.next() else { return Ok(None) };
    if given.next().is_some() {
        return Err(Unclear::SeveralHeaders);
    }
    let chain = certificates(value.to_str().map_err(|_| Unclear::Unreadable)?)?;
    if chain.is_empty() {
        return Ok(None);
    }
    authority.judge(&chain).map(Some).ok_or(Unclear::Unreadable)
}

type Chain = Vec<CertificateDer<'static>>;

/// The certificate in a header's value, its own first, with those that lead to its authority where PEM brings them: a byte sequence
/// of RFC 9440, PEM or base64, both with percent-encoding or without, or the `Cert` of `X-Forwarded-Client-Cert`.
fn certificates(value: &str) -> Result<Chain, Unclear> {
    let value = value.trim();
    if value.is_empty() {
        return Ok(Chain::new());
    }
    if let Some(inside) = value.strip_prefix(':').and_then(|rest| rest.strip_suffix(':')) {
        return base64(inside);
    }
    if value.contains('=') && is_pairs(value) {
        return envoys(value);
    }
    if value.contains(',') {
        return Err(Unclear::SeveralCertificates);
    }
    escaped(value)
}

/// Whether a value begins with a name and an equals sign, as no base64 and no PEM does.
fn is_pairs(value: &str) -> bool {
    value
        .split_once('=')
        .is_some_and(|(name, _)| !name.is_empty() && name.len() <= 8 && name.bytes().all(|b| b.is_ascii_alphabetic()))
}

/// PEM or base64, as a URL would hold it.
fn escaped(text: &str) -> Result<Chain, Unclear> {
    let text = percent_decode_str(text).decode_utf8().map_err(|_| Unclear::Unreadable)?;
    if !text.contains("-----BEGIN") {
        return base64(text.trim());
    }
    let chain: Chain =
        CertificateDer::pem_slice_iter(text.as_bytes()).collect::<Result<_, _>>().map_err(|_| Unclear::Unreadable)?;
    if chain.is_empty() { Err(Unclear::Unreadable) } else { Ok(chain) }
}

fn base64(text: &str) -> Result<Chain, Unclear> {
    let der = BASE64.decode(text).ok().filter(|der| !der.is_empty());
    der.map(|der| vec![der.into()]).ok_or(Unclear::Unreadable)
}

/// What Envoy says with `SANITIZE_SET`: one element, its pairs behind semicolons. Names in a certificate, which the caller has
/// chosen, stand beside it: so commas and semicolons in quotes count for nothing, and the hash has to be the certificate's.
fn envoys(value: &str) -> Result<Chain, Unclear> {
    let (mut cert, mut hash) = (None, None);
    for (pair, separator) in pairs(value).ok_or(Unclear::Unreadable)? {
        if separator == Some(',') {
            return Err(Unclear::SeveralCertificates);
        }
        let (name, text) = pair.trim().split_once('=').ok_or(Unclear::Unreadable)?;
        let seen = match name {
            _ if name.eq_ignore_ascii_case("cert") => &mut cert,
            _ if name.eq_ignore_ascii_case("hash") => &mut hash,
            _ => continue,
        };
        if seen.replace(text.trim_matches('"')).is_some() {
            return Err(Unclear::SeveralCertificates);
        }
    }
    let Some(cert) = cert.filter(|cert| !cert.is_empty()) else { return Ok(Chain::new()) };
    let chain = escaped(cert)?;
    let own = chain.first().ok_or(Unclear::Unreadable)?;
    let is_its = |hash: &str| hash.eq_ignore_ascii_case(&sha256(own).map(|byte| format!("{byte:02x}")).concat());
    if hash.is_some_and(|hash| !is_its(hash)) { Err(Unclear::Unreadable) } else { Ok(chain) }
}

/// What stands between separators outside of quotes, with the separator behind it; `None`: a quote does not end.
fn pairs(value: &str) -> Option<Vec<(&str, Option<char>)>> {
    let (mut all, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, c) in value.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' | ';' if !quoted => {
                all.push((&value[start..at], Some(c)));
                start = at + 1;
            }
            _ => {}
        }
    }
    all.push((&value[start..], None));
    (!quoted).then_some(all)
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use http::HeaderValue;
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

    use super::*;

    fn pem(bytes: &[u8]) -> String {
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(bytes))
    }

    fn url(text: &str) -> String {
        utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
    }

    fn read(value: &str) -> Result<Vec<Vec<u8>>, Unclear> {
        certificates(value).map(|chain| chain.iter().map(|der| der.to_vec()).collect())
    }

    fn hex(bytes: &[u8]) -> String {
        sha256(bytes).map(|byte| format!("{byte:02x}")).concat()
    }

    #[test]
    fn each_proxys_form_gives_the_same_certificate() {
        let bytes = (0..=255).collect::<Vec<u8>>();
        let (encoded, cert, hash) = (STANDARD.encode(&bytes), url(&pem(&bytes)), hex(&bytes));
        for value in [
            format!(":{encoded}:"),
            cert.clone(),
            encoded.clone(),
            url(&encoded),
            format!("Hash={hash};Cert=\"{cert}\";Subject=\"CN=x\""),
            format!("By=spiffe://here;Hash={};Cert=\"{cert}\"", hash.to_uppercase()),
            format!("Cert=\"{cert}\""),
            format!("Hash={hash};Cert=\"{cert}\";Subject=\"CN=a\\\",b;Cert=c,Hash=d\";URI=spiffe://x"),
        ] {
            assert_eq!(read(&value), Ok(vec![bytes.clone()]), "{value}");
        }
        let chain = url(&format!("{}{}", pem(&bytes), pem(b"authority")));
        assert_eq!(read(&chain), Ok(vec![bytes, b"authority".to_vec()]));
        for nothing in ["", " ", "Hash=ab;Subject=\"\"", "Cert=\"\""] {
            assert_eq!(read(nothing), Ok(Vec::new()), "{nothing}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_no_certificate() {
        let (own, other) = (url(&pem(b"own")), url(&pem(b"other")));
        let hash = hex(b"own");
        for (value, unclear) in [
            (":".to_owned(), Unclear::Unreadable),
            ("::".to_owned(), Unclear::Unreadable),
            (":?:".to_owned(), Unclear::Unreadable),
            ("%ff".to_owned(), Unclear::Unreadable),
            ("-----BEGIN CERTIFICATE-----".to_owned(), Unclear::Unreadable),
            ("AAAA,AAAA".to_owned(), Unclear::SeveralCertificates),
            (format!("{own},{other}"), Unclear::SeveralCertificates),
            (format!("Hash={hash};Cert=\"{other}\""), Unclear::Unreadable),
            // What the caller has chosen as a name of its own certificate.
            (format!("Hash={hash};URI=spiffe://x;Cert=\"{other}\""), Unclear::Unreadable),
            (format!("Hash={hash};Cert=\"{own}\";URI=x;Cert=\"{other}\""), Unclear::SeveralCertificates),
            (format!("Hash={hash};Cert=\"{own}\";URI=x,Hash={};Cert=\"{other}\"", hex(b"other")), Unclear::SeveralCertificates),
            (format!("Hash={hash};URI=x,Cert=\"{other}\""), Unclear::SeveralCertificates),
            (format!("Hash={hash};Cert=\"{own}"), Unclear::Unreadable),
        ] {
            assert_eq!(read(&value), Err(unclear), "{value}");
        }
    }

    #[test]
    fn one_header_counts_and_it_occurs_once() {
        let named = HeaderName::from_static("x-ssl-client-cert");
        let read = |fields: &[(&'static str, &'static str)]| {
            let fields = fields.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            let mut headers = HeaderMap::new();
            fields.for_each(|(name, value)| {
                headers.append(name, value);
            });
            told(&headers, &named, &Authority::default())
        };
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[("client-cert", ":AAAA:"), ("x-forwarded-client-cert", "Cert=AAAA")]), Ok(None));
        assert_eq!(read(&[("x-ssl-client-cert", "")]), Ok(None));
        assert_eq!(read(&[("x-ssl-client-cert", "AAAA")]), Err(Unclear::Unreadable), "bytes that are no certificate");
        assert_eq!(read(&[("x-ssl-client-cert", ""), ("x-ssl-client-cert", "")]), Err(Unclear::SeveralHeaders));
    }
}
