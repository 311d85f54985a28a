//! The floor: a server that sends every question back as its answer, on a socket like ours, by
//! batches like ours. What it costs is what the system charges for the datagrams.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use meridian_geo_routing::datagram::Batch;
use socket2::{Domain, Protocol, Socket, Type};

use crate::questions::{HEADER_BYTES, Wanted};

/// As src/server/udp.rs has them.
const BATCH: usize = 64;
const QUESTION_MAX: usize = 1344;
const REPLY_MAX: usize = 1232 + 64;
const RECEIVE_BUFFER: usize = 4 << 20;
const WAIT: Duration = Duration::from_millis(100);

/// Bytes of an address record: a pointer to the name, type, class, ttl, length, address.
const A_BYTES: usize = 16;
const AAAA_BYTES: usize = 28;

/// Serves until it is killed.
pub(crate) fn serve(listen: SocketAddr) -> ! {
    let socket = bind(listen);
    let mut batch = Batch::new(BATCH, QUESTION_MAX, REPLY_MAX);
    loop {
        let received = batch.receive(&socket).unwrap();
        let (questions, mut replies) = batch.parts();
        for index in 0..received {
            let length = echo(questions.get(index).0, replies.room(index));
            replies.queue(index, length);
        }
        batch.send(&socket);
    }
}

fn bind(listen: SocketAddr) -> UdpSocket {
    let socket =
        Socket::new(Domain::for_address(listen), Type::DGRAM, Some(Protocol::UDP)).unwrap();
    socket.set_reuse_port(true).unwrap();
    socket.set_recv_buffer_size(RECEIVE_BUFFER).unwrap();
    socket.set_read_timeout(Some(WAIT)).unwrap();
    socket.bind(&listen.into()).unwrap();
    let probe = rustix::net::sockopt::Ipv4PathMtuDiscovery::PROBE;
    rustix::net::sockopt::set_ip_mtu_discover(&socket, probe).unwrap();
    socket.into()
}

/// The question with the bits and the length of an answer of one record.
fn echo(question: &[u8], room: &mut [u8]) -> usize {
    let name = question[HEADER_BYTES..].iter().position(|byte| *byte == 0).unwrap();
    let wanted = question[HEADER_BYTES + name + 2];
    let more = if wanted == Wanted::Aaaa as u8 { AAAA_BYTES } else { A_BYTES };
    room[..question.len()].copy_from_slice(question);
    room[question.len()..question.len() + more].fill(0);
    // It is an answer, with authority, with one record.
    room[2] |= 0x84;
    room[7] = 1;
    question.len() + more
}
