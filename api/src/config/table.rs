//! Every setting: its name, what it takes, and how its text becomes a value.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use domain::{
    keyring::Keyring,
    rules::{leak::ScannerKeys, mail_domain, text},
};
use http::HeaderName;
use ipnet::IpNet;
use secrecy::SecretString;
use tracing_subscriber::EnvFilter;
use url::{Host, Url};

use super::{Config, LogFormat};

pub struct Setting {
    /// Without the prefix.
    pub name: &'static str,
    /// Never shown.
    pub secret: bool,
    /// For the sentence "it takes …".
    pub takes: &'static str,
    /// `None`: the text is not what the setting takes.
    pub set: fn(&mut Config, &str) -> Option<()>,
}

const fn open(name: &'static str, takes: &'static str, set: fn(&mut Config, &str) -> Option<()>) -> Setting {
    Setting { name, secret: false, takes, set }
}

const fn secret(name: &'static str, takes: &'static str, set: fn(&mut Config, &str) -> Option<()>) -> Setting {
    Setting { name, secret: true, takes, set }
}

pub const SETTINGS: [Setting; 35] = [
    secret("DATABASE_URL", "sqlite://FILE or postgres://USER:PASSWORD@HOST/DATABASE", |c, text| {
        let known = ["sqlite:", "postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme));
        let fine = known && (text.starts_with("sqlite:") || Url::parse(text).is_ok_and(|url| url.has_host()));
        c.database_url = Some(fine.then(|| SecretString::from(text))?);
        Some(())
    }),
    open("DATA_DIR", "a directory", |c, text| {
        c.data_dir = PathBuf::from(text);
        Some(())
    }),
    open("LISTEN", "an address and a port, such as 127.0.0.1:8080 or [::]:8080", |c, text| {
        c.listen = address(text)?;
        Some(())
    }),
    open("GATEWAY_LISTEN", "an address and a port, such as 127.0.0.1:8081 or [::]:8081", |c, text| {
        c.gateway_listen = address(text)?;
        Some(())
    }),
    open(
        "BASE_URL",
        "a URL without a path, of a host that others reach (0.0.0.0 is none), such as https://portal.example.com",
        |c, text| {
            c.base_url = Some(web_url(text).filter(|url| url.path() == "/")?);
            Some(())
        },
    ),
    open("GATEWAY_URL", "a URL of a host that others reach (0.0.0.0 is none), such as https://api.example.com", |c, text| {
        c.gateway_url = Some(web_url(text)?);
        Some(())
    }),
    secret(
        "SECRET_KEY",
        "32 random characters or more (openssl rand -base64 32), or several such keys with commas",
        |c, text| {
            let key = SecretString::from(text);
            Keyring::parse(&key).ok()?;
            c.secret_key = Some(key);
            Some(())
        },
    ),
    secret("SMTP_URL", "smtp://HOST:25, smtps://USER:PASSWORD@HOST or smtp://USER:PASSWORD@HOST?tls=required", |c, text| {
        let url = Url::parse(text).ok()?;
        c.smtp_url = Some((matches!(url.scheme(), "smtp" | "smtps") && url.has_host()).then(|| SecretString::from(text))?);
        Some(())
    }),
    open("MAIL_FROM", "a mail address, such as portal@example.com or Portal <portal@example.com>", |c, text| {
        let bare = text.rsplit_once('<').map_or(Some(text), |(_, rest)| rest.strip_suffix('>'))?;
        let address = text::email("", bare).ok().filter(|_| !text.chars().any(char::is_control))?;
        // Mail has a domain as DNS has it; what is before it may differ in its letters' case.
        c.mail_from = if bare.is_ascii() { text.to_owned() } else { text.replace(bare.trim(), &address) };
        Some(())
    }),
    open("PORTAL_URL", "a URL of a host that others reach (0.0.0.0 is none), such as https://portal.example.com", |c, text| {
        c.portal_url = Some(web_url(text)?);
        Some(())
    }),
    open("ALLOWED_ORIGINS", "origins with commas, such as https://app.example.com,http://localhost:3000", |c, text| {
        c.allowed_origins = list(text, origin)?;
        Some(())
    }),
    open("GRAPHIQL", "on or off", |c, text| {
        c.graphiql = switch(text)?;
        Some(())
    }),
    open("INTROSPECTION", "on or off", |c, text| {
        c.introspection = switch(text)?;
        Some(())
    }),
    open("TRUSTED_PROXIES", "addresses and networks with commas, such as 10.0.0.1,172.16.0.0/12", |c, text| {
        c.trusted_proxies =
            list(text, |part| part.parse::<IpNet>().ok().or_else(|| Some(IpNet::from(part.parse::<std::net::IpAddr>().ok()?))))?;
        Some(())
    }),
    open("CLIENT_CERT_HEADER", "the name of one header that tells of nothing else, such as X-SSL-Client-Cert", |c, text| {
        c.client_cert_header = Some(certificate_header(text)?);
        Some(())
    }),
    open("STRANGER_REQUESTS", "a whole number, such as 1200; 0 for no limit", |c, text| {
        c.stranger_requests = text.parse().ok()?;
        Some(())
    }),
    open("SOURCE_CONNECTIONS", "a whole number, such as 1000; 0 for no limit", |c, text| {
        c.source_connections = text.parse().ok()?;
        Some(())
    }),
    open("KEEP_ALIVE_SECONDS", "a whole number from 1 to 3600, such as 75", |c, text| {
        let seconds = text.parse().ok().filter(|seconds| (1..=3600).contains(seconds))?;
        c.keep_alive = Duration::from_secs(seconds);
        Some(())
    }),
    open("GATEWAY_TLS_CERT", "a file of certificates in PEM, the gateway's own first", |c, text| {
        c.gateway_tls_cert = Some(PathBuf::from(text));
        Some(())
    }),
    open("GATEWAY_TLS_KEY", "a file with the certificate's private key in PEM", |c, text| {
        c.gateway_tls_key = Some(PathBuf::from(text));
        Some(())
    }),
    open("GATEWAY_TLS_CLIENT_CA", "a file of certificates in PEM: of the authorities that issue to callers", |c, text| {
        c.gateway_tls_client_ca = Some(PathBuf::from(text));
        Some(())
    }),
    open("CA_FILE", "a file of certificates in PEM, or the word system", |c, text| {
        c.ca_file = Some(PathBuf::from(text));
        Some(())
    }),
    open("OUTGOING_PRIVATE", "on or off", |c, text| {
        c.outgoing_private = switch(text)?;
        Some(())
    }),
    open("DNS_SERVERS", "addresses of name servers with commas, such as 9.9.9.9,[2620:fe::fe]:53", |c, text| {
        c.dns_servers = list(text, name_server)?;
        Some(())
    }),
    open("STAFF_SSO_ISSUER", "the issuer of an OpenID Connect provider, such as https://login.example.com", |c, text| {
        // With or without a slash at its end is another issuer.
        c.staff_sso.issuer = web_url(text).map(|_| text.to_owned());
        c.staff_sso.issuer.as_ref()?;
        Some(())
    }),
    open("STAFF_SSO_CLIENT_ID", "what the provider knows this portal by", |c, text| {
        c.staff_sso.client_id = Some(text.to_owned());
        Some(())
    }),
    secret("STAFF_SSO_CLIENT_SECRET", "the client's secret at the provider", |c, text| {
        c.staff_sso.client_secret = Some(SecretString::from(text));
        Some(())
    }),
    open("STAFF_SSO_DOMAINS", "mail domains with commas, such as example.com,example.org", |c, text| {
        c.staff_sso.domains = list(text, |part| mail_domain::checked("", part).ok())?;
        Some(())
    }),
    open("STAFF_SSO_ENFORCED", "on or off", |c, text| {
        c.staff_sso.enforced = switch(text)?;
        Some(())
    }),
    open(
        "LEAK_KEYS",
        "a JSON file with a scanner's P-256 public keys, as GitHub publishes those of its secret scanning",
        |c, text| {
            c.leak_keys = Some(ScannerKeys::parse(&std::fs::read_to_string(text).ok()?)?);
            Some(())
        },
    ),
    open("METRICS_LISTEN", "an address and a port, such as 127.0.0.1:9090", |c, text| {
        c.metrics_listen = Some(address(text)?);
        Some(())
    }),
    secret(
        "METRICS_TOKEN",
        "what is sent as Authorization: Bearer, without spaces, such as openssl rand -hex 32 makes",
        |c, text| {
            c.metrics_token = Some(text.bytes().all(|b| b.is_ascii_graphic()).then(|| SecretString::from(text))?);
            Some(())
        },
    ),
    open("ADMIN_EMAIL", "a mail address, such as ada@example.com", |c, text| {
        c.admin_email = Some(text::email("", text).ok()?);
        Some(())
    }),
    open("LOG", "error, warn, info, debug or trace, or directives such as info,api=debug", |c, text| {
        // A word that is no level would be taken for a module that does not exist, and log nothing.
        let sensible = text.split(',').all(|part| part.contains('=') || part.parse::<tracing::Level>().is_ok() || part == "off");
        EnvFilter::try_new(text).ok().filter(|_| sensible)?;
        text.clone_into(&mut c.log);
        Some(())
    }),
    open("LOG_FORMAT", "text or json", |c, text| {
        c.log_format = match text {
            "text" => LogFormat::Text,
            "json" => LogFormat::Json,
            _ => return None,
        };
        Some(())
    }),
];

/// With its port, or at 53.
fn name_server(text: &str) -> Option<SocketAddr> {
    let bare = text.trim_matches(['[', ']']).parse::<std::net::IpAddr>().ok();
    bare.map(|ip| SocketAddr::new(ip, 53)).or_else(|| text.parse().ok())
}

/// One that says nothing else of a call, and that no connection has of its own.
fn certificate_header(text: &str) -> Option<HeaderName> {
    const OTHERS: [&str; 15] = [
        "authorization",
        "connection",
        "content-length",
        "cookie",
        "forwarded",
        "host",
        "te",
        "transfer-encoding",
        "upgrade",
        "x-api-key",
        "x-client-id",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-profile-id",
    ];
    let name = HeaderName::try_from(text).ok()?;
    let taken = OTHERS.contains(&name.as_str()) || name.as_str().starts_with("x-portico-");
    // What servers behind take for another header, or drop.
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    (plain && !taken).then_some(name)
}

fn address(text: &str) -> Option<SocketAddr> {
    text.parse().ok()
}

fn web_url(text: &str) -> Option<Url> {
    let url = Url::parse(&text::web_url("", text).ok()?).ok()?;
    (url.query().is_none() && url.fragment().is_none() && !is_everywhere(&url)).then_some(url)
}

/// Whether the host is what one listens on to be reached by every address, which nobody can open.
pub fn is_everywhere(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_unspecified(),
        Some(Host::Ipv6(ip)) => ip.is_unspecified(),
        Some(Host::Domain(_)) | None => false,
    }
}

fn switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "on" | "true" | "yes" | "1" => Some(true),
        "off" | "false" | "no" | "0" => Some(false),
        _ => None,
    }
}

/// Scheme, host and port as a browser writes them in `Origin`.
fn origin(text: &str) -> Option<String> {
    let url = web_url(text)?;
    (url.path() == "/").then(|| url.origin().ascii_serialization())
}

fn list<T>(text: &str, entry: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(entry).collect()
}
