//! Where the outside reaches the instance, as one process believes: unusable addresses, and those that processes differ in.

use domain::processes::Process;
use entities::process;

use super::{Role, Secure, url};
use crate::config::{Config, is_everywhere};

/// The addresses of this process, and which of them its settings name.
pub struct Addresses {
    pub process: Process,
    base: Named,
    gateway: Named,
}

/// What an address was made from.
struct Named {
    /// Whether a setting names it.
    given: bool,
    setting: &'static str,
    /// The setting that it is derived from, else.
    listen: &'static str,
}

impl Addresses {
    /// `base_url` and `gateway_url`: as the process serves them.
    pub fn new(config: &Config, role: Role, (base_url, gateway_url): (&str, &str)) -> Self {
        let portal_url = config.portal_url.as_ref().map_or(base_url, url::Url::as_str).trim_end_matches('/');
        Self {
            process: Process {
                role: role.word().to_owned(),
                base_url: base_url.to_owned(),
                portal_url: portal_url.to_owned(),
                gateway_url: gateway_url.to_owned(),
            },
            base: Named { given: config.base_url.is_some(), setting: "PORTICO_BASE_URL", listen: "PORTICO_LISTEN" },
            gateway: Named {
                given: config.gateway_url.is_some(),
                setting: "PORTICO_GATEWAY_URL",
                listen: "PORTICO_GATEWAY_LISTEN",
            },
        }
    }

    /// As a process with these settings would have them that has not bound its ports yet.
    pub fn expected(config: &Config, role: Role, secure: &Secure) -> Self {
        let base_url = url(config.base_url.as_ref(), config.listen);
        Self::new(config, role, (&base_url, &secure.gateway_url(config, config.gateway_listen)))
    }

    /// A sentence for each address that nobody can open.
    pub fn unusable(&self) -> Vec<String> {
        let Process { base_url, gateway_url, .. } = &self.process;
        let wrong = [(base_url, &self.base), (gateway_url, &self.gateway)]
            .into_iter()
            .filter(|(address, named)| !named.given && url::Url::parse(address).is_ok_and(|address| is_everywhere(&address)));
        let said = wrong.map(|(address, Named { setting, listen, .. })| {
            format!("{address} comes from {listen} and can be opened by nobody: set {setting} to the address that people and programs use")
        });
        said.collect()
    }

    /// A sentence for each address that another process of this instance was given otherwise.
    pub fn differences(&self, others: &[process::Model]) -> Vec<String> {
        let Process { base_url, portal_url, gateway_url, .. } = &self.process;
        let mut said = Vec::new();
        for other in others {
            let ours = [
                ("PORTICO_BASE_URL", base_url, &other.base_url),
                ("PORTICO_PORTAL_URL", portal_url, &other.portal_url),
                ("PORTICO_GATEWAY_URL", gateway_url, &other.gateway_url),
            ];
            let known = |(_, here, there): &(_, &String, &String)| here != there && !is_any_port(here) && !is_any_port(there);
            for (setting, here, there) in ours.into_iter().filter(known) {
                let line = format!(
                    "{here} here is {there} for a process that serves ({}): give every process the same {setting}",
                    other.role
                );
                if !said.contains(&line) {
                    said.push(line);
                }
            }
        }
        said
    }
}

/// Not known before the port is bound.
fn is_any_port(address: &str) -> bool {
    url::Url::parse(address).is_ok_and(|address| address.port() == Some(0))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use entities::id::{ProcessId, TypedId};
    use uuid::Uuid;

    use super::*;

    fn addresses(change: impl FnOnce(&mut Config)) -> Addresses {
        let mut config = Config::default();
        change(&mut config);
        let secure = Secure::load(&config, Vec::new()).expect("no files");
        Addresses::expected(&config, Role::Api, &secure)
    }

    #[test]
    fn an_address_that_one_only_listens_on_is_unusable() {
        assert!(addresses(|_| {}).unusable().is_empty());
        let everywhere = |c: &mut Config| {
            c.listen = "0.0.0.0:8080".parse().expect("an address");
            c.gateway_listen = "[::]:8081".parse().expect("an address");
        };
        let said = addresses(everywhere).unusable();
        assert!(said[0].starts_with("http://0.0.0.0:8080 comes from PORTICO_LISTEN") && said[0].contains("set PORTICO_BASE_URL"));
        assert!(said[1].starts_with("http://[::]:8081 comes from PORTICO_GATEWAY_LISTEN"), "{said:?}");
        let named = addresses(|c| {
            everywhere(c);
            c.base_url = url::Url::parse("https://portal.example").ok();
            c.gateway_url = url::Url::parse("https://api.example").ok();
        });
        assert!(named.unusable().is_empty());
    }

    #[test]
    fn addresses_that_another_process_was_given_otherwise_are_told_once() {
        let other = process::Model {
            id: ProcessId::from_uuid(Uuid::nil()),
            role: "gateway".to_owned(),
            base_url: "https://portal.example".to_owned(),
            portal_url: "https://portal.example".to_owned(),
            gateway_url: "http://127.0.0.1:8081".to_owned(),
            started_at: DateTime::UNIX_EPOCH,
            last_seen_at: DateTime::UNIX_EPOCH,
        };
        let ours = addresses(|c| c.portal_url = url::Url::parse("https://portal.example/").ok());
        assert_eq!(
            ours.differences(&[other.clone(), other.clone()]),
            [
                "http://127.0.0.1:8080 here is https://portal.example for a process that serves (gateway): give every process the same PORTICO_BASE_URL"
            ]
        );
        let same = addresses(|c| c.base_url = url::Url::parse("https://portal.example").ok());
        assert!(same.differences(&[other]).is_empty());
    }
}
