//! What a profile may say: how it authenticates, which methods it may use, where its calls may come from.

use std::net::IpAddr;

use entities::{columns::Strings, enums::AuthMethod};
use ipnet::IpNet;

use super::{
    method::Method,
    outgoing::{self, Reach},
    text::is_hidden,
    view::Outside,
};
use crate::{Problem, ProblemCode, error::Problems};

/// Credentials of one profile that are neither revoked nor expired.
pub const MAX_LIVE_CREDENTIALS: usize = 10;

const MAX_ADDRESSES: usize = 100;
/// Characters of an audience or a subject.
const MAX_NAMED: usize = 255;

/// Whose tokens are taken, and whom they have to be for. Both go with OIDC, and only with it; `path` is what they are fields of.
pub fn outside(
    problems: &mut Problems,
    path: &str,
    method: AuthMethod,
    (issuer, audience): (Option<&str>, Option<&str>),
    reach: Reach,
) -> Option<Outside> {
    let at = |field: &str| if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") };
    if method != AuthMethod::Oidc {
        for (field, given) in [("issuer", issuer), ("audience", audience)] {
            if given.is_some() {
                problems.add(ProblemCode::Invalid, &at(field), "goes with authMethod OIDC only");
            }
        }
        return None;
    }
    let issuer = problems.take(required(&at("issuer"), issuer).and_then(|issuer| issuer_url(&at("issuer"), issuer, reach)));
    let audience = problems.take(required(&at("audience"), audience).and_then(|audience| named(&at("audience"), audience)));
    Some(Outside { issuer: issuer?, audience: audience? })
}

fn required<'a>(path: &str, given: Option<&'a str>) -> Result<&'a str, Problem> {
    given.filter(|text| !text.is_empty()).ok_or_else(|| Problem::new(ProblemCode::Required, path, "goes with authMethod OIDC"))
}

/// Exactly as its tokens name it: what is compared is the text.
fn issuer_url(path: &str, issuer: &str, reach: Reach) -> Result<String, Problem> {
    if outgoing::url(path, issuer, reach)?.query().is_some() {
        return Err(Problem::new(ProblemCode::Invalid, path, "must not have a query"));
    }
    Ok(issuer.to_owned())
}

/// What tokens name somebody by: an audience, or a subject.
pub fn named(path: &str, name: &str) -> Result<String, Problem> {
    if name.is_empty() || name.chars().count() > MAX_NAMED || name.chars().any(is_hidden) {
        let say = format!("must be a text of 1 to {MAX_NAMED} characters, as it stands in the tokens");
        return Err(Problem::new(ProblemCode::Invalid, path, say));
    }
    Ok(name.to_owned())
}

/// Whether calls carry access tokens of the portal's token endpoint.
pub fn uses_tokens(method: AuthMethod) -> bool {
    match method {
        AuthMethod::Oauth2ClientSecret | AuthMethod::Oauth2PrivateKeyJwt => true,
        AuthMethod::ApiKey
        | AuthMethod::Token
        | AuthMethod::SignedJwt
        | AuthMethod::Mtls
        | AuthMethod::Oidc
        | AuthMethod::None => false,
    }
}

/// Whether a caller names its client in `X-Client-ID`; for the others the credential says it.
pub fn names_its_client(method: AuthMethod) -> bool {
    match method {
        AuthMethod::Token | AuthMethod::SignedJwt | AuthMethod::Mtls | AuthMethod::Oidc | AuthMethod::None => true,
        AuthMethod::ApiKey | AuthMethod::Oauth2ClientSecret | AuthMethod::Oauth2PrivateKeyJwt => false,
    }
}

/// Allowed methods in upper case, each once; empty allows all.
pub fn methods(path: &str, given: &[String]) -> Result<Strings, Vec<Problem>> {
    let mut problems = Problems::default();
    let mut checked: Vec<String> = Vec::new();
    for (i, name) in given.iter().enumerate() {
        let upper = name.trim().to_ascii_uppercase();
        if Method::parse(&upper).is_none_or(|method| method == Method::Connect) {
            let say = "must be a method such as GET, POST, PUT, PATCH or DELETE";
            problems.add(ProblemCode::Invalid, &format!("{path}.{i}"), say);
        } else if !checked.contains(&upper) {
            checked.push(upper);
        }
    }
    listed(problems, checked)
}

/// Addresses and CIDR ranges of both families as gateways compare them: ranges without host bits, IPv4 in IPv6 as IPv4,
/// each once; empty allows all.
pub fn allowlist(path: &str, given: &[String]) -> Result<Strings, Vec<Problem>> {
    let mut problems = Problems::default();
    let mut checked: Vec<String> = Vec::new();
    if given.len() > MAX_ADDRESSES {
        problems.add(ProblemCode::LimitReached, path, format!("at most {MAX_ADDRESSES} addresses and ranges"));
    }
    for (i, entry) in given.iter().enumerate() {
        match network(entry.trim()) {
            Some(network) if !checked.contains(&network) => checked.push(network),
            Some(_) => {}
            None => {
                let say = "must be an IP address or a CIDR range, such as 203.0.113.7, 203.0.113.0/24 or 2001:db8::/32";
                problems.add(ProblemCode::Invalid, &format!("{path}.{i}"), say);
            }
        }
    }
    listed(problems, checked)
}

fn listed(problems: Problems, checked: Vec<String>) -> Result<Strings, Vec<Problem>> {
    let list = problems.into_list();
    if list.is_empty() { Ok(Strings(checked)) } else { Err(list) }
}

fn network(text: &str) -> Option<String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical().to_string());
    }
    let range = text.parse::<IpNet>().ok()?;
    let range = match range {
        IpNet::V6(v6) if v6.prefix_len() >= 96 => match v6.addr().to_ipv4_mapped() {
            Some(v4) => IpNet::new(v4.into(), v6.prefix_len() - 96).ok()?,
            None => range,
        },
        IpNet::V4(_) | IpNet::V6(_) => range,
    };
    let range = range.trunc();
    if range.prefix_len() == range.max_prefix_len() { Some(range.addr().to_string()) } else { Some(range.to_string()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(list: &[&str]) -> Vec<String> {
        list.iter().map(|s| (*s).to_owned()).collect()
    }

    #[test]
    fn networks_are_brought_into_one_form() {
        for (given, stored) in [
            ("203.0.113.7", Some("203.0.113.7")),
            (" 203.0.113.7/32 ", Some("203.0.113.7")),
            ("203.0.113.7/24", Some("203.0.113.0/24")),
            ("0.0.0.0/0", Some("0.0.0.0/0")),
            ("2001:DB8::1", Some("2001:db8::1")),
            ("2001:db8::1/32", Some("2001:db8::/32")),
            ("2001:db8::1/128", Some("2001:db8::1")),
            ("::ffff:203.0.113.7", Some("203.0.113.7")),
            ("::ffff:203.0.113.7/120", Some("203.0.113.0/24")),
            ("203.0.113.7/33", None),
            ("203.0.113", None),
            ("203.0.113.007", None),
            ("example.com", None),
            ("", None),
        ] {
            assert_eq!(network(given.trim()).as_deref(), stored, "{given}");
        }
    }

    #[test]
    fn a_list_is_refused_entry_by_entry() {
        let problems = allowlist("ipAllowlist", &texts(&["10.0.0.1", "x", "10.0.0.0/99"])).expect_err("two wrong");
        let paths: Vec<_> = problems.iter().map(|p| p.path.join(".")).collect();
        assert_eq!(paths, ["ipAllowlist.1", "ipAllowlist.2"]);
        let twice = allowlist("ipAllowlist", &texts(&["10.0.0.1", "10.0.0.1/32"])).expect("the same address twice");
        assert_eq!(twice.0, ["10.0.0.1"]);
        assert!(allowlist("ipAllowlist", &vec!["::1".to_owned(); MAX_ADDRESSES + 1]).is_err());
    }

    #[test]
    fn methods_are_known_and_upper_case() {
        assert_eq!(methods("m", &texts(&["get", "POST", "Get"])).expect("known").0, ["GET", "POST"]);
        for wrong in ["", "CONNECT", "FETCH", "GET "] {
            assert_eq!(methods("m", &texts(&[wrong])).is_err(), wrong != "GET ", "{wrong:?}");
        }
    }

    #[test]
    fn an_outside_issuer_goes_with_oidc_and_only_with_it() {
        let told = |method, issuer, audience| {
            let mut problems = Problems::default();
            let outside = outside(&mut problems, "", method, (issuer, audience), Reach::Public);
            let wrong: Vec<_> = problems.into_list().into_iter().map(|problem| problem.path.join(".")).collect();
            (outside.is_some(), wrong.join(" "))
        };
        let (issuer, audience) = (Some("https://login.example.com/tenant"), Some("api://orders"));
        assert_eq!(told(AuthMethod::Oidc, issuer, audience), (true, String::new()));
        for (method, issuer, audience, wrong) in [
            (AuthMethod::Oidc, None, None, "issuer audience"),
            (AuthMethod::Oidc, issuer, Some(""), "audience"),
            (AuthMethod::Oidc, Some("http://login.example.com"), audience, "issuer"),
            (AuthMethod::Oidc, Some("https://10.0.0.1"), audience, "issuer"),
            (AuthMethod::Oidc, Some("https://a.example/?tenant=1"), audience, "issuer"),
            (AuthMethod::Oidc, issuer, Some("a\nb"), "audience"),
            (AuthMethod::ApiKey, issuer, audience, "issuer audience"),
            (AuthMethod::ApiKey, None, None, ""),
        ] {
            assert_eq!(told(method, issuer, audience), (false, wrong.to_owned()), "{issuer:?} {audience:?}");
        }
    }
}
