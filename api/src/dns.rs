//! Asking DNS, as the system is set up to or as the settings say.

use std::{net::SocketAddr, time::Duration};

use async_trait::async_trait;
use domain::dns::{Dns, NoAnswer};
use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts},
    net::{DnsError, NetError, runtime::TokioRuntimeProvider},
    proto::{
        op::ResponseCode,
        rr::{Name, RData},
    },
};

/// Within which one server answers one question.
const ANSWER: Duration = Duration::from_secs(3);
const ATTEMPTS: usize = 2;

pub struct Resolver(Result<TokioResolver, NoAnswer>);

impl Resolver {
    /// By these servers; none: by the system's. A system without any is found out when it is asked.
    pub fn new(servers: &[SocketAddr]) -> Self {
        let system = || match TokioResolver::builder_tokio() {
            Ok(builder) => Ok(builder.with_options(options())),
            Err(error) => Err(no_answer(&error)),
        };
        let builder = if servers.is_empty() {
            system()
        } else {
            let config = ResolverConfig::from_parts(None, Vec::new(), servers.iter().map(server).collect());
            Ok(TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).with_options(options()))
        };
        Self(builder.and_then(|builder| builder.build().map_err(|error| no_answer(&error))))
    }
}

fn options() -> ResolverOpts {
    let mut options = ResolverOpts::default();
    options.timeout = ANSWER;
    options.attempts = ATTEMPTS;
    // Who has published a record a moment ago must not meet the answer of before.
    options.cache_size = 0;
    options
}

fn server(address: &SocketAddr) -> NameServerConfig {
    let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
    for connection in &mut connections {
        connection.port = address.port();
    }
    NameServerConfig::new(address.ip(), true, connections)
}

fn no_answer(error: &NetError) -> NoAnswer {
    NoAnswer(error.to_string())
}

#[async_trait]
impl Dns for Resolver {
    async fn txt(&self, name: &str) -> Result<Vec<String>, NoAnswer> {
        let resolver = self.0.as_ref().map_err(Clone::clone)?;
        // Fully qualified: no search domain of this machine is to be tried.
        let mut name = Name::from_ascii(name).map_err(|error| NoAnswer(error.to_string()))?;
        name.set_fqdn(true);
        match resolver.txt_lookup(name).await {
            Ok(found) => Ok(found.answers().iter().filter_map(|record| text(&record.data)).collect()),
            Err(NetError::Dns(DnsError::NoRecordsFound(none)))
                if matches!(none.response_code, ResponseCode::NoError | ResponseCode::NXDomain) =>
            {
                Ok(Vec::new())
            }
            Err(error) => Err(no_answer(&error)),
        }
    }
}

fn text(data: &RData) -> Option<String> {
    match data {
        RData::TXT(txt) => Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned()),
        _ => None,
    }
}
