//! Datagrams one at a time, with nothing but the standard library: what [`super::datagram`] does,
//! for systems that have no batched calls.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};

/// The peer before the first datagram.
const NOBODY: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0));

/// Room for one datagram and its reply.
pub(super) struct Single {
    question: Box<[u8]>,
    reply: Box<[u8]>,
    length: usize,
    peer: SocketAddr,
}

impl Single {
    /// Room for datagrams of at most these many bytes.
    pub(super) fn new(question_max: usize, reply_max: usize) -> Self {
        let (question, reply) = (vec![0; question_max].into(), vec![0; reply_max].into());
        Self { question, reply, length: 0, peer: NOBODY }
    }

    /// Waits for a datagram, at most as long as the socket's read time-out.
    pub(super) fn receive(&mut self, socket: &UdpSocket) -> io::Result<bool> {
        match socket.recv_from(&mut self.question) {
            Ok((length, peer)) => {
                self.length = length;
                self.peer = peer;
                Ok(true)
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock
                | io::ErrorKind::TimedOut
                | io::ErrorKind::Interrupted => Ok(false),
                _ => Err(error),
            },
        }
    }

    /// The received datagram, who sent it, and room for the reply.
    pub(super) fn datagram(&mut self) -> (&[u8], IpAddr, &mut [u8]) {
        (&self.question[..self.length], self.peer.ip(), &mut self.reply)
    }

    /// Sends the first bytes of the room for the reply; false when they could not be sent.
    pub(super) fn reply(&mut self, socket: &UdpSocket, length: usize) -> bool {
        socket.send_to(&self.reply[..length], self.peer).is_ok()
    }
}
