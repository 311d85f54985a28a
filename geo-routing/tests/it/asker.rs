//! A server of its own for each test, and somebody who asks it questions.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use hickory_proto::op::{Edns, Message, Query};
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::{Name, RData, RecordType};
use meridian_geo_routing::{
    Asker, Ground, Handle, Live, RoutingTable, Server, ServerConfig, Sources, Subnet, Transport,
    Zone,
};
use meridian_regions::{RegionId, Registry};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

/// The second that [`asker`] lives in, and that the tests' signatures are made in.
pub(crate) const NOW: u32 = 1_000_000_000;

/// How long an answer on the loopback may take before it counts as silence.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn registry() -> Registry {
    static REGISTRY: LazyLock<Registry> = LazyLock::new(|| Registry::embedded().unwrap());
    *REGISTRY
}

pub(crate) fn region(name: &str) -> RegionId {
    registry().by_name(name).unwrap()
}

pub(crate) async fn start() -> Handle {
    start_with(registry(), Zone::embedded()).await
}

pub(crate) async fn start_with(registry: Registry, zone: Zone) -> Handle {
    start_from(Sources::new(registry, vec![zone])).await
}

pub(crate) async fn start_from(sources: Sources) -> Handle {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Server::start(ServerConfig { workers: 1, ..ServerConfig::new(listen, sources) }).await.unwrap()
}

pub(crate) fn ground(registry: Registry, zone: Zone) -> Arc<Ground> {
    Arc::new(Ground::new(&Sources::new(registry, vec![zone]), SystemTime::UNIX_EPOCH).unwrap())
}

pub(crate) fn ground_of(sources: &Sources) -> Ground {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW.into());
    Ground::new(sources, now).unwrap()
}

/// A directory of a test's own, gone when it is over.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("geo-routing-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// A file in it, replaced in one step.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let (path, next) = (self.0.join(name), self.0.join(format!("{name}.next")));
        std::fs::write(&next, text).unwrap();
        std::fs::rename(&next, &path).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The embedded regions and zone with everybody well.
pub(crate) fn table() -> RoutingTable {
    RoutingTable::compile(ground(registry(), Zone::embedded()), Live::new())
}

pub(crate) fn asker(source: std::net::IpAddr, transport: Transport) -> Asker {
    Asker { source, transport, now: NOW }
}

pub(crate) fn question(name: &str, qtype: RecordType) -> Message {
    let mut message = Message::query();
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), qtype));
    message
}

/// The same question with an OPT record that holds these bytes as its client subnet.
pub(crate) fn with_raw_subnet(mut message: Message, option: &[u8]) -> Message {
    let mut edns = Edns::new();
    edns.set_max_payload(1232);
    edns.options_mut().insert(EdnsOption::Unknown(8, option.to_vec()));
    message.set_edns(edns);
    message
}

pub(crate) fn from_subnet(message: Message, subnet: &str) -> Message {
    let subnet: Subnet = subnet.parse().unwrap();
    let (family, address) = match subnet.address() {
        std::net::IpAddr::V4(v4) => (1, v4.octets().to_vec()),
        std::net::IpAddr::V6(v6) => (2, v6.octets().to_vec()),
    };
    let mut option = vec![0, family, subnet.prefix(), 0];
    option.extend(&address[..usize::from(subnet.prefix()).div_ceil(8)]);
    with_raw_subnet(message, &option)
}

/// The raw answer over UDP to raw bytes.
pub(crate) async fn ask_raw(server: &Handle, packet: &[u8]) -> Vec<u8> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    socket.send_to(packet, server.local_addr()).await.unwrap();
    let mut answer = vec![0; 65535];
    let received = timeout(PATIENCE, socket.recv_from(&mut answer)).await.unwrap().unwrap();
    answer.truncate(received.0);
    answer
}

pub(crate) async fn ask(server: &Handle, message: &Message) -> Message {
    let answer = ask_raw(server, &message.to_vec().unwrap()).await;
    Message::from_vec(&answer).unwrap()
}

pub(crate) async fn ask_tcp(server: &Handle, message: &Message) -> Message {
    let packet = message.to_vec().unwrap();
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    stream.write_u16(packet.len().try_into().unwrap()).await.unwrap();
    stream.write_all(&packet).await.unwrap();
    let length = timeout(PATIENCE, stream.read_u16()).await.unwrap().unwrap();
    let mut answer = vec![0; length.into()];
    timeout(PATIENCE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
    Message::from_vec(&answer).unwrap()
}

/// The region whose address is the answer.
pub(crate) fn answered(message: &Message) -> String {
    assert_eq!(message.answers.len(), 1, "exactly one region: {message}");
    let found = registry().all().find(|region| match &message.answers[0].data {
        RData::A(ip) => region.endpoints.ipv4.contains(&ip.0),
        RData::AAAA(ip) => region.endpoints.ipv6.contains(&ip.0),
        other => panic!("not an address: {other:?}"),
    });
    found.unwrap().name.clone()
}

/// The region a host is answered with for a network.
pub(crate) async fn region_for(server: &Handle, host: &str, subnet: &str) -> String {
    let name = format!("{host}.meridian.example.");
    answered(&ask(server, &from_subnet(question(&name, RecordType::A), subnet)).await)
}

/// Family, source prefix, scope prefix and address of the answer's client subnet, as sent.
pub(crate) fn echoed(message: &Message) -> Option<(u8, u8, Vec<u8>)> {
    let options = message.edns.as_ref()?.options();
    let EdnsOption::Subnet(subnet) =
        options.get(hickory_proto::rr::rdata::opt::EdnsCode::Subnet)?
    else {
        panic!("the echo is a client subnet");
    };
    let raw = Vec::<u8>::try_from(subnet).unwrap();
    Some((subnet.source_prefix(), subnet.scope_prefix(), raw))
}
