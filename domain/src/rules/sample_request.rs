//! A first call to paste into a shell.

use std::fmt::Write;

use entities::enums::AuthMethod;

/// What a call needs to be let through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts<'a> {
    /// Without a trailing slash.
    pub gateway_url: &'a str,
    pub token_endpoint: &'a str,
    /// `None` where the client has no product yet.
    pub base_path: Option<&'a str>,
    /// Method and path template of an endpoint.
    pub endpoint: Option<(&'a str, &'a str)>,
    pub auth_method: AuthMethod,
    /// As `X-Client-ID` takes it.
    pub client: &'a str,
    pub profile: &'a str,
    /// OAuth 2.0's client id; `None`: a placeholder stands for it.
    pub credential: Option<&'a str>,
    /// `None`: a placeholder stands for it.
    pub secret: Option<&'a str>,
}

/// A curl line of several lines; where calls need an access token, two of them. Placeholders are in angle brackets.
pub fn curl(facts: &Facts<'_>) -> String {
    let client = facts.credential.unwrap_or("<client-id>");
    let mut line = match facts.auth_method {
        AuthMethod::Oauth2ClientSecret => {
            let user = quoted(&format!("{client}:{}", facts.secret.unwrap_or("<client-secret>")));
            let endpoint = quoted(facts.token_endpoint);
            format!("curl -u {user} -d grant_type=client_credentials {endpoint}\n")
        }
        AuthMethod::Oauth2PrivateKeyJwt => {
            let kind = "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
            let assertion = quoted("client_assertion=<signed-assertion>");
            let endpoint = quoted(facts.token_endpoint);
            format!("curl -d grant_type=client_credentials -d {kind} \\\n  -d {assertion} {endpoint}\n")
        }
        _ => String::new(),
    };
    let base = facts.base_path.unwrap_or("<product>");
    let (method, path) = facts.endpoint.unwrap_or(("GET", "/"));
    // curl reads braces in a URL as a list.
    let path = path.replace('{', "<").replace('}', ">");
    line.push_str("curl -i");
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
        AuthMethod::Token => {
            let mut headers = named();
            headers.push(("Authorization", format!("Bearer {}", secret("<token>"))));
            headers
        }
        AuthMethod::SignedJwt | AuthMethod::Oidc => {
            let mut headers = named();
            headers.push(("Authorization", "Bearer <signed-token>".to_owned()));
            headers
        }
        AuthMethod::Oauth2ClientSecret | AuthMethod::Oauth2PrivateKeyJwt => {
            vec![("Authorization", "Bearer <access-token>".to_owned())]
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
            token_endpoint: "https://portal.example.com/oauth2/token",
            client: "client_1",
            profile: "acme's",
            credential: None,
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
        let (credential, secret) = (Some("cred_1"), Some("pts_live_x"));
        let oauth = Facts { auth_method: AuthMethod::Oauth2ClientSecret, credential, secret, ..facts.clone() };
        insta::assert_snapshot!(curl(&oauth), @r"
        curl -u 'cred_1:pts_live_x' -d grant_type=client_credentials 'https://portal.example.com/oauth2/token'
        curl -i 'https://gateway.example.com/shipments/track/<id>' \
          -H 'Authorization: Bearer <access-token>'
        ");
        let keys = Facts { auth_method: AuthMethod::Oauth2PrivateKeyJwt, ..facts.clone() };
        insta::assert_snapshot!(curl(&keys), @r"
        curl -d grant_type=client_credentials -d client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer \
          -d 'client_assertion=<signed-assertion>' 'https://portal.example.com/oauth2/token'
        curl -i 'https://gateway.example.com/shipments/track/<id>' \
          -H 'Authorization: Bearer <access-token>'
        ");
        let none = Facts { auth_method: AuthMethod::None, endpoint: Some(("POST", "/x")), base_path: None, ..facts };
        insta::assert_snapshot!(curl(&none), @r"
        curl -i -X POST 'https://gateway.example.com/<product>/x' \
          -H 'X-Client-ID: client_1' \
          -H 'X-Profile-ID: acme'\''s'
        ");
    }
}
