//! Callers that show a certificate: to the gateway's own listener, to its token endpoint, and to an ingress that is trusted.

use std::{path::PathBuf, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use domain::keyring::sha256;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use reqwest::{Client, Version};
use serde_json::{Value, json};
use tokio_rustls::rustls::{
    self, ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::{
    app::{Person, TestApp},
    explorer,
    offer::Held,
    onboarding::product,
};

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new([name.to_owned()]).expect("parameters");
    params.distinguished_name.push(DnType::CommonName, name);
    // In force by the clock of the tests and by the machine's.
    params.not_before = rcgen::date_time_ymd(2025, 1, 1);
    params.not_after = rcgen::date_time_ymd(2038, 1, 1);
    params
}

fn new_key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

/// A caller's certificate and key.
struct Caller {
    pem: String,
    key: String,
}

impl Caller {
    fn self_signed(name: &str) -> Self {
        let key = new_key();
        Self { pem: params(name).self_signed(&key).expect("a certificate").pem(), key: key.serialize_pem() }
    }

    fn issued(name: &str, authority: &CertifiedIssuer<'_, KeyPair>) -> Self {
        let key = new_key();
        Self { pem: params(name).signed_by(&key, authority).expect("a certificate").pem(), key: key.serialize_pem() }
    }

    fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.pem.as_bytes()).expect("a certificate")
    }

    fn thumbprint(&self) -> String {
        sha256(self.der()).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, new_key()).expect("an authority")
}

/// A gateway with TLS, and its own certificate.
struct Secured {
    app: TestApp,
    served: CertificateDer<'static>,
    _files: tempfile::TempDir,
}

impl Secured {
    async fn start(client_ca: Option<&CertifiedIssuer<'_, KeyPair>>) -> Self {
        let files = tempfile::tempdir().expect("a directory");
        let mut own = params("localhost");
        own.subject_alt_names.push(rcgen::SanType::IpAddress([127, 0, 0, 1].into()));
        let key = new_key();
        let made = own.self_signed(&key).expect("a certificate");
        let write = |name: &str, text: String| -> PathBuf {
            let path = files.path().join(name);
            std::fs::write(&path, text).expect("a file");
            path
        };
        let (cert, key) = (write("cert.pem", made.pem()), write("key.pem", key.serialize_pem()));
        let ca = client_ca.map(|ca| write("ca.pem", ca.as_ref().pem()));
        let app = TestApp::start_with(|config| {
            config.gateway_tls_cert = Some(cert);
            config.gateway_tls_key = Some(key);
            config.gateway_tls_client_ca = ca;
        })
        .await;
        Self { app, served: made.der().clone(), _files: files }
    }

    fn url(&self, path: &str) -> String {
        let address = self.app.app.gateway.as_ref().expect("a gateway").address();
        format!("https://{address}{path}")
    }

    /// A client that shows this certificate, or none.
    fn client(&self, caller: Option<&Caller>) -> Client {
        let mut roots = RootCertStore::empty();
        roots.add(self.served.clone()).expect("a root");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
        let config = config.with_root_certificates(roots);
        let mut config = match caller {
            Some(caller) => {
                let key = PrivateKeyDer::from_pem_slice(caller.key.as_bytes()).expect("a key");
                config.with_client_auth_cert(vec![caller.der()], key).expect("a pair")
            }
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Client::builder().use_preconfigured_tls(config).build().expect("a client")
    }

    async fn call(&self, caller: Option<&Caller>, headers: &[(&str, &str)]) -> (u16, String) {
        let mut request = self.client(caller).get(self.url("/ship/shipments"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.version(), Version::HTTP_2);
        let status = answer.status().as_u16();
        let code = answer.json::<Value>().await.ok().and_then(|body| body["code"].as_str().map(ToOwned::to_owned));
        (status, code.unwrap_or_default())
    }

    async fn becomes(&self, caller: Option<&Caller>, headers: &[(&str, &str)], expected: (u16, &str)) {
        let mut seen = (0, String::new());
        for _ in 0..200 {
            seen = self.call(caller, headers).await;
            if (seen.0, seen.1.as_str()) == expected {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("{seen:?} instead of {expected:?}");
    }

    async fn token(&self, caller: Option<&Caller>, client_id: &str) -> (u16, Value) {
        let form = [("grant_type", "client_credentials"), ("client_id", client_id)];
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = self.client(caller).post(self.url("/oauth2/token")).body(body);
        self.app.answered(request.header("content-type", "application/x-www-form-urlencoded")).await
    }
}

/// A partner whose sandbox takes certificates, and a credential with this one; its id, and the client's.
async fn registered(app: &TestApp, caller: &Caller) -> (Person, Held, String, String) {
    let editor = app.editor().await;
    let product = product(app, &editor).await;
    let environments = ["SANDBOX", "PRODUCTION"].map(|e| json!({ "environment": e, "authMethod": "MTLS" }));
    let plan = app.plan(&editor, &product, "certificates", true, json!({ "environments": environments })).await;
    let (dev, team) = app.partner("acme").await;
    let held = app.subscribed(&dev, &team, &plan).await;
    assert_eq!(held.secret, Value::Null);
    let input = json!({ "profileId": held.sandbox, "certificatePem": caller.pem });
    let select = "credential { id clientId certificateThumbprint expiresAt } issued { secret }";
    let made = app.mutate(Some(&dev), "createCredential", input, select).await;
    let credential = &made["credential"];
    assert_eq!(credential["certificateThumbprint"], caller.thumbprint());
    assert_eq!(credential["expiresAt"], "2038-01-01T00:00:00+00:00", "a credential ends with its certificate");
    let text = |field: &str| credential[field].as_str().expect("a text").to_owned();
    (dev, held, text("id"), text("clientId"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registered_certificate_lets_calls_in_and_no_other_does() {
    let secured = Secured::start(None).await;
    let app = &secured.app;
    let (first, second, stranger) = (Caller::self_signed("acme"), Caller::self_signed("acme"), Caller::self_signed("other"));
    let (dev, held, credential, client) = registered(app, &first).await;
    let key = new_key().serialize_pem();
    for (pem, expected) in [
        (json!("nonsense"), "INVALID certificatePem"),
        (json!(format!("{}{key}", second.pem)), "INVALID certificatePem"),
        (Value::Null, "REQUIRED certificatePem"),
    ] {
        let input = json!({ "profileId": held.sandbox, "certificatePem": pem });
        assert_eq!(app.refused(Some(&dev), "createCredential", "CreateCredentialInput", input).await, expected);
    }
    let headers = [("x-client-id", client.as_str()), ("x-profile-id", "sandbox")];
    secured.becomes(Some(&first), &headers, (200, "")).await;
    secured.becomes(Some(&second), &headers, (401, "CREDENTIAL_INVALID")).await;
    secured.becomes(Some(&stranger), &headers, (401, "CREDENTIAL_INVALID")).await;
    secured.becomes(None, &headers, (401, "CREDENTIAL_MISSING")).await;
    // A header is no certificate, from somebody who is not trusted to say so.
    let told = format!(":{}:", BASE64.encode(first.der()));
    let forged = [headers[0], headers[1], ("client-cert", told.as_str())];
    secured.becomes(None, &forged, (401, "CREDENTIAL_MISSING")).await;

    // The next one beside the first, until the overlap ends.
    let rotate = json!({ "credentialId": credential, "certificatePem": second.pem, "overlapHours": 1 });
    let rotated = app.mutate(Some(&dev), "rotateSecret", rotate, "credential { id certificateThumbprint }").await;
    assert_eq!(rotated["credential"], json!({ "id": credential, "certificateThumbprint": second.thumbprint() }));
    secured.becomes(Some(&second), &headers, (200, "")).await;
    secured.becomes(Some(&first), &headers, (200, "")).await;
    let id = json!({ "credentialId": credential });
    assert_eq!(app.refused(Some(&dev), "endOverlap", "CredentialIdInput", id.clone()).await, "");
    secured.becomes(Some(&first), &headers, (401, "CREDENTIAL_EXPIRED")).await;
    secured.becomes(Some(&second), &headers, (200, "")).await;
    assert_eq!(app.refused(Some(&dev), "revokeCredential", "CredentialIdInput", id).await, "");
    secured.becomes(Some(&second), &headers, (401, "CREDENTIAL_REVOKED")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_becomes_tokens_that_work_beside_it_alone() {
    let secured = Secured::start(None).await;
    let app = &secured.app;
    let (caller, other) = (Caller::self_signed("acme"), Caller::self_signed("other"));
    let (dev, _, credential, client) = registered(app, &caller).await;
    secured.becomes(Some(&caller), &[("x-client-id", &client), ("x-profile-id", "sandbox")], (200, "")).await;
    let (status, body) = secured.token(Some(&caller), &credential).await;
    assert_eq!((status, &body["token_type"]), (200, &json!("Bearer")), "{body}");
    let bearer = format!("Bearer {}", body["access_token"].as_str().expect("a token"));
    let bearer = [("authorization", bearer.as_str())];
    secured.becomes(Some(&caller), &bearer, (200, "")).await;
    secured.becomes(Some(&other), &bearer, (401, "CREDENTIAL_INVALID")).await;
    secured.becomes(None, &bearer, (401, "CREDENTIAL_INVALID")).await;
    let unproven = secured.token(Some(&other), &credential).await;
    assert_eq!((unproven.0, unproven.1["error"].as_str()), (401, Some("invalid_client")));
    assert_eq!(unproven, secured.token(Some(&other), "cred_01h2xcejqtf2nbrexx3vqjhp41").await, "known or not, the same is said");
    assert_eq!(secured.token(None, &credential).await.0, 401);
    let metadata = app.http.get(app.url("/.well-known/oauth-authorization-server"));
    let (_, metadata) = app.answered(metadata).await;
    assert_eq!(metadata["mtls_endpoint_aliases"]["token_endpoint"], secured.url("/oauth2/token"));
    assert_eq!(metadata["tls_client_certificate_bound_access_tokens"], true);
    let methods = metadata["token_endpoint_auth_methods_supported"].as_array().expect("methods");
    assert!(methods.contains(&json!("self_signed_tls_client_auth")), "{methods:?}");
    assert_eq!(app.refused(Some(&dev), "revokeCredential", "CredentialIdInput", json!({ "credentialId": credential })).await, "");
    secured.becomes(Some(&caller), &bearer, (401, "CREDENTIAL_REVOKED")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_an_authority_only_its_certificates_count() {
    let (ours, theirs) = (authority("Portal callers"), authority("Somebody else"));
    let secured = Secured::start(Some(&ours)).await;
    let (issued, foreign) = (Caller::issued("acme", &ours), Caller::issued("acme", &theirs));
    let (dev, held, _, client) = registered(&secured.app, &issued).await;
    let input = json!({ "profileId": held.sandbox, "certificatePem": foreign.pem });
    secured.app.mutate(Some(&dev), "createCredential", input, "credential { id }").await;
    let headers = [("x-client-id", client.as_str()), ("x-profile-id", "sandbox")];
    secured.becomes(Some(&issued), &headers, (200, "")).await;
    secured.becomes(Some(&foreign), &headers, (401, "CREDENTIAL_INVALID")).await;
    secured.becomes(Some(&Caller::issued("acme", &ours)), &headers, (401, "CREDENTIAL_INVALID")).await;
    let metadata = secured.app.http.get(secured.app.url("/.well-known/oauth-authorization-server"));
    let (_, metadata) = secured.app.answered(metadata).await;
    let methods = metadata["token_endpoint_auth_methods_supported"].as_array().expect("methods");
    assert!(methods.contains(&json!("tls_client_auth")), "{methods:?}");
}

/// Every name in which some proxy tells of certificates, and every form: each form in the header that its proxy uses.
const NAMES: [&str; 7] = [
    "client-cert",
    "client-cert-chain",
    "x-forwarded-client-cert",
    "x-forwarded-tls-client-cert",
    "x-ssl-client-cert",
    "x-client-cert",
    "ssl-client-cert",
];

impl Caller {
    fn told(&self) -> [String; 5] {
        let url = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20");
        let (base64, pem) = (BASE64.encode(self.der()), url(&self.pem));
        [
            format!(":{base64}:"),
            pem.clone(),
            url(&base64),
            format!("Hash={};Cert=\"{pem}\";Subject=\"CN=acme\"", self.thumbprint()),
            base64,
        ]
    }
}

/// A portal behind a proxy at 127.0.0.1 that says in this header which certificate it has seen.
async fn behind(header: Option<&'static str>) -> TestApp {
    TestApp::start_with(move |config| {
        config.trusted_proxies = vec!["127.0.0.1/32".parse().expect("a network")];
        config.client_cert_header = header.map(http::HeaderName::from_static);
    })
    .await
}

/// What is answered to a call with these headers: through the gateway, and by its decision for a gateway in front.
async fn decided(app: &TestApp, headers: &[(&str, &str)]) -> [(u16, String); 2] {
    let gateway = app.app.gateway.as_ref().expect("a gateway").address();
    let asked = [("x-original-method", "GET"), ("x-original-uri", "/ship/shipments")];
    let mut answers = Vec::new();
    for (path, more) in [("/ship/shipments", &asked[..0]), ("/_portico/authorize", &asked[..])] {
        let mut request = app.http.get(format!("http://{gateway}{path}"));
        for (name, value) in headers.iter().chain(more) {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let code = answer.json::<Value>().await.ok().and_then(|body| body["code"].as_str().map(ToOwned::to_owned));
        answers.push((status, code.unwrap_or_default()));
    }
    answers.try_into().expect("two answers")
}

/// Whether a token is given for the certificate in this header: by the gateway's endpoint, and by the API's.
async fn tokens(app: &TestApp, credential: &str, (name, value): (&str, &str)) -> [bool; 2] {
    let gateway = app.app.gateway.as_ref().expect("a gateway").address();
    let mut given = [false; 2];
    for (at, url) in [format!("http://{gateway}/oauth2/token"), app.url("/oauth2/token")].into_iter().enumerate() {
        let form = format!("grant_type=client_credentials&client_id={credential}");
        let request = app.http.post(url).body(form).header("content-type", "application/x-www-form-urlencoded");
        let answer = request.header(name, value).send().await.expect("an answer");
        given[at] = answer.status().is_success();
    }
    given
}

#[tokio::test(flavor = "multi_thread")]
async fn no_header_is_a_certificate_unless_the_settings_name_it() {
    let app = behind(None).await;
    let caller = Caller::self_signed("acme");
    let (_, _, credential, client) = registered(&app, &caller).await;
    let who = [("x-client-id", client.as_str()), ("x-profile-id", "sandbox")];
    app.call_becomes(&who, (401, "CREDENTIAL_MISSING")).await;
    let missing = (401, "CREDENTIAL_MISSING".to_owned());
    for name in NAMES {
        for value in caller.told() {
            let forged = [who[0], who[1], (name, value.as_str())];
            assert_eq!(decided(&app, &forged).await, [missing.clone(), missing.clone()], "{name}: {value}");
            assert_eq!(tokens(&app, &credential, (name, &value)).await, [false; 2], "{name}: {value}");
        }
    }
    let metadata = app.http.get(app.url("/.well-known/oauth-authorization-server"));
    assert_eq!(app.answered(metadata).await.1["mtls_endpoint_aliases"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_ingress_says_in_one_header_which_certificate_it_has_seen() {
    let app = behind(Some("x-ssl-client-cert")).await;
    let caller = Caller::self_signed("acme");
    let (_, _, credential, client) = registered(&app, &caller).await;
    let who = [("x-client-id", client.as_str()), ("x-profile-id", "sandbox")];
    let (seen, missing) = ((200, String::new()), (401, "CREDENTIAL_MISSING".to_owned()));
    app.call_becomes(&[who[0], who[1], ("x-ssl-client-cert", &caller.told()[0])], (200, "")).await;
    for value in caller.told() {
        for name in NAMES {
            let counts = name == "x-ssl-client-cert";
            let expected = if counts { seen.clone() } else { missing.clone() };
            let told = [who[0], who[1], (name, value.as_str())];
            assert_eq!(decided(&app, &told).await, [expected.clone(), expected], "{name}: {value}");
            assert_eq!(tokens(&app, &credential, (name, &value)).await, [counts, false], "{name}: {value}");
            // Beside the ingress's own word, others are not heard.
            let own = Caller::self_signed("other").told()[1].clone();
            let beside = [who[0], who[1], ("x-ssl-client-cert", own.as_str()), (name, value.as_str())];
            let expected = if counts { missing.clone() } else { (401, "CREDENTIAL_INVALID".to_owned()) };
            assert_eq!(decided(&app, &beside).await, [expected.clone(), expected], "{name}: {value} beside another");
        }
    }
    assert_eq!(decided(&app, &who).await, [missing.clone(), missing], "a caller that has shown none");
    let metadata = app.http.get(app.url("/.well-known/oauth-authorization-server"));
    let alias = app.answered(metadata).await.1["mtls_endpoint_aliases"]["token_endpoint"].clone();
    assert!(alias.as_str().is_some_and(|url| url.ends_with("/oauth2/token")), "{alias}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_says_what_is_wrong_with_the_ingress_word() {
    let app = behind(Some("x-client-cert")).await;
    let caller = Caller::self_signed("acme");
    let (_, _, _, client) = registered(&app, &caller).await;
    let who = [("x-client-id", client.as_str()), ("x-profile-id", "sandbox")];
    let told = caller.told();
    app.call_becomes(&[who[0], who[1], ("x-client-cert", &told[0])], (200, "")).await;
    let gateway = app.app.gateway.as_ref().expect("a gateway").address();
    let (both, several) = (format!("{},{}", told[4], told[4]), [told[4].as_str(); 2]);
    for (values, say) in [
        (&several[..], "x-client-cert occurs several times"),
        (&[both.as_str()], "x-client-cert tells of several certificates"),
        (&["nonsense"], "x-client-cert holds no certificate that can be read"),
        (&[""], "show the client certificate that is registered"),
    ] {
        let mut request = app.http.get(format!("http://{gateway}/ship/shipments"));
        for (name, value) in who.into_iter().chain(values.iter().map(|value| ("x-client-cert", *value))) {
            request = request.header(name, value);
        }
        let (status, problem) = app.answered(request).await;
        let detail = problem["detail"].as_str().expect("a text");
        assert!(status == 401 && detail.contains(say) && !detail.contains("nonsense"), "{problem}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_explorer_reaches_a_gateway_that_serves_tls() {
    let secured = Secured::start(None).await;
    let partner = explorer::Partner::new(&secured.app, "API_KEY").await;
    let credential = partner.credential(&secured.app).await;
    let tried = partner.tried(&secured.app, json!({ "credentialId": credential }), 200).await;
    assert!(tried["curl"].as_str().is_some_and(|curl| curl.contains(&secured.url("/ship/shipments"))), "{tried}");
}
