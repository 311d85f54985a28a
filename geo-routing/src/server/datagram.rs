//! Datagrams by the batch: one system call receives many, one sends many (Linux `recvmmsg(2)` and
//! `sendmmsg(2)`), into buffers that are made once.
//!
//! The only `unsafe` of this crate is here. It knows nothing of DNS; where these calls do not
//! exist, [`super::portable`] does the same one datagram at a time.

#![expect(unsafe_code, reason = "recvmmsg and sendmmsg are in no safe library without allocation")]

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr;

/// Bytes of control data kept for a datagram: one `IP_PKTINFO` or `IPV6_PKTINFO` message.
const CONTROL_BYTES: usize = 64;

/// Control data, aligned as the kernel's headers want it.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; CONTROL_BYTES]);

/// Room for a batch of datagrams that come in and of as many that go out.
///
/// The kernel is given pointers into the boxes below. They are made once, are never resized and
/// live as long as the batch, and a batch stays on the thread that made it.
pub struct Batch {
    question_max: usize,
    reply_max: usize,
    questions: Box<[u8]>,
    replies: Box<[u8]>,
    /// Who sent each datagram; large enough for both families.
    peers: Box<[libc::sockaddr_in6]>,
    /// Which of our addresses each datagram came to, on a socket that was told to say so.
    controls: Box<[Control]>,
    inward: Box<[libc::iovec]>,
    outward: Box<[libc::iovec]>,
    incoming: Box<[libc::mmsghdr]>,
    outgoing: Box<[libc::mmsghdr]>,
    received: usize,
    queued: usize,
}

impl Batch {
    /// Room for `capacity` datagrams of at most these many bytes.
    pub fn new(capacity: usize, question_max: usize, reply_max: usize) -> Self {
        // SAFETY: all of these are plain C structures for which zero bytes are a valid value.
        let (peer, message) =
            unsafe { (zeroed::<libc::sockaddr_in6>(), zeroed::<libc::mmsghdr>()) };
        let iovec = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };
        let mut batch = Self {
            question_max,
            reply_max,
            questions: vec![0; capacity * question_max].into(),
            replies: vec![0; capacity * reply_max].into(),
            peers: vec![peer; capacity].into(),
            controls: vec![Control([0; CONTROL_BYTES]); capacity].into(),
            inward: vec![iovec; capacity].into(),
            outward: vec![iovec; capacity].into(),
            incoming: vec![message; capacity].into(),
            outgoing: vec![message; capacity].into(),
            received: 0,
            queued: 0,
        };
        for index in 0..capacity {
            let question = &mut batch.questions[index * question_max..][..question_max];
            batch.inward[index] =
                libc::iovec { iov_base: question.as_mut_ptr().cast(), iov_len: question_max };
            let reply = &mut batch.replies[index * reply_max..][..reply_max];
            batch.outward[index].iov_base = reply.as_mut_ptr().cast();
            let header = &mut batch.incoming[index].msg_hdr;
            header.msg_name = ptr::from_mut(&mut batch.peers[index]).cast();
            header.msg_iov = ptr::from_mut(&mut batch.inward[index]);
            header.msg_iovlen = 1;
            header.msg_control = ptr::from_mut(&mut batch.controls[index]).cast();
        }
        batch
    }

    /// Waits for datagrams, at most as long as the socket's read time-out, and takes all that are
    /// there. 0 means that none came.
    pub fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        self.received = 0;
        self.queued = 0;
        for message in &mut self.incoming {
            // The kernel overwrites both with what it used.
            message.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
            message.msg_hdr.msg_controllen = CONTROL_BYTES as _;
        }
        // SAFETY: the headers point into boxes of this batch, with their true lengths (see `new`).
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.incoming.as_mut_ptr(),
                self.incoming.len() as libc::c_uint,
                libc::MSG_WAITFORONE,
                ptr::null_mut(),
            )
        };
        if received < 0 {
            return none_if_idle(io::Error::last_os_error());
        }
        self.received = usize::try_from(received).expect("it is not negative");
        Ok(self.received)
    }

    /// What was received, and where to reply to it.
    pub fn parts(&mut self) -> (Questions<'_>, Replies<'_>) {
        let questions = Questions {
            bytes: &self.questions,
            bytes_max: self.question_max,
            headers: &self.incoming[..self.received],
            peers: &self.peers,
        };
        let replies = Replies {
            bytes: &mut self.replies,
            bytes_max: self.reply_max,
            questions: &self.incoming[..self.received],
            headers: &mut self.outgoing,
            vectors: &mut self.outward,
            queued: &mut self.queued,
        };
        (questions, replies)
    }

    /// Queues a datagram for the peer of a connected socket; `write` fills the room it is given
    /// and says how much it took. False when the batch is full.
    pub fn push(&mut self, write: impl FnOnce(&mut [u8]) -> usize) -> bool {
        if self.queued == self.outgoing.len() {
            return false;
        }
        let index = self.queued;
        let room = &mut self.replies[index * self.reply_max..][..self.reply_max];
        let length = write(room).min(self.reply_max);
        self.outward[index].iov_len = length;
        let header = &mut self.outgoing[index].msg_hdr;
        header.msg_name = ptr::null_mut();
        header.msg_namelen = 0;
        header.msg_control = ptr::null_mut();
        header.msg_controllen = 0;
        header.msg_iov = ptr::from_mut(&mut self.outward[index]);
        header.msg_iovlen = 1;
        self.queued += 1;
        true
    }

    /// Sends what is queued and returns how many could not be sent: a peer that cannot be reached
    /// must not hold up the others.
    pub fn send(&mut self, socket: &UdpSocket) -> usize {
        let (mut done, mut unsent) = (0, 0);
        while done < self.queued {
            let rest = &mut self.outgoing[done..self.queued];
            // SAFETY: each queued header points into boxes of this batch, with lengths that were
            // checked when it was queued.
            let sent = unsafe {
                libc::sendmmsg(socket.as_raw_fd(), rest.as_mut_ptr(), rest.len() as libc::c_uint, 0)
            };
            match usize::try_from(sent) {
                Ok(sent) => done += sent,
                Err(_) if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    unsent += 1;
                    done += 1;
                }
            }
        }
        self.queued = 0;
        unsent
    }
}

/// Received datagrams.
#[derive(Clone, Copy)]
pub struct Questions<'a> {
    bytes: &'a [u8],
    bytes_max: usize,
    headers: &'a [libc::mmsghdr],
    peers: &'a [libc::sockaddr_in6],
}

impl<'a> Questions<'a> {
    /// A datagram and who sent it.
    pub fn get(&self, index: usize) -> (&'a [u8], IpAddr) {
        let length = self.headers[index].msg_len as usize;
        (&self.bytes[index * self.bytes_max..][..length], address(&self.peers[index]))
    }
}

/// Room for the replies to received datagrams.
pub struct Replies<'a> {
    bytes: &'a mut [u8],
    bytes_max: usize,
    questions: &'a [libc::mmsghdr],
    headers: &'a mut [libc::mmsghdr],
    vectors: &'a mut [libc::iovec],
    queued: &'a mut usize,
}

impl Replies<'_> {
    /// Room for the reply to a datagram.
    pub fn room(&mut self, index: usize) -> &mut [u8] {
        &mut self.bytes[index * self.bytes_max..][..self.bytes_max]
    }

    /// Queues the first bytes of the room for the reply, to go back to where the question came
    /// from, by the address it came to.
    pub fn queue(&mut self, index: usize, length: usize) {
        assert!(length <= self.bytes_max, "a reply fits into its room");
        let question = &self.questions[index].msg_hdr;
        let vector = &mut self.vectors[index];
        vector.iov_len = length;
        let header = &mut self.headers[*self.queued].msg_hdr;
        header.msg_name = question.msg_name;
        header.msg_namelen = question.msg_namelen;
        header.msg_control =
            if question.msg_controllen == 0 { ptr::null_mut() } else { question.msg_control };
        header.msg_controllen = question.msg_controllen;
        header.msg_iov = ptr::from_mut(vector);
        header.msg_iovlen = 1;
        *self.queued += 1;
    }
}

/// Nothing came in time, or a signal did: that is no error.
fn none_if_idle(error: io::Error) -> io::Result<usize> {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted => Ok(0),
        _ => Err(error),
    }
}

fn address(peer: &libc::sockaddr_in6) -> IpAddr {
    if libc::c_int::from(peer.sin6_family) == libc::AF_INET {
        // SAFETY: the kernel wrote a sockaddr_in, which is shorter than the room and no more
        // strictly aligned.
        let v4 = unsafe { &*ptr::from_ref(peer).cast::<libc::sockaddr_in>() };
        IpAddr::V4(Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr)))
    } else {
        IpAddr::V6(Ipv6Addr::from(peer.sin6_addr.s6_addr))
    }
}

/// Asks the kernel to say which of our addresses each datagram came to, so that the answer leaves
/// by the same one; needed on a socket bound to the wildcard address.
pub(crate) fn tell_destination(socket: &UdpSocket) -> io::Result<()> {
    if socket.local_addr()?.is_ipv4() {
        set_option(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)
    } else {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)
    }
}

/// Never fragments and never believes a path MTU that somebody on the way claims: answers are
/// small, and forged fragments are a way to poison caches. It also spares the kernel an id per
/// datagram.
pub(crate) fn never_fragment(socket: &UdpSocket) -> io::Result<()> {
    if socket.local_addr()?.is_ipv4() {
        set_option(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_PROBE)
    } else {
        let probe = libc::IPV6_PMTUDISC_PROBE;
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, probe)
    }
}

fn set_option(
    socket: &UdpSocket,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the kernel reads one c_int from a pointer to a c_int.
    let outcome = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            ptr::from_ref(&value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn pair() -> (UdpSocket, UdpSocket) {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        server.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.connect(server.local_addr().unwrap()).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        (server, client)
    }

    #[test]
    fn many_datagrams_come_and_go_in_one_turn_and_keep_their_senders() {
        let (server, client) = pair();
        let other = UdpSocket::bind("127.0.0.2:0").unwrap();
        other.connect(server.local_addr().unwrap()).unwrap();
        for (socket, bytes) in [(&client, &b"one"[..]), (&other, b""), (&client, b"three")] {
            socket.send(bytes).unwrap();
        }
        let mut batch = Batch::new(8, 64, 64);
        let mut seen = Vec::new();
        while seen.len() < 3 {
            let received = batch.receive(&server).unwrap();
            let (questions, mut replies) = batch.parts();
            for index in 0..received {
                let (question, from) = questions.get(index);
                seen.push((question.to_vec(), from.to_string()));
                if !question.is_empty() {
                    replies.room(index)[..2].copy_from_slice(b"ok");
                    replies.queue(index, 2);
                }
            }
            assert_eq!(batch.send(&server), 0);
        }
        let expected = [("one", "127.0.0.1"), ("", "127.0.0.2"), ("three", "127.0.0.1")];
        let expected = expected.map(|(text, from)| (text.as_bytes().to_vec(), from.to_owned()));
        assert_eq!(seen, expected);
        let mut answer = [0; 8];
        for _ in 0..2 {
            assert_eq!(client.recv(&mut answer).unwrap(), 2);
        }
    }

    #[test]
    fn a_datagram_that_is_too_long_is_cut_and_nothing_behind_it_is_touched() {
        let (server, client) = pair();
        client.send(&[7; 200]).unwrap();
        let mut batch = Batch::new(4, 64, 64);
        assert_eq!(batch.receive(&server).unwrap(), 1);
        assert_eq!(batch.parts().0.get(0).0, [7; 64]);
        assert!(batch.questions[64..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn an_idle_socket_gives_none_and_a_full_batch_takes_no_more() {
        let (server, client) = pair();
        server.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        let mut batch = Batch::new(2, 64, 64);
        assert_eq!(batch.receive(&server).unwrap(), 0);
        let pushed = (0..3).map(|_| batch.push(|room| room.len()));
        assert_eq!(pushed.collect::<Vec<_>>(), [true, true, false]);
        assert_eq!(batch.send(&client), 0);
    }

    #[test]
    fn the_answer_leaves_by_the_address_the_question_came_to() {
        let server = UdpSocket::bind("0.0.0.0:0").unwrap();
        server.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        tell_destination(&server).unwrap();
        never_fragment(&server).unwrap();
        let port = server.local_addr().unwrap().port();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        client.send_to(b"hello", ("127.0.0.77", port)).unwrap();
        let mut batch = Batch::new(2, 64, 64);
        assert_eq!(batch.receive(&server).unwrap(), 1);
        batch.parts().1.queue(0, 1);
        assert_eq!(batch.send(&server), 0);
        let (_, from) = client.recv_from(&mut [0; 8]).unwrap();
        assert_eq!(from.to_string(), format!("127.0.0.77:{port}"));
    }
}
