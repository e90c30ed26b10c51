//! Which headers pass the gateway. What concerns one connection goes no further, in either direction; what an upstream may
//! trust comes from the gateway alone, however a caller spells it.

use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, MAX_FORWARDS, SET_COOKIE, TRANSFER_ENCODING, UPGRADE},
};

/// Concern one connection only (RFC 9110 section 7.6.1), or are made anew for the next.
fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
    )
}

/// What the gateway says to upstreams, or what would make an upstream see another request than the one decided on.
fn is_the_gateways(name: &str) -> bool {
    name.starts_with("x-portico-")
        || name.starts_with("x-forwarded-")
        || name.starts_with("x-original-")
        || is_of_a_certificate(name)
        || matches!(
            name,
            "x-api-key"
                | "x-client-id"
                | "x-profile-id"
                | "x-request-id"
                | "forwarded"
                | "x-forwarded"
                | "forwarded-for"
                | "x-real-ip"
                | "true-client-ip"
                | "client-ip"
                | "x-client-ip"
                | "x-cluster-client-ip"
                | "x-remote-ip"
                | "x-remote-addr"
                | "x-originating-ip"
                | "x-forward-for"
                | "proxy-client-ip"
                | "wl-proxy-client-ip"
                | "x-proxyuser-ip"
                | "cf-connecting-ip"
                | "cf-connecting-ipv6"
                | "cf-pseudo-ipv4"
                | "fastly-client-ip"
                | "fly-client-ip"
                | "x-azure-clientip"
                | "x-azure-socketip"
                | "x-appengine-user-ip"
                | "x-envoy-external-address"
                | "x-url-scheme"
                | "x-scheme"
                | "front-end-https"
                | "x-host"
                // What CGI makes HTTP_PROXY of, by which programs choose whom to send their own calls through.
                | "proxy"
                | "x-http-method-override"
                | "x-http-method"
                | "x-method-override"
                | "x-rewrite-url"
        )
}

/// In which proxies say what certificate a caller has shown: RFC 9440, then those of nginx, Apache, HAProxy and load balancers.
/// Envoy's and Traefik's begin with `x-forwarded-`.
fn is_of_a_certificate(name: &str) -> bool {
    const PREFIXES: [&str; 8] = [
        "client-cert",
        "x-client-cert",
        "x-ssl-",
        "ssl-client-",
        "x-tls-client-",
        "x-amzn-mtls-",
        "cf-client-cert-",
        "x-arr-clientcert",
    ];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || matches!(name, "x-client-verify" | "x-client-dn")
}

/// `X_Client_Id` becomes `X-Client-ID` in many an upstream (CGI, WSGI), and so does `X.Client.Id` in some. `certificate`: the name
/// of a header in which a proxy in front may tell of a certificate.
fn is_forgery(name: &str, certificate: Option<&HeaderName>) -> bool {
    let ours = |name: &str| is_the_gateways(name) || certificate.is_some_and(|certificate| certificate == name);
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if name.chars().all(plain) { ours(name) } else { ours(&name.replace(|c: char| !plain(c), "-")) }
}

/// The names that a `Connection` header nominates, in lower case.
fn nominated(headers: &HeaderMap) -> Vec<String> {
    let lines = headers.get_all(CONNECTION).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(|name| name.trim().to_ascii_lowercase()).filter(|n| !n.is_empty()).collect()
}

/// What was for the gateway itself in a caller's headers.
#[derive(Default, Clone, Copy)]
pub struct Ours<'a> {
    /// The credential was in `Authorization`.
    pub authorization: bool,
    /// The header that the settings name for callers' certificates.
    pub certificate: Option<&'a HeaderName>,
}

/// What a caller's headers leave for the upstream. The gateway's own headers are added afterwards, so nothing that a caller
/// nominates can take them away.
pub fn for_upstream(caller: &HeaderMap, ours: Ours<'_>, into: &mut HeaderMap) {
    let nominated = nominated(caller);
    into.reserve(caller.len() + 16);
    for (name, value) in caller {
        let text = name.as_str();
        let dropped = matches!(text, "host" | "content-length" | "expect")
            || is_hop_by_hop(text)
            || is_forgery(text, ours.certificate)
            || ours.authorization && name == AUTHORIZATION
            || nominated.iter().any(|n| n == text);
        if !dropped {
            into.append(name, value.clone());
        }
    }
    keep_own_cookies(into);
    join_cookies(into);
}

/// Whether a cookie is the portal's. Browsers tell hosts apart and not ports: where the portal has the gateway's host, they send
/// its session along, and take one that an answer sets.
fn is_the_portals(cookie: &[u8]) -> bool {
    // One without a name is sent as its value alone, which may look like another's.
    let start = cookie.iter().position(|b| !b.is_ascii_whitespace() && *b != b'=').unwrap_or(cookie.len());
    let cookie = &cookie[start..];
    let name = cookie.strip_prefix(b"__Host-").unwrap_or(cookie);
    name.starts_with(b"portico_")
}

/// Takes the portal's cookies out of a caller's.
fn keep_own_cookies(fields: &mut HeaderMap) {
    let pieces = |value: &HeaderValue| value.as_bytes().split(|b| *b == b';').any(is_the_portals);
    if !fields.get_all(COOKIE).iter().any(pieces) {
        return;
    }
    let all = fields.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b';');
    let left: Vec<_> = all.split(|b| *b == b';').map(<[u8]>::trim_ascii).filter(|cookie| !is_the_portals(cookie)).collect();
    fields.remove(COOKIE);
    if let (false, Ok(left)) = (left.is_empty(), HeaderValue::from_bytes(&left.join(&b"; "[..]))) {
        fields.insert(COOKIE, left);
    }
}

/// HTTP/2 may send a cookie in pieces, HTTP/1.1 may not (RFC 9113 section 8.2.3).
fn join_cookies(fields: &mut HeaderMap) {
    if fields.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let whole = fields.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b"; "[..]);
    if let Ok(whole) = HeaderValue::from_bytes(&whole) {
        fields.insert(COOKIE, whole);
    }
}

/// How many more gateways an OPTIONS may pass (RFC 9110 section 7.6.2); `None`: any number.
pub fn hops_left(method: &Method, caller: &HeaderMap) -> Option<u64> {
    if *method != Method::OPTIONS {
        return None;
    }
    caller.get(MAX_FORWARDS)?.to_str().ok()?.trim().parse().ok()
}

/// Whether an upstream has coded its answer in a way that nobody asked it for, and that is lost on the way.
pub fn is_coded_unasked(answer: &HeaderMap) -> bool {
    let mut codings = answer.get_all(TRANSFER_ENCODING).iter();
    let first = codings.next();
    first.is_some_and(|coding| !coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked")) || codings.next().is_some()
}

/// Makes an answer's length what one message can say: none beside a transfer coding, and one number (RFC 9112 section 6.3). That
/// several are the same, the HTTP library has seen to.
fn settle_length(answer: &mut HeaderMap) {
    if answer.contains_key(TRANSFER_ENCODING) {
        answer.remove(CONTENT_LENGTH);
        return;
    }
    let mut lengths = answer.get_all(CONTENT_LENGTH).iter();
    let Some(first) = lengths.next() else { return };
    if lengths.next().is_some() || first.as_bytes().contains(&b',') {
        let number = first.as_bytes().split(|b| *b == b',').next().and_then(|n| HeaderValue::from_bytes(n.trim_ascii()).ok());
        if let Some(number) = number {
            answer.insert(CONTENT_LENGTH, number);
        }
    }
}

/// What the gateway says to callers.
fn is_told_to_callers(name: &str) -> bool {
    name.starts_with("x-portico-") || matches!(name, "ratelimit" | "ratelimit-policy" | "x-request-id")
}

/// Takes out of an upstream's answer, or of its trailers, what concerns its connection and what the gateway alone says.
pub fn for_caller(answer: &mut HeaderMap) {
    settle_length(answer);
    while let Some(name) = answer.keys().find(|name| is_told_to_callers(name.as_str())).cloned() {
        answer.remove(name);
    }
    set_no_cookie_of_ours(answer);
    for name in nominated(answer) {
        // The length is the body's, and stays told.
        if name != CONTENT_LENGTH.as_str() {
            answer.remove(name.as_str());
        }
    }
    for name in &HOP_BY_HOP {
        answer.remove(name);
    }
}

fn set_no_cookie_of_ours(answer: &mut HeaderMap) {
    if !answer.get_all(SET_COOKIE).iter().any(|cookie| is_the_portals(cookie.as_bytes())) {
        return;
    }
    let left: Vec<_> = answer.get_all(SET_COOKIE).iter().filter(|cookie| !is_the_portals(cookie.as_bytes())).cloned().collect();
    answer.remove(SET_COOKIE);
    for cookie in left {
        answer.append(SET_COOKIE, cookie);
    }
}

static HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    http::header::PROXY_AUTHENTICATE,
    HeaderName::from_static("proxy-authentication-info"),
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    http::header::TE,
    http::header::TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Whether a `Connection` header nominates this name, given in lower case.
pub fn nominates(headers: &HeaderMap, name: &str) -> bool {
    nominated(headers).iter().any(|n| n == name)
}

/// Whether a value of this header may be written down.
pub fn is_loggable(name: &str) -> bool {
    const SECRETS: [&str; 6] = ["authorization", "cookie", "key", "secret", "token", "password"];
    const MORE: [&str; 6] = ["credential", "signature", "session", "assertion", "passwd", "auth"];
    !SECRETS.iter().chain(&MORE).any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn the_portals_cookies_pass_in_neither_direction() {
        let session = "__Host-portico_session=s";
        for (sent, left) in [
            ("portico_session=s", None),
            ("a=1; portico_session=s;b=2", Some("a=1; b=2")),
            ("__Host-portico_session=s; __Host-portico_sso_3=t; c=3", Some("c=3")),
            ("a=portico_session; my_portico_session=1", Some("a=portico_session; my_portico_session=1")),
        ] {
            let mut out = HeaderMap::new();
            for_upstream(&map(&[("cookie", sent)]), Ours::default(), &mut out);
            assert_eq!(out.get(COOKIE).map(|value| value.to_str().unwrap()), left, "{sent}");
        }
        let mut pieces = HeaderMap::new();
        for_upstream(&map(&[("cookie", "a=1"), ("cookie", session), ("cookie", "b=2")]), Ours::default(), &mut pieces);
        assert_eq!(pieces.get_all(COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2"]);
        let mut answer = map(&[("set-cookie", "a=1"), ("set-cookie", "=portico_session=evil; Path=/"), ("set-cookie", session)]);
        for_caller(&mut answer);
        assert_eq!(answer.get_all(SET_COOKIE).iter().collect::<Vec<_>>(), ["a=1"]);
    }

    fn passing(fields: &[(&'static str, &'static str)], authorization: bool) -> Vec<String> {
        let mut out = HeaderMap::new();
        for_upstream(&map(fields), Ours { authorization, certificate: None }, &mut out);
        out.keys().map(ToString::to_string).collect()
    }

    #[test]
    fn no_spelling_of_a_trusted_header_passes() {
        for name in [
            "X-Client-ID",
            "x_client_id",
            "X-CLIENT_ID",
            "X-Portico-Client-ID",
            "X_Portico_Scopes",
            "x-portico-anything",
            "X-API-Key",
            "X_Api_Key",
            "X-Forwarded-For",
            "X_Forwarded_Host",
            "Forwarded",
            "X-Real-IP",
            "x_real_ip",
            "X-Request-Id",
            "X-HTTP-Method-Override",
            "X-Original-URL",
            "X-Rewrite-Url",
            "Connection",
            "Te",
            "Upgrade",
            "Host",
            "Content-Length",
            "Transfer-Encoding",
            "Proxy-Authorization",
            "Expect",
            "Trailer",
            "X-Forwarded",
            "Forwarded-For",
            "True-Client-IP",
            "X-Client-IP",
            "Client_IP",
            "X-Cluster-Client-IP",
            "CF-Connecting-IP",
            "CF-Connecting-IPv6",
            "Fastly-Client-IP",
            "X-Envoy-External-Address",
            "X-Url-Scheme",
            "Front-End-Https",
            "Proxy",
            "X.Client.Id",
            "X_Portico.Scopes",
            "Client-Cert",
            "Client-Cert-Chain",
            "Client_Cert",
            "X-Client-Cert",
            "X-Client-Certificate",
            "X-Client-Verify",
            "X-Client-DN",
            "X-Forwarded-Client-Cert",
            "X-Forwarded-Tls-Client-Cert",
            "X-Forwarded-Tls-Client-Cert-Info",
            "X-SSL-Client-Cert",
            "X_SSL_Client_Verify",
            "X-SSL-Client-S-DN",
            "SSL-Client-Subject-DN",
            "X-TLS-Client-Cert",
            "X-Amzn-Mtls-Clientcert-Leaf",
            "Cf-Client-Cert-Der-Base64",
            "X-ARR-ClientCert",
        ] {
            assert!(passing(&[(name, "v")], false).is_empty(), "{name}");
        }
    }

    #[test]
    fn the_header_that_the_settings_name_for_certificates_stays_here() {
        let named = HeaderName::from_static("x-shown-by-callers");
        for name in ["X-Shown-By-Callers", "x_shown_by_callers", "X-Shown_By.Callers"] {
            let mut out = HeaderMap::new();
            for_upstream(&map(&[(name, "v")]), Ours { authorization: false, certificate: Some(&named) }, &mut out);
            assert!(out.is_empty(), "{name}");
            assert_eq!(passing(&[(name, "v")], false).len(), 1, "{name} where it is not named");
        }
    }

    #[test]
    fn what_is_nominated_goes_and_the_rest_stays() {
        let fields =
            [("Connection", "close, X-Hop"), ("x-hop", "1"), ("connection", "X-Other"), ("x-other", "2"), ("accept", "*/*")];
        assert_eq!(passing(&fields, false), ["accept"]);
        let mut answer = map(&[
            ("connection", "x-internal, content-length"),
            ("x-internal", "1"),
            ("content-length", "3"),
            ("RateLimit", "\"theirs\";r=9;t=1"),
            ("RateLimit-Policy", "\"theirs\";q=9;w=1"),
            ("X-Portico-Denial", "RATE_LIMITED"),
            ("X-Portico-Scopes", "a"),
            ("X-Request-ID", "theirs"),
            ("Proxy-Authenticate", "Basic"),
            ("Proxy-Authentication-Info", "x"),
            ("etag", "e"),
        ]);
        for_caller(&mut answer);
        assert_eq!(answer.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["content-length", "etag"]);
    }

    #[test]
    fn a_cookie_in_pieces_is_one_for_http_1() {
        let mut out = HeaderMap::new();
        for_upstream(
            &map(&[("cookie", "a=1"), ("accept", "*/*"), ("cookie", "b=2"), ("cookie", "c=3")]),
            Ours::default(),
            &mut out,
        );
        assert_eq!(out.get_all(COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2; c=3"]);
    }

    #[test]
    fn an_answer_has_one_length_or_a_coding() {
        for (fields, length) in [
            (&[("content-length", "5")][..], Some("5")),
            (&[("content-length", "5"), ("content-length", "5")], Some("5")),
            (&[("content-length", "5, 5")], Some("5")),
            (&[("content-length", "5"), ("transfer-encoding", "chunked")], None),
            (&[], None),
        ] {
            let mut answer = map(fields);
            for_caller(&mut answer);
            let lengths = answer.get_all(CONTENT_LENGTH).iter().map(|length| length.to_str().unwrap()).collect::<Vec<_>>();
            assert_eq!(lengths, Vec::from_iter(length), "{fields:?}");
            assert!(!answer.contains_key(TRANSFER_ENCODING));
        }
        for (codings, unasked) in
            [(&[][..], false), (&["Chunked"], false), (&["gzip"], true), (&["gzip, chunked"], true), (&["gzip", "chunked"], true)]
        {
            let fields: Vec<_> = codings.iter().map(|coding| ("transfer-encoding", *coding)).collect();
            assert_eq!(is_coded_unasked(&map(&fields)), unasked, "{codings:?}");
        }
    }

    #[test]
    fn only_an_options_counts_its_hops() {
        let left = |method, told| hops_left(&method, &map(&[("max-forwards", told)]));
        assert_eq!(left(Method::OPTIONS, "0"), Some(0));
        assert_eq!(left(Method::OPTIONS, "7"), Some(7));
        assert_eq!(left(Method::OPTIONS, "many"), None);
        assert_eq!(left(Method::GET, "0"), None);
        assert_eq!(hops_left(&Method::OPTIONS, &HeaderMap::new()), None);
    }

    #[test]
    fn an_authorization_that_was_not_for_us_passes() {
        assert_eq!(passing(&[("Authorization", "Basic x")], false), ["authorization"]);
        assert!(passing(&[("Authorization", "Bearer x")], true).is_empty());
    }

    #[test]
    fn secrets_are_not_written_down() {
        for name in
            ["authorization", "set-cookie", "cookie", "x-api-key", "x-csrf-token", "x-amz-security-token", "proxy-authorization"]
        {
            assert!(!is_loggable(name), "{name}");
        }
        assert!(is_loggable("content-type") && is_loggable("user-agent") && is_loggable("x-client-id"));
    }
}
