//! Where this instance is reached: what is sent there by the gateway comes back to it, and would go round for ever.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::{PoisonError, RwLock, RwLockReadGuard},
    time::Duration,
};

use tokio::{net::lookup_host, time::timeout};
use url::{Host, Url};

/// How long a name may take to be resolved before it is left to who connects.
const LOOK_UP: Duration = Duration::from_secs(2);

/// One per process; what listens and what is announced is added as it comes to be.
#[derive(Default)]
pub struct Itself(RwLock<Places>);

#[derive(Default)]
struct Places {
    listeners: Vec<SocketAddr>,
    urls: Vec<Url>,
}

impl Itself {
    pub fn listens_at(&self, address: SocketAddr) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).listeners.push(address);
    }

    /// What is no URL is none that anybody could be sent to.
    pub fn is_announced_as(&self, url: &str) {
        if let Ok(url) = Url::parse(url) {
            self.0.write().unwrap_or_else(PoisonError::into_inner).urls.push(url);
        }
    }

    /// Whether one of our listeners is reached by an address. Asks the kernel for nothing unless the port is one of ours.
    pub fn is_at(&self, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        self.places().listeners.iter().filter(|own| own.port() == address.port()).any(|own| match own.ip().to_canonical() {
            // Loopback is the machine's own under each of its addresses.
            own if own.is_unspecified() => ip.is_unspecified() || is_of_this_machine(ip),
            own => own == ip || ip.is_unspecified() && own.is_loopback(),
        })
    }

    /// Whether calls to a URL would come here, as far as can be told before they are made. Waits for the name's addresses, where
    /// the port is one of ours.
    pub async fn is_behind(&self, url: &Url) -> bool {
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else { return false };
        if self.is_announced(url) {
            return true;
        }
        if !self.places().listeners.iter().any(|own| own.port() == port) {
            return false;
        }
        let is_at = |ip: IpAddr| self.is_at(SocketAddr::new(ip, port));
        match host {
            Host::Ipv4(ip) => is_at(ip.into()),
            Host::Ipv6(ip) => is_at(ip.into()),
            Host::Domain(name) if is_localhost(name) => is_at(Ipv4Addr::LOCALHOST.into()) || is_at(Ipv6Addr::LOCALHOST.into()),
            Host::Domain(name) => match timeout(LOOK_UP, lookup_host((name, port))).await {
                Ok(Ok(mut found)) => found.any(|address| self.is_at(address)),
                // Whoever connects looks again.
                Ok(Err(_)) | Err(_) => false,
            },
        }
    }

    /// Whether the URL is below one that is told to callers.
    fn is_announced(&self, url: &Url) -> bool {
        let place = |url: &Url| {
            let host = url.host_str().map(|host| host.trim_end_matches('.').to_ascii_lowercase());
            (host, url.port_or_known_default())
        };
        let below = |own: &Url| {
            let own = own.path().trim_end_matches('/');
            url.path().strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.places().urls.iter().any(|own| place(own) == place(url) && below(own))
    }

    fn places(&self) -> RwLockReadGuard<'_, Places> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// RFC 6761 section 6.3.
fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

/// Whether the machine has this address: the kernel would speak to it from the address itself. Nothing is sent.
fn is_of_this_machine(ip: IpAddr) -> bool {
    let any: IpAddr = if ip.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let own = || {
        let socket = UdpSocket::bind((any, 0)).ok()?;
        socket.connect((ip, 9)).ok()?;
        socket.local_addr().ok()
    };
    ip.is_loopback() || own().is_some_and(|own| own.ip() == ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An address of this machine that is not loopback, where it has one.
    fn outward() -> Option<IpAddr> {
        let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
        socket.connect("192.0.2.1:9").ok()?;
        Some(socket.local_addr().ok()?.ip())
    }

    #[test]
    fn listeners() {
        let itself = Itself::default();
        itself.listens_at("127.0.0.1:8081".parse().unwrap());
        itself.listens_at("[::]:9090".parse().unwrap());
        for (address, expected) in [
            ("127.0.0.1:8081", true),
            ("[::ffff:127.0.0.1]:8081", true),
            ("0.0.0.0:8081", true),
            // Another program's.
            ("127.0.0.2:8081", false),
            ("127.0.0.1:8082", false),
            ("127.0.0.1:9090", true),
            ("127.9.9.9:9090", true),
            ("[::1]:9090", true),
            ("192.0.2.1:9090", false),
        ] {
            assert_eq!(itself.is_at(address.parse().unwrap()), expected, "{address}");
        }
        if let Some(ip) = outward() {
            assert!(itself.is_at(SocketAddr::new(ip, 9090)) && !itself.is_at(SocketAddr::new(ip, 8081)), "{ip}");
        }
    }

    #[tokio::test]
    async fn urls() {
        let itself = Itself::default();
        itself.listens_at("0.0.0.0:8081".parse().unwrap());
        itself.is_announced_as("https://portal.example.com");
        itself.is_announced_as("https://gw.example.com:444/apis");
        for (url, expected) in [
            ("http://127.0.0.1:8081/x", true),
            ("http://localhost:8081", true),
            ("http://LOCALHOST.:8081", true),
            ("http://gateway.localhost:8081", true),
            ("http://[::ffff:7f00:1]:8081", true),
            ("http://2130706433:8081/", true),
            ("http://localhost:8082", false),
            ("https://portal.example.com/anything", true),
            ("https://PORTAL.example.com.:443", true),
            ("http://portal.example.com", false),
            ("https://gw.example.com:444/apis/a", true),
            ("https://gw.example.com:444/apisix", false),
            ("https://gw.example.com/apis", false),
        ] {
            assert_eq!(itself.is_behind(&Url::parse(url).unwrap()).await, expected, "{url}");
        }
    }
}
