//! A name server for `example.`, whose records a test publishes and takes back. Of other names it knows nothing, and says so.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use hickory_server::{
    Server,
    proto::rr::{
        Name, RData, Record, RecordType,
        rdata::{SOA, TXT},
    },
    store::in_memory::InMemoryZoneHandler,
    zone_handler::{AxfrPolicy, Catalog, ZoneType},
};
use serde_json::Value;
use tokio::net::UdpSocket;

pub struct NameServer {
    pub address: SocketAddr,
    zone: Arc<InMemoryZoneHandler>,
    serial: AtomicU32,
    _server: Server<Catalog>,
}

impl NameServer {
    pub async fn start() -> Self {
        let origin = name("example");
        let zone = Arc::new(InMemoryZoneHandler::empty(origin.clone(), ZoneType::Primary, AxfrPolicy::Deny));
        let authority = SOA::new(name("ns.example"), name("hostmaster.example"), 1, 60, 60, 60, 60);
        zone.upsert(Record::from_rdata(origin.clone(), 60, RData::SOA(authority)), 0).await;
        let mut catalog = Catalog::new();
        catalog.upsert(origin.into(), vec![zone.clone()]);
        let mut server = Server::new(catalog);
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let address = socket.local_addr().expect("an address");
        server.register_socket(socket);
        Self { address, zone, serial: AtomicU32::new(2), _server: server }
    }

    /// Publishes the record that a claimed domain asks for.
    pub async fn publish(&self, domain: &Value) {
        let text = |field: &str| domain[field].as_str().unwrap_or_else(|| panic!("{field} of {domain}"));
        self.publish_text(text("dnsRecordName"), &[text("dnsRecordValue")]).await;
    }

    /// Publishes one more TXT record, of these strings.
    pub async fn publish_text(&self, at: &str, strings: &[&str]) {
        let data = TXT::new(strings.iter().map(|text| (*text).to_owned()).collect());
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        assert!(self.zone.upsert(Record::from_rdata(name(at), 60, RData::TXT(data)), serial).await, "a new record at {at}");
    }

    /// Takes all TXT records back.
    pub async fn withdraw(&self) {
        self.zone.records_mut().await.retain(|key, _| key.record_type != RecordType::TXT);
    }
}

fn name(text: &str) -> Name {
    let mut name = Name::from_ascii(text).expect("a name");
    name.set_fqdn(true);
    name
}
