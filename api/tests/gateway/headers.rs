//! What an upstream and a caller see of each other's headers.

use api::tls::{self, Files, Served};

use super::{Behind, Front, PlanLimits, upstream};

#[tokio::test]
async fn a_caller_cannot_forge_what_the_upstream_trusts() {
    let (address, _) = upstream::behaving().await;
    let front = Front::before(address).await;
    let forged = "X-Portico-Client-ID: forged\r\nx_portico_client_id: forged\r\nX-PORTICO-SCOPES: forged\r\nX_Client_Id: forged\r\n\
        X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Host: forged\r\nX_Forwarded_For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n\
        X-Real-IP: 6.6.6.6\r\nX-Request-ID: forged\r\nX-Region: forged\r\nX_Api_Key: forged\r\nX-HTTP-Method-Override: DELETE\r\n\
        X-Original-URL: /admin\r\nX-Client-IP: 6.6.6.6\r\nTrue-Client-IP: 6.6.6.6\r\nCF-Connecting-IP: 6.6.6.6\r\n\
        X-Cluster-Client-IP: 6.6.6.6\r\nX_Cluster.Client_IP: 6.6.6.6\r\nProxy: forged\r\nX-SSL-Client-Verify: forged\r\n\
        Client-Cert: forged\r\nClient-Cert-Chain: forged\r\nX-Forwarded-Tls-Client-Cert: forged\r\nConnection: X-Portico-Client-ID, X-Upstream-Key, X-Request-ID, X-Hop\r\nX-Hop: 1\r\nTE: trailers\r\n\
        Keep-Alive: 1\r\nProxy-Authorization: x\r\nX-Passing: yes\r\n";
    let reply = front.call("GET /pay/echo", forged).await;
    assert_eq!(reply.status, 200);
    let catalog = &front.catalog;
    for (name, value) in [
        ("x-portico-client-id", catalog.client.to_string()),
        ("x-portico-team-id", catalog.team.to_string()),
        ("x-portico-plan-id", catalog.plan.to_string()),
        ("x-portico-profile", "production".to_owned()),
        ("x-portico-environment", "production".to_owned()),
        ("x-portico-scopes", String::new()),
        ("x-forwarded-for", "127.0.0.1".to_owned()),
        ("x-forwarded-proto", "http".to_owned()),
        ("x-forwarded-host", "api.example".to_owned()),
        ("x-request-id", reply.header("x-request-id").unwrap().to_owned()),
        ("x-upstream-key", "upstream-secret".to_owned()),
        ("x-region", "eu".to_owned()),
        ("x-passing", "yes".to_owned()),
        ("host", address.to_string()),
    ] {
        assert_eq!(reply.upstream_saw(name), [value.trim()], "{name}");
    }
    assert!(!reply.text().contains("forged") && !reply.text().contains("6.6.6.6"), "{}", reply.text());
    for gone in [
        "x-api-key",
        "connection",
        "x-hop",
        "te",
        "keep-alive",
        "proxy-authorization",
        "x-original-url",
        "x-http-method-override",
    ] {
        assert!(reply.upstream_saw(gone).is_empty(), "{gone}");
    }
}

#[tokio::test]
async fn our_credential_stays_with_us_and_another_authorization_passes() {
    let (address, _) = upstream::behaving().await;
    let front = Front::before(address).await;
    let key = front.catalog.key.clone();
    let as_bearer = front.ask(&format!("GET /pay/echo HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n\r\n")).await;
    assert_eq!(as_bearer.status, 200);
    assert!(as_bearer.upstream_saw("authorization").is_empty());
    let beside = front.call("GET /pay/echo", "Authorization: Basic dXNlcg==\r\n").await;
    assert_eq!(beside.upstream_saw("authorization"), ["Basic dXNlcg=="]);
    let row = front.logged(&beside).await;
    let logged = |name: &str| row.request_headers.iter().find(|h| h.name == name).map(|h| h.value.clone());
    assert_eq!(logged("authorization"), Some(None));
    assert_eq!(logged("x-api-key"), Some(None));
    assert_eq!(logged("host"), Some(Some("api.example".to_owned())));
}

#[tokio::test]
async fn an_answer_loses_what_concerned_its_connection() {
    let (address, _) = upstream::behaving().await;
    let front = Front::before(address).await;
    let reply = front.call("GET /pay/odd", "").await;
    for gone in ["x-internal", "keep-alive", "connection", "proxy-authenticate"] {
        assert_eq!(reply.header(gone), None, "{gone}");
    }
    // What the gateway alone says, also where it says nothing.
    for ours in ["ratelimit", "ratelimit-policy", "x-portico-denial", "x-portico-scopes"] {
        assert_eq!(reply.header(ours), None, "{ours}");
    }
    assert_eq!(reply.header("x-kept"), Some("yes"));
    let ids: Vec<_> = reply.headers.iter().filter(|(name, _)| name == "x-request-id").collect();
    assert!(ids.len() == 1 && ids[0].1.starts_with("req_"));
    let row = front.logged(&reply).await;
    let cookie = row.response_headers.iter().find(|h| h.name == "set-cookie").unwrap();
    assert_eq!(cookie.value, None);
}

#[tokio::test]
async fn the_upstream_is_told_of_tls_of_our_own() {
    let (address, _) = upstream::behaving().await;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/gateway/tls/");
    let files = Files { certificate: format!("{folder}server.pem").into(), key: format!("{folder}server.key").into() };
    let served = Served::new(files).unwrap();
    let trust = tls::to_itself(served.clone()).unwrap();
    let front = Front::with(Behind::at(address), PlanLimits::default(), |s| s.tls = Some(served)).await;
    let http = reqwest::Client::builder().use_preconfigured_tls(trust).build().unwrap();
    let request = http.get(format!("https://{}/pay/echo", front.address)).header("x-api-key", &front.catalog.key);
    let text = request.header("x-forwarded-proto", "http").send().await.unwrap().text().await.unwrap();
    assert!(text.contains("\nx-forwarded-proto: https\n"), "{text}");
}

#[tokio::test]
async fn forwarded_for_is_believed_from_trusted_proxies_only() {
    let (address, _) = upstream::behaving().await;
    let forwarded = "X-Forwarded-For: 1.1.1.1, 203.0.113.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: api.acme.example\r\n";
    let trusting =
        Front::with(Behind::at(address), PlanLimits::default(), |s| s.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()]);
    let trusting = trusting.await;
    let reply = trusting.call("GET /pay/echo", forwarded).await;
    assert_eq!(reply.upstream_saw("x-forwarded-for"), ["203.0.113.9"]);
    assert_eq!(reply.upstream_saw("x-forwarded-proto"), ["https"]);
    assert_eq!(reply.upstream_saw("x-forwarded-host"), ["api.acme.example"]);
    assert_eq!(trusting.logged(&reply).await.ip, "203.0.113.9");
    // A proxy that adds its own to its caller's: neither is known to be the proxy's.
    let doubled = trusting.call("GET /pay/echo", "X-Forwarded-Proto: https\r\nX-Forwarded-Proto: http\r\n").await;
    assert_eq!(doubled.upstream_saw("x-forwarded-proto"), ["http"]);
}

#[tokio::test]
async fn doubled_identity_is_refused() {
    let (address, _) = upstream::behaving().await;
    let front = Front::before(address).await;
    let (client, key) = (front.catalog.client, front.catalog.key.clone());
    for doubled in [
        format!("X-Client-ID: {client}\r\nX-Client-ID: {client}\r\n"),
        "X-Profile-ID: a\r\nx-profile-id: b\r\n".to_owned(),
        format!("X-API-Key: {key}\r\n"),
        "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n".to_owned(),
        format!("Authorization: Bearer {key}\r\n"),
        "X-Client-ID: \u{e9}\r\n".to_owned(),
    ] {
        let reply = front.call("GET /pay/echo", &doubled).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "MALFORMED_REQUEST"), "{doubled}");
    }
}

#[tokio::test]
async fn a_credential_is_taken_from_its_own_header_in_its_own_form() {
    let (address, _) = upstream::behaving().await;
    let front = Front::before(address).await;
    let c = &front.catalog;
    let (key, token, client) = (&c.key, &c.token, c.client);
    let (upper, long, twice) = (key.to_uppercase(), "k".repeat(8_000), format!("{key}, {key}"));
    for (fields, expected) in [
        (format!("X-API-Key:  \t{key} \t"), "200"),
        (format!("x-api-KEY: {key}\r\nConnection: x-api-key"), "200"),
        (format!("Authorization: BEARER   {key}"), "200"),
        (format!("X-API-Key: {key}\r\nAuthorization: Basic {key}"), "200"),
        ("X-API-Key:".to_owned(), "401 CREDENTIAL_INVALID"),
        (format!("X-API-Key: {twice}"), "401 CREDENTIAL_INVALID"),
        (format!("X-API-Key: \"{key}\""), "401 CREDENTIAL_INVALID"),
        (format!("X-API-Key: Bearer {key}"), "401 CREDENTIAL_INVALID"),
        (format!("X-API-Key: {upper}"), "401 CREDENTIAL_INVALID"),
        (format!("X-API-Key: {}", key.replacen("ptk", "%70tk", 1)), "401 CREDENTIAL_INVALID"),
        (format!("X-API-Key: {long}"), "401 CREDENTIAL_INVALID"),
        (format!("X-API-Key: {key}\u{e9}"), "400 MALFORMED_REQUEST"),
        (format!("X-API-Key: {key}\u{202e}"), "400 MALFORMED_REQUEST"),
        (format!("X-API-Key: {key}\0"), "400 MALFORMED_REQUEST"),
        (format!("X-API-Key: {key}\u{1}"), "400 MALFORMED_REQUEST"),
        (format!("X-API-Key : {key}"), "400 MALFORMED_REQUEST"),
        (format!("X-API-Key: {key}\rX-Other: x"), "400 MALFORMED_REQUEST"),
        (format!("X_Api_Key: {key}"), "401 CREDENTIAL_MISSING"),
        (format!("Cookie: X-API-Key={key}"), "401 CREDENTIAL_MISSING"),
        (format!("Proxy-Authorization: Bearer {key}"), "401 CREDENTIAL_MISSING"),
        ("Authorization:".to_owned(), "401 CREDENTIAL_MISSING"),
        (format!("Authorization: {key}"), "401 CREDENTIAL_MISSING"),
        (format!("Authorization: Bearer{key}"), "401 CREDENTIAL_MISSING"),
        (format!("Authorization: Bearer\t{key}"), "401 CREDENTIAL_MISSING"),
        (format!("Authorization: ApiKey {key}"), "401 CREDENTIAL_MISSING"),
        (format!("Authorization: Basic {key}"), "401 CREDENTIAL_MISSING"),
        ("Authorization: Bearer".to_owned(), "401 CREDENTIAL_MISSING"),
        (format!("Authorization: Bearer {twice}"), "401 CREDENTIAL_INVALID"),
        (format!("Authorization: Bearer Bearer {key}"), "401 CLIENT_ID_MISSING"),
        (format!("Authorization: Bearer {long}"), "401 CLIENT_ID_MISSING"),
        (format!("Authorization: Bearer {token}\r\nX_Client_Id: {client}"), "401 CLIENT_ID_MISSING"),
        (format!("Authorization: Bearer {token}\r\nX-Client-ID:"), "403 CLIENT_UNKNOWN"),
        (format!("Authorization: Bearer {token}\r\nX-Client-ID: {client}, {client}"), "403 CLIENT_UNKNOWN"),
        (format!("Authorization: Bearer {token}\r\nX-Client-ID: {}", client.to_string().to_uppercase()), "403 CLIENT_UNKNOWN"),
        (format!("X-API-Key: {key}\r\nX-Client-ID: {long}"), "403 IDENTITY_MISMATCH"),
        (format!("X-API-Key: {key}\r\nX-Profile-ID: x, x"), "403 IDENTITY_MISMATCH"),
    ] {
        let reply =
            front.ask(&format!("GET /pay/echo?api_key={key}&access_token={key} HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n")).await;
        let said = match reply.status {
            status if status == 200 => status.to_string(),
            status => format!("{status} {}", reply.code()),
        };
        assert_eq!(said, expected, "{fields}");
        assert!(!reply.text().contains(key.as_str()) || reply.status == 200, "{fields}");
    }
}
