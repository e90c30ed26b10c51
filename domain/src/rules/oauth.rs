//! What the token endpoint is asked, read strictly (RFC 6749, 7523, 7662, 7009), and how it refuses.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use secrecy::SecretString;
use url::form_urlencoded;

use super::{certificate, jose::Shown};

/// The one value of `client_assertion_type` (RFC 7523 section 2.2).
pub const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
pub const CLIENT_CREDENTIALS: &str = "client_credentials";
const FORM: &str = "application/x-www-form-urlencoded";
/// Characters of `scope`.
const MAX_SCOPE: usize = 4096;

/// A refusal by RFC 6749 section 5.2. Its text says to the client's developer what would put it right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {description}", code.as_str())]
pub struct OAuthError {
    pub code: OAuthCode,
    pub description: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OAuthCode {
    InvalidRequest,
    /// An invalid request, for its length.
    TooLarge,
    /// `basic`: it authenticated by the `Authorization` header, and is to be challenged by it.
    InvalidClient {
        basic: bool,
    },
    UnauthorizedClient,
    UnsupportedGrantType,
    InvalidScope,
    /// What has to be asked could not be: trying again may help.
    TemporarilyUnavailable,
}

impl OAuthCode {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest | Self::TooLarge => "invalid_request",
            Self::InvalidClient { .. } => "invalid_client",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
        }
    }

    pub fn status(self) -> u16 {
        match self {
            Self::InvalidClient { .. } => 401,
            Self::TooLarge => 413,
            Self::TemporarilyUnavailable => 503,
            Self::InvalidRequest | Self::UnauthorizedClient | Self::UnsupportedGrantType | Self::InvalidScope => 400,
        }
    }
}

pub fn refused(code: OAuthCode, description: impl Into<String>) -> OAuthError {
    // Section 5.2 allows visible ASCII but for the quote and the backslash.
    let allowed = |c: char| matches!(c, ' '..='!' | '#'..='[' | ']'..='~');
    let description: String = description.into().chars().map(|c| if allowed(c) { c } else { '?' }).collect();
    OAuthError { code, description }
}

fn invalid(description: impl Into<String>) -> OAuthError {
    refused(OAuthCode::InvalidRequest, description)
}

/// What every client that did not prove itself hears, whatever the reason.
pub fn unproven(basic: bool) -> OAuthError {
    let say = "the client is unknown or disabled, or what it authenticated with does not hold";
    refused(OAuthCode::InvalidClient { basic }, say)
}

/// The parameters of a request's body; each once, and an empty one counts as left out (section 3.2).
#[derive(Debug, Default)]
pub struct Form(Vec<(String, String)>);

impl Form {
    pub fn parse(content_type: Option<&str>, body: &[u8]) -> Result<Self, OAuthError> {
        let kind = content_type.and_then(|kind| kind.split(';').next()).map(str::trim).unwrap_or_default();
        if !kind.eq_ignore_ascii_case(FORM) {
            return Err(invalid(format!("send the parameters as {FORM}")));
        }
        let form: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
        // Sorted, because a body has room for tens of thousands of names.
        let mut names: Vec<&str> = form.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        match names.iter().zip(names.iter().skip(1)).find(|(name, next)| name == next) {
            Some((twice, _)) => Err(invalid(format!("{} is given twice", Shown::of(twice)))),
            None => Ok(Self(form)),
        }
    }

    /// Of parameters that are put together here.
    pub fn of(parameters: Vec<(&str, String)>) -> Self {
        Self(parameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, value)| n == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    pub fn require(&self, name: &str) -> Result<&str, OAuthError> {
        self.get(name).ok_or_else(|| invalid(format!("{name} is missing")))
    }
}

/// How a client says who it is; nothing of it is proven.
#[derive(Debug)]
pub enum Authentication {
    Secret { client: String, secret: SecretString, basic: bool },
    Assertion { client: Option<String>, assertion: SecretString },
    Certificate { client: String, shown: certificate::Shown },
}

impl Authentication {
    pub fn is_basic(&self) -> bool {
        matches!(self, Self::Secret { basic: true, .. })
    }

    /// One method at a time (section 2.3).
    pub fn read(authorization: Option<&str>, form: &Form, certificate: Option<&certificate::Shown>) -> Result<Self, OAuthError> {
        let basic = authorization.map(basic).transpose()?;
        let post = form.get("client_secret");
        let assertion = form.get("client_assertion");
        let client = form.get("client_id");
        match (basic, post, assertion) {
            (Some((id, secret)), None, None) => {
                if client.is_some_and(|client| client != id) {
                    return Err(invalid("client_id is not the client that the Authorization header names"));
                }
                Ok(Self::Secret { client: id, secret, basic: true })
            }
            (None, Some(secret), None) => {
                let client = client.ok_or_else(|| invalid("client_id is missing"))?;
                Ok(Self::Secret { client: client.to_owned(), secret: secret.into(), basic: false })
            }
            (None, None, Some(assertion)) => {
                if form.get("client_assertion_type") != Some(JWT_BEARER) {
                    return Err(invalid(format!("client_assertion_type must be {JWT_BEARER}")));
                }
                Ok(Self::Assertion { client: client.map(ToOwned::to_owned), assertion: assertion.into() })
            }
            // Many show one to every server: it counts where nothing else is given.
            (None, None, None) if let (Some(client), Some(shown)) = (client, certificate) => {
                Ok(Self::Certificate { client: client.to_owned(), shown: *shown })
            }
            (None, None, None) => {
                let say = "authenticate the client: by HTTP Basic, by client_id and client_secret, by client_assertion, or by certificate";
                Err(refused(OAuthCode::InvalidClient { basic: true }, say))
            }
            _ => Err(invalid("authenticate the client in one way, not in several at once")),
        }
    }
}

/// Both parts are form-encoded (section 2.3.1).
fn basic(authorization: &str) -> Result<(String, SecretString), OAuthError> {
    let malformed = || refused(OAuthCode::InvalidClient { basic: true }, "the Authorization header is not HTTP Basic");
    let (scheme, encoded) = authorization.split_once(' ').ok_or_else(malformed)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(malformed());
    }
    let decoded = BASE64.decode(encoded.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(malformed)?;
    let (client, secret) = decoded.split_once(':').ok_or_else(malformed)?;
    Ok((form_decoded(client), form_decoded(secret).into()))
}

fn form_decoded(text: &str) -> String {
    // Without = it is a name, which is decoded like a value.
    let escaped = text.replace('&', "%26").replace('=', "%3D");
    form_urlencoded::parse(escaped.as_bytes()).next().map_or_else(String::new, |(name, _)| name.into_owned())
}

/// The scopes that a token is asked for; `None`: all that are held.
pub fn scopes(form: &Form) -> Result<Option<Vec<&str>>, OAuthError> {
    let Some(text) = form.get("scope") else { return Ok(None) };
    let bad = |say: &str| Err(refused(OAuthCode::InvalidScope, say));
    if text.len() > MAX_SCOPE {
        return bad("scope is too long");
    }
    let mut scopes: Vec<&str> = Vec::new();
    for scope in text.split(' ') {
        // Section 3.3.
        if scope.is_empty() || !scope.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)) {
            return bad("scope must be names with one space between two");
        }
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    Ok(Some(scopes))
}

/// What a token gets of the scopes that are held: all, or those asked for, and never more.
pub fn granted<'a>(asked: Option<&[&'a str]>, held: &[&'a str]) -> Result<Vec<&'a str>, OAuthError> {
    let Some(asked) = asked else { return Ok(held.to_vec()) };
    match asked.iter().find(|scope| !held.contains(scope)) {
        Some(missing) => Err(refused(OAuthCode::InvalidScope, format!("{} is not granted to this client", Shown::of(missing)))),
        None => Ok(asked.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn form(body: &str) -> Result<Form, OAuthError> {
        Form::parse(Some("application/x-www-form-urlencoded; charset=UTF-8"), body.as_bytes())
    }

    fn header(pair: &str) -> String {
        format!("Basic {}", BASE64.encode(pair))
    }

    #[test]
    fn parameters_come_once_and_an_empty_one_is_none() {
        let read = form("grant_type=client_credentials&scope=&x=1").expect("a form");
        assert_eq!((read.get("grant_type"), read.get("scope")), (Some("client_credentials"), None));
        assert_eq!(form("a=1&a=1").expect_err("twice").description, "a is given twice");
        for kind in [None, Some("application/json"), Some("text/plain")] {
            assert_eq!(Form::parse(kind, b"a=1").expect_err("not a form").code, OAuthCode::InvalidRequest, "{kind:?}");
        }
    }

    #[test]
    fn clients_authenticate_in_one_way() {
        let read = |authorization: Option<&str>, body: &str| {
            let form = form(body)?;
            Ok::<_, OAuthError>(match Authentication::read(authorization, &form, None)? {
                Authentication::Secret { client, secret, basic } => format!("{client} {} {basic}", secret.expose_secret()),
                Authentication::Assertion { client, .. } => format!("assertion {client:?}"),
                Authentication::Certificate { client, .. } => format!("certificate {client}"),
            })
        };
        let told = |authorization: Option<&str>, body: &str| match read(authorization, body) {
            Ok(read) => read,
            Err(error) => error.code.as_str().to_owned(),
        };
        let both = header("cred_1:pts_live_x");
        assert_eq!(told(Some(&both), ""), "cred_1 pts_live_x true");
        assert_eq!(told(Some(&header("cred_1:a%3Ab%2B+c")), ""), "cred_1 a:b+ c true");
        assert_eq!(told(Some(&both), "client_id=cred_1"), "cred_1 pts_live_x true");
        assert_eq!(told(None, "client_id=cred_1&client_secret=s"), "cred_1 s false");
        let assertion = format!("client_assertion=a.b.c&client_assertion_type={JWT_BEARER}");
        assert_eq!(told(None, &assertion), "assertion None");
        assert_eq!(told(None, &format!("{assertion}&client_id=c")), "assertion Some(\"c\")");
        for (authorization, body, code) in [
            (None, "", "invalid_client"),
            (None, "client_id=c", "invalid_client"),
            (None, "client_secret=s", "invalid_request"),
            (None, "client_id=c&client_secret=", "invalid_client"),
            (Some("Bearer x"), "", "invalid_client"),
            (Some("Basic ???"), "", "invalid_client"),
            (Some("Basic"), "", "invalid_client"),
            (Some(both.as_str()), "client_secret=s", "invalid_request"),
            (Some(both.as_str()), "client_id=other", "invalid_request"),
            (Some(both.as_str()), &assertion, "invalid_request"),
            (None, "client_assertion=a.b.c", "invalid_request"),
            (None, "client_assertion=a.b.c&client_assertion_type=x", "invalid_request"),
        ] {
            assert_eq!(told(authorization, body), code, "{authorization:?} {body}");
        }
    }

    #[test]
    fn a_token_gets_what_is_held_and_asked_for() {
        let ask = |text: &str| {
            let form = form(&format!("scope={text}")).expect("a form");
            let asked = scopes(&form)?.map(|list| list.into_iter().map(ToOwned::to_owned).collect::<Vec<_>>());
            let asked: Option<Vec<&str>> = asked.as_ref().map(|list| list.iter().map(String::as_str).collect());
            granted(asked.as_deref(), &["a:read", "b"]).map(|list| list.join(" "))
        };
        assert_eq!(ask(""), Ok("a:read b".to_owned()));
        assert_eq!(ask("b"), Ok("b".to_owned()));
        assert_eq!(ask("b+b+a:read"), Ok("b a:read".to_owned()));
        for wrong in ["c", "b++b", "+b", "b%0a", "b%22", "b%5c", &"x".repeat(5000)] {
            assert_eq!(ask(wrong).expect_err("refused").code, OAuthCode::InvalidScope, "{wrong}");
        }
    }

    #[test]
    fn descriptions_keep_to_their_characters() {
        assert_eq!(refused(OAuthCode::InvalidScope, "a \"b\"\\\n\u{e9}").description, "a ?b????");
    }
}
