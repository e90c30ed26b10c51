use super::*;

fn load(pairs: &[(&str, &str)], file: Option<&str>) -> Result<Config, String> {
    let environment = |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
    let names = pairs.iter().map(|(name, _)| (*name).to_owned());
    read::load(environment, names, file).map_err(|error| error.to_string())
}

#[test]
fn every_setting_refuses_what_it_does_not_take() {
    let wrong: [(&str, &[&str]); 28] = [
        ("DATABASE_URL", &["mysql://hidden", "postgres://", "/hidden/file"]),
        ("LISTEN", &["8080", ":8080", "localhost", "127.0.0.1:99999"]),
        ("GATEWAY_LISTEN", &["127.0.0.1"]),
        (
            "BASE_URL",
            &[
                "portal.example.com",
                "ftp://portal.example.com",
                "https://",
                "https://a.example/?q=1",
                "https://a.example/portal",
                "http://0.0.0.0:8080",
                "http://[::]",
            ],
        ),
        ("GATEWAY_URL", &["//api.example.com", "http://0.0.0.0:8081"]),
        ("SECRET_KEY", &["hidden", "0123456789abcdef0123456789abcdef,hidden"]),
        ("SMTP_URL", &["hidden.example.com:25", "http://hidden.example.com"]),
        ("MAIL_FROM", &["portal", "Portal <portal@example.com", "a@b\nBcc: c@d.example"]),
        ("PORTAL_URL", &["portal", "https://0.0.0.0"]),
        ("ALLOWED_ORIGINS", &["*", "app.example.com", "https://app.example.com/path", "https://a.example, nonsense"]),
        ("GRAPHIQL", &["maybe", "2"]),
        ("INTROSPECTION", &["never"]),
        ("TRUSTED_PROXIES", &["10.0.0.0/33", "proxy", "10.0.0.1,x"]),
        (
            "CLIENT_CERT_HEADER",
            &[
                "X SSL",
                "X_SSL_Client_Cert",
                "Client-Cert,X-SSL-Client-Cert",
                "Client-Cert:",
                "Authorization",
                "X-Forwarded-For",
                "X-Portico-Cert",
            ],
        ),
        ("STRANGER_REQUESTS", &["many", "-1", "1.5"]),
        ("SOURCE_CONNECTIONS", &["many", "-1", "1.5"]),
        ("KEEP_ALIVE_SECONDS", &["0", "3601", "75s", "-1"]),
        ("OUTGOING_PRIVATE", &["perhaps"]),
        ("DNS_SERVERS", &["dns.example.com", "9.9.9.9:dns", "9.9.9.9,x"]),
        ("STAFF_SSO_ISSUER", &["login.example.com", "ftp://login.example.com", "https://login.example.com/?a=b"]),
        ("STAFF_SSO_DOMAINS", &["example", "gmail.com", "example.com,@x"]),
        ("STAFF_SSO_ENFORCED", &["sometimes"]),
        ("LEAK_KEYS", &["/no/such/file", "/", "Cargo.toml"]),
        ("METRICS_LISTEN", &["9090", "localhost:9090"]),
        ("METRICS_TOKEN", &["hidden token", "hidden-ä"]),
        ("ADMIN_EMAIL", &["ada", "Ada <ada@example.com>"]),
        ("LOG", &["loud", "api=loud", "warn,nois"]),
        ("LOG_FORMAT", &["xml"]),
    ];
    // Directories and files may have any name, a client any id and secret.
    assert_eq!(wrong.len() + 7, table::SETTINGS.len());
    for (name, values) in wrong {
        let setting = table::SETTINGS.iter().find(|setting| setting.name == name).unwrap();
        for value in values {
            let variable = format!("PORTICO_{name}");
            let said = load(&[(&variable, value)], None).unwrap_err();
            assert!(said.starts_with(&format!("{variable} is ")) && said.contains(setting.takes), "{said}");
            assert_eq!(said.contains(&format!("{value:?}")), !setting.secret, "{said}");
            assert!(!said.contains("hidden") && said.lines().count() == 1, "{said}");
            let said = load(&[], Some(&format!("{} = {value:?}", name.to_lowercase()))).unwrap_err();
            assert!(said.starts_with(&format!("{} in portico.toml is ", name.to_lowercase())), "{said}");
        }
    }
}

#[test]
fn the_environment_goes_before_the_file_and_an_empty_value_is_none() {
    let file = "listen = \"127.0.0.1:1\"\ngateway_listen = \"127.0.0.1:2\"\ngraphiql = false\nallowed_origins = [\"https://A.example:443/\", \"http://localhost:3000\"]\n";
    let pairs = [("PORTICO_LISTEN", "127.0.0.1:3"), ("PORTICO_GATEWAY_LISTEN", " "), ("PORTICO_ADMIN_EMAIL", "Ada@Example.com")];
    let config = load(&pairs, Some(file)).unwrap();
    assert_eq!((config.listen.port(), config.gateway_listen.port(), config.graphiql), (3, 2, false));
    assert_eq!(config.allowed_origins, ["https://a.example", "http://localhost:3000"]);
    assert_eq!(config.admin_email.as_deref(), Some("ada@example.com"));
    let from = |text: &str| load(&[("PORTICO_MAIL_FROM", text)], None).unwrap().mail_from;
    assert_eq!(from("Portal <Portal@Bücher.example>"), "Portal <portal@xn--bcher-kva.example>");
    assert_eq!(from("Bücher <Portal@Example.com>"), "Bücher <Portal@Example.com>");
    let defaults = load(&[], None).unwrap();
    assert_eq!((defaults.listen.port(), defaults.introspection, defaults.log.as_str()), (8080, true, "info"));
}

#[test]
fn a_wrong_file_is_told_with_its_line() {
    assert_eq!(
        load(&[], Some("\n\nlisten = ")).unwrap_err().split(": ").take(2).collect::<Vec<_>>(),
        ["portico.toml cannot be read", "line 3"]
    );
    let said = |line: &str| load(&[], Some(line)).unwrap_err();
    assert_eq!(said("lisen = 1"), "portico.toml has lisen, which is no setting: did you mean listen?");
    let far = said("colour = 'blue'");
    assert!(far.starts_with("portico.toml has colour, which is no setting: it takes database_url, data_dir, listen"), "{far}");
}

#[test]
fn a_variable_that_is_no_setting_stops_the_start_and_what_others_set_does_not() {
    for (name, value, instead) in [
        ("PORTICO_LISTN", "127.0.0.1:1", "did you mean PORTICO_LISTEN?"),
        ("PORTICO_PORTAL_ULR", "https://a.example", "did you mean PORTICO_PORTAL_URL?"),
        ("PORTICO_TRUSTED_PROXY", "10.0.0.1", "did you mean PORTICO_TRUSTED_PROXIES?"),
        ("PORTICO_COLOUR", "blue", "unset it"),
        ("PORTICO_PORT", "8080", "unset it"),
        ("PORTICO_listen", "127.0.0.1:1", "unset it"),
    ] {
        assert_eq!(load(&[(name, value)], None).unwrap_err(), format!("{name} is no setting: {instead}"));
    }
    let others = [
        ("PORTICO_TEST_DATABASE_URL", "postgres://x"),
        ("PORTICO_SERVICE_HOST", "10.0.0.1"),
        ("PORTICO_SERVICE_PORT", "8080"),
        ("PORTICO_SERVICE_PORT_HTTP", "8080"),
        ("PORTICO_PORT", "tcp://10.0.0.1:8080"),
        ("PORTICO_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
        ("PORTICO_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ("PORTICO_GATEWAY_SERVICE_HOST", "10.0.0.2"),
        ("PORTICO_GATEWAY_PORT", "tcp://10.0.0.2:8081"),
        ("HOME", "/"),
    ];
    assert!(load(&others, None).is_ok());
}
