//! A first call to paste into a shell.

use std::fmt::Write;

use entities::enums::AuthMethod;

/// What a call needs to be let through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts<'a> {
    /// Without a trailing slash.
    pub gateway_url: &'a str,
    /// `None` where the client has no product yet.
    pub base_path: Option<&'a str>,
    /// Method and path template of an endpoint.
    pub endpoint: Option<(&'a str, &'a str)>,
    pub auth_method: AuthMethod,
    /// As `X-Client-ID` takes it.
    pub client: &'a str,
    pub profile: &'a str,
    /// `None`: a placeholder stands for it.
    pub secret: Option<&'a str>,
}

/// A curl line of several lines. Placeholders are in angle brackets.
pub fn curl(facts: &Facts<'_>) -> String {
    let base = facts.base_path.unwrap_or("<product>");
    let (method, path) = facts.endpoint.unwrap_or(("GET", "/"));
    // curl reads braces in a URL as a list.
    let path = path.replace('{', "<").replace('}', ">");
    let mut line = String::from("curl -i");
    if method != "GET" {
        let _ = write!(line, " -X {method}");
    }
    let _ = write!(line, " {}", quoted(&format!("{}/{base}{path}", facts.gateway_url)));
    for (name, value) in headers(facts) {
        let _ = write!(line, " \\\n  -H {}", quoted(&format!("{name}: {value}")));
    }
    line
}

fn headers(facts: &Facts<'_>) -> Vec<(&'static str, String)> {
    let secret = |placeholder: &str| facts.secret.unwrap_or(placeholder).to_owned();
    let named = || vec![("X-Client-ID", facts.client.to_owned()), ("X-Profile-ID", facts.profile.to_owned())];
    match facts.auth_method {
        AuthMethod::ApiKey => vec![("X-API-Key", secret("<api-key>"))],
        AuthMethod::Token
        | AuthMethod::SignedJwt
        | AuthMethod::Oauth2ClientSecret
        | AuthMethod::Oauth2PrivateKeyJwt
        | AuthMethod::Oidc => {
            let mut headers = named();
            headers.push(("Authorization", format!("Bearer {}", secret("<token>"))));
            headers
        }
        AuthMethod::Mtls | AuthMethod::None => named(),
    }
}

/// In single quotes for a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_each_kind() {
        let facts = Facts {
            gateway_url: "https://gateway.example.com",
            base_path: Some("shipments"),
            endpoint: Some(("GET", "/track/{id}")),
            auth_method: AuthMethod::Token,
            client: "client_1",
            profile: "acme's",
            secret: None,
        };
        insta::assert_snapshot!(curl(&facts), @r"
        curl -i 'https://gateway.example.com/shipments/track/<id>' \
          -H 'X-Client-ID: client_1' \
          -H 'X-Profile-ID: acme'\''s' \
          -H 'Authorization: Bearer <token>'
        ");
        let key = Facts { auth_method: AuthMethod::ApiKey, secret: Some("ptk_live_x"), endpoint: None, ..facts.clone() };
        insta::assert_snapshot!(curl(&key), @r"
        curl -i 'https://gateway.example.com/shipments/' \
          -H 'X-API-Key: ptk_live_x'
        ");
        let none = Facts { auth_method: AuthMethod::None, endpoint: Some(("POST", "/x")), base_path: None, ..facts };
        insta::assert_snapshot!(curl(&none), @r"
        curl -i -X POST 'https://gateway.example.com/<product>/x' \
          -H 'X-Client-ID: client_1' \
          -H 'X-Profile-ID: acme'\''s'
        ");
    }
}
