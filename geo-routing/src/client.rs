//! A resolver in one question: what a name is answered with, for a client somewhere.
//!
//! For tours, checks and people; it knows UDP and the one server it is told, nothing else.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, Query, ResponseCode};
use hickory_proto::rr::rdata::opt::{ClientSubnet, EdnsOption};
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::net::UdpSocket;

use crate::location::Subnet;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// Largest answer over UDP that is asked for (DNS flag day 2020).
const PAYLOAD_MAX: u16 = 1232;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Not a name.
    #[error("\"{0}\" is no domain name")]
    Name(String),
    /// The network, or silence.
    #[error("the name server did not answer: {0}")]
    Silence(#[from] io::Error),
    /// Not an answer.
    #[error("the name server's answer cannot be read")]
    Unreadable,
    /// The server says no.
    #[error("the name server answered {0}")]
    Refused(ResponseCode),
}

/// What a name leads to, and for how long that may be remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// In the order of the answer.
    pub addresses: Vec<IpAddr>,
    /// The shortest time to live of the records; none when there are none.
    pub ttl: Duration,
}

/// Asks a server for a name's IPv4 addresses on behalf of a client's network.
pub async fn ask(server: SocketAddr, host: &str, client: Subnet) -> Result<Vec<IpAddr>, AskError> {
    Ok(resolve(server, host, client).await?.addresses)
}

/// The same, for somebody who remembers the answer.
pub async fn resolve(server: SocketAddr, host: &str, client: Subnet) -> Result<Resolved, AskError> {
    let name = Name::from_ascii(host).map_err(|_| AskError::Name(host.to_owned()))?;
    let mut question = Message::query();
    question.add_query(Query::query(name, RecordType::A));
    let mut edns = Edns::new();
    edns.set_max_payload(PAYLOAD_MAX);
    let subnet = ClientSubnet::new(client.address(), client.prefix(), 0);
    edns.options_mut().insert(EdnsOption::Subnet(subnet));
    question.set_edns(edns);
    let packet = question.to_vec().map_err(|_| AskError::Name(host.to_owned()))?;
    let answer = exchange(server, &packet).await?;
    let answer = Message::from_vec(&answer).map_err(|_| AskError::Unreadable)?;
    if answer.metadata.id != question.metadata.id {
        return Err(AskError::Unreadable);
    }
    if answer.metadata.response_code != ResponseCode::NoError {
        return Err(AskError::Refused(answer.metadata.response_code));
    }
    let records = answer.answers.iter().filter_map(|record| match &record.data {
        RData::A(address) => Some((IpAddr::V4(address.0), record.ttl)),
        _ => None,
    });
    let (addresses, ttls): (Vec<IpAddr>, Vec<u32>) = records.unzip();
    let ttl = Duration::from_secs(ttls.into_iter().min().unwrap_or(0).into());
    Ok(Resolved { addresses, ttl })
}

async fn exchange(server: SocketAddr, packet: &[u8]) -> io::Result<Vec<u8>> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(packet).await?;
    let mut answer = vec![0; usize::from(PAYLOAD_MAX)];
    let received = tokio::time::timeout(PATIENCE, socket.recv(&mut answer)).await??;
    answer.truncate(received);
    Ok(answer)
}
