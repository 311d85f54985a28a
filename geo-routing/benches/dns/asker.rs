//! Asks one server many questions over one socket, by the batch, and knows which are unanswered.
//!
//! It decides neither how fast nor how long: [`crate::load`] and [`crate::equality`] do.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use meridian_geo_routing::datagram::Batch;
use socket2::SockRef;

use crate::clock;
use crate::questions::Questions;

/// Datagrams that are sent and received in one system call.
const BATCH: usize = 64;

/// Largest datagram that is expected.
const DATAGRAM_MAX: usize = 1500;

/// After this time an answer no longer counts.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long to wait for any answer before looking whether to give some up.
const WAIT: Duration = Duration::from_millis(50);

/// Bytes of answers that may wait for us: none is to be lost on our side.
const RECEIVE_BUFFER: usize = 4 << 20;

/// Ids there are.
const IDS: usize = 1 << 16;

/// A question that waits for its answer.
#[derive(Clone, Copy)]
struct Waiting {
    question: u32,
    since: Instant,
}

/// A socket and what is on its way.
pub(crate) struct Asker {
    socket: UdpSocket,
    batch: Batch,
    /// By id.
    waiting: Vec<Option<Waiting>>,
    /// Ids in the order they were used; those that were answered meanwhile are skipped.
    order: VecDeque<(u16, Instant)>,
    next_id: u16,
    in_flight: usize,
}

impl Asker {
    pub(crate) fn new(server: SocketAddr) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.connect(server).unwrap();
        socket.set_read_timeout(Some(WAIT)).unwrap();
        SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER).unwrap();
        Self {
            socket,
            batch: Batch::new(BATCH, DATAGRAM_MAX, DATAGRAM_MAX),
            waiting: vec![None; IDS],
            order: VecDeque::with_capacity(IDS),
            next_id: 0,
            in_flight: 0,
        }
    }

    /// Never waits for an answer from now on.
    pub(crate) fn never_wait(&mut self) {
        self.socket.set_nonblocking(true).unwrap();
    }

    /// How many questions wait for their answer.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Sends as many questions as one batch and the wish allow; `next` says which. Returns how
    /// many went out.
    pub(crate) fn send(
        &mut self,
        questions: &Questions,
        wish: usize,
        mut next: impl FnMut() -> Option<usize>,
    ) -> usize {
        let now = clock::instant();
        let mut sent = 0;
        while sent < wish.min(BATCH) && self.in_flight < IDS {
            let Some(question) = next() else { break };
            while self.waiting[usize::from(self.next_id)].is_some() {
                self.next_id = self.next_id.wrapping_add(1);
            }
            let id = self.next_id;
            self.next_id = id.wrapping_add(1);
            let bytes = questions.get(question);
            let pushed = self.batch.push(|room| {
                room[..bytes.len()].copy_from_slice(bytes);
                room[..2].copy_from_slice(&id.to_be_bytes());
                bytes.len()
            });
            assert!(pushed, "a batch has room for a batch");
            let question = u32::try_from(question).unwrap();
            self.waiting[usize::from(id)] = Some(Waiting { question, since: now });
            self.order.push_back((id, now));
            self.in_flight += 1;
            sent += 1;
        }
        // What the system does not take is lost, and is counted as such.
        self.batch.send(&self.socket);
        sent
    }

    /// Takes the answers that are there and hands each over with its question and how long it
    /// took. What answers nothing is passed over.
    pub(crate) fn receive(&mut self, mut seen: impl FnMut(usize, &[u8], Duration)) {
        let received = self.batch.receive(&self.socket).unwrap();
        let now = clock::instant();
        for index in 0..received {
            let (answer, _) = self.batch.parts().0.get(index);
            let Some(id) = answer.first_chunk::<2>() else { continue };
            let waiting = &mut self.waiting[usize::from(u16::from_be_bytes(*id))];
            let Some(Waiting { question, since }) = waiting.take() else { continue };
            self.in_flight -= 1;
            seen(question as usize, answer, now - since);
        }
    }

    /// Gives up what has waited too long, and says which questions they were.
    pub(crate) fn give_up(&mut self, mut lost: impl FnMut(usize)) {
        let now = clock::instant();
        while let Some((id, since)) = self.order.front().copied() {
            let waiting = &mut self.waiting[usize::from(id)];
            match waiting {
                Some(it) if it.since == since && now - since < PATIENCE => return,
                Some(it) if it.since == since => {
                    lost(it.question as usize);
                    *waiting = None;
                    self.in_flight -= 1;
                }
                // It was answered, and the id may be in use again.
                _ => {}
            }
            self.order.pop_front();
        }
    }
}
