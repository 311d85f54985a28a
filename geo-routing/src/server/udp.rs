//! The UDP workers: each has a socket, a thread and everything it needs, and shares only the
//! current table with the others.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, UNIX_EPOCH};
use std::{io, thread};

use arc_swap::Cache;
use socket2::{Domain, Protocol, Socket, Type};

use super::control::{Serving, Shared};
use super::datagram;
use super::portable::Single;
use crate::answer::{Asker, Outcome, Transport, UDP_PAYLOAD_MAX, fast, respond, slip};
use crate::clock;
use crate::limit::{Limiter, Verdict};
use crate::location::Found;
use crate::metrics::{Event, Tally};
use crate::policy::Client;

/// Largest question in bytes that is read; no honest one is longer, and one that is cut is
/// malformed. Not a power of two, so that the buffers of a batch spread over the cache.
const QUESTION_MAX: usize = 1344;

/// Room for an answer, a little more than the largest for the same reason.
const REPLY_MAX: usize = UDP_PAYLOAD_MAX as usize + 64;

/// Datagrams that are received and sent in one system call.
const BATCH: usize = 64;

/// Bytes of datagrams that may wait for a worker; the system's default loses bursts. The system
/// may grant less (`net.core.rmem_max`).
const RECEIVE_BUFFER: usize = 4 << 20;

/// How long a worker waits for a question before it looks whether it should end.
const WAIT: Duration = Duration::from_millis(100);

/// Pause after a socket error, so that a lasting one does not burn a core.
const SOCKET_ERROR_PAUSE: Duration = Duration::from_millis(50);

/// A socket that shares its address with those of the other workers.
pub(super) fn bind(listen: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(listen), Type::DGRAM, Some(Protocol::UDP))?;
    if listen.is_ipv6() {
        // Each family has sockets of its own, so both wildcards can be listened on.
        socket.set_only_v6(true)?;
    }
    #[cfg(unix)]
    socket.set_reuse_port(true)?;
    // Less than what was asked for is better than none.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    socket.set_read_timeout(Some(WAIT))?;
    socket.bind(&listen.into())?;
    let socket = UdpSocket::from(socket);
    #[cfg(target_os = "linux")]
    {
        // A kernel that knows the option not is as good as one without it.
        let _ = datagram::never_fragment(&socket);
        if listen.ip().is_unspecified() {
            datagram::tell_destination(&socket)?;
        }
    }
    Ok(socket)
}

/// Running workers.
pub(super) struct Workers {
    threads: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
}

impl Now {
    fn asker(self, source: IpAddr) -> Asker {
        let source = source.to_canonical();
        Asker { source, transport: Transport::Udp, now: self.seconds }
    }
}

impl Workers {
    /// One thread a socket.
    pub(super) fn start(sockets: Vec<UdpSocket>, shared: &Arc<Shared>) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let count = sockets.len();
        let mut threads = Vec::new();
        for (number, socket) in sockets.into_iter().enumerate() {
            let (shared, stop) = (Arc::clone(shared), Arc::clone(&stop));
            let thread = thread::Builder::new().name(format!("dns-udp-{number}"));
            let work = move || work(&socket, &shared, count, &stop);
            threads.push(thread.spawn(work)?);
        }
        Ok(Self { threads, stop })
    }

    /// Ends the workers after what they have in hand; waits for them.
    pub(super) fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.stop();
    }
}

fn work(socket: &UdpSocket, shared: &Arc<Shared>, workers: usize, stop: &AtomicBool) {
    let tally = shared.metrics.tally();
    while !stop.load(Ordering::Relaxed) {
        let mut worker = Worker {
            socket,
            current: Cache::new(&shared.current),
            limiter: Limiter::new(&shared.limit, workers),
            tally: &tally,
            started: clock::instant(),
            counted: shared.counted,
            log_every: shared.log_every,
            unlogged: 0,
        };
        // A defect that one packet finds must not silence the server.
        let run = || if shared.batched { worker.batches(stop) } else { worker.singles(stop) };
        if catch_unwind(AssertUnwindSafe(run)).is_err() {
            tracing::error!("a worker failed on a packet and begins anew; this is a defect");
        }
    }
}

struct Worker<'a> {
    socket: &'a UdpSocket,
    current: Cache<&'a arc_swap::ArcSwap<Serving>, Arc<Serving>>,
    limiter: Limiter,
    tally: &'a Tally,
    started: Instant,
    counted: bool,
    log_every: u32,
    unlogged: u32,
}

/// The time as one batch sees it.
#[derive(Clone, Copy)]
struct Now {
    seconds: u32,
    since_start: Duration,
}

impl Worker<'_> {
    fn now(&self) -> Now {
        let since_1970 = clock::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now {
            // Cookies count in serial numbers, which wrap.
            seconds: since_1970.as_secs() as u32,
            since_start: clock::instant() - self.started,
        }
    }

    fn batches(&mut self, stop: &AtomicBool) {
        let mut batch = datagram::Batch::new(BATCH, QUESTION_MAX, REPLY_MAX);
        while !stop.load(Ordering::Relaxed) {
            match batch.receive(self.socket) {
                Ok(0) => {}
                Ok(received) => {
                    let serving = Arc::clone(self.current.load());
                    let now = self.now();
                    let (questions, replies) = batch.parts();
                    self.answer_all(&serving, received, questions, replies, now);
                    for _ in 0..batch.send(self.socket) {
                        self.tally.event(Event::Unsent);
                    }
                }
                Err(error) => pause(&error),
            }
        }
    }

    fn singles(&mut self, stop: &AtomicBool) {
        let mut single = Single::new(QUESTION_MAX, REPLY_MAX);
        while !stop.load(Ordering::Relaxed) {
            match single.receive(self.socket) {
                Ok(false) => {}
                Ok(true) => {
                    let serving = Arc::clone(self.current.load());
                    let now = self.now();
                    let (question, source, room) = single.datagram();
                    let asker = now.asker(source);
                    let usual = fast::answer(&serving.table, question, &asker, room);
                    let length = self.settle(&serving, question, &asker, usual, now, room);
                    if length > 0 && !single.reply(self.socket, length) {
                        self.tally.event(Event::Unsent);
                    }
                }
                Err(error) => pause(&error),
            }
        }
    }

    /// Answers a batch: all are read, then all clients are placed together, then all answers are
    /// written.
    fn answer_all(
        &mut self,
        serving: &Serving,
        received: usize,
        questions: datagram::Questions<'_>,
        mut replies: datagram::Replies<'_>,
        now: Now,
    ) {
        let table = &serving.table;
        let mut asked = [None; BATCH];
        let mut places = [IpAddr::V4(Ipv4Addr::UNSPECIFIED); BATCH];
        let mut whose = [0; BATCH];
        let mut found = [Found::default(); BATCH];
        let mut placed = 0;
        for (index, asked) in asked[..received].iter_mut().enumerate() {
            let (question, source) = questions.get(index);
            *asked = fast::read(table, question, &now.asker(source));
            let client = asked.as_ref().and_then(fast::Asked::client);
            if let Some(Client::Address(address)) = client {
                places[placed] = address;
                whose[placed] = index;
                placed += 1;
            }
        }
        table.locate_all(&places[..placed], |nth, it| found[whose[nth]] = it);
        for (index, asked) in asked[..received].iter().enumerate() {
            let (question, source) = questions.get(index);
            let (asker, room) = (now.asker(source), replies.room(index));
            let usual = asked
                .as_ref()
                .and_then(|it| fast::finish(table, question, it, found[index], &asker, room));
            let length = self.settle(serving, question, &asker, usual, now, room);
            if length > 0 {
                replies.queue(index, length);
            }
        }
    }

    /// Answers what the fast path left, counts and limits; returns the answer's length, where 0 is
    /// silence.
    fn settle(
        &mut self,
        serving: &Serving,
        question: &[u8],
        asker: &Asker,
        usual: Option<(usize, Outcome)>,
        now: Now,
        room: &mut [u8],
    ) -> usize {
        let source = asker.source;
        let made = usual.or_else(|| {
            let reply = respond(&serving.table, question, asker)?;
            self.tally.event(Event::SlowPath);
            room[..reply.bytes.len()].copy_from_slice(&reply.bytes);
            Some((reply.bytes.len(), reply.outcome))
        });
        let Some((length, outcome)) = made else {
            self.tally.event(Event::Silent);
            return 0;
        };
        match self.limiter.judge(source, &outcome, now.since_start) {
            Verdict::Send => {
                if self.counted {
                    self.tally.answered(&serving.pairs, Transport::Udp, &outcome);
                }
                self.log(serving, &outcome, source);
                length
            }
            Verdict::Drop => {
                self.tally.event(Event::LimitDrop);
                0
            }
            Verdict::Slip => {
                let Some((reply, asks_cookie)) = slip(&serving.table, question, asker) else {
                    return 0;
                };
                let event = if asks_cookie { Event::LimitBadCookie } else { Event::LimitSlip };
                self.tally.event(event);
                room[..reply.len()].copy_from_slice(&reply);
                reply.len()
            }
        }
    }

    fn log(&mut self, serving: &Serving, outcome: &Outcome, source: IpAddr) {
        if self.log_every == 0 {
            return;
        }
        self.unlogged += 1;
        if self.unlogged >= self.log_every {
            self.unlogged = 0;
            serving.log(outcome, source);
        }
    }
}

fn pause(error: &io::Error) {
    tracing::warn!(kind = ?error.kind(), "the UDP socket failed to receive");
    thread::sleep(SOCKET_ERROR_PAUSE);
}
