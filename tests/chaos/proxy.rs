//! A bad network: TCP links of one program to one server, each with its own weather. The kinds of
//! weather are those of toxiproxy (latency, bandwidth, slicer, timeout, down, reset_peer,
//! slow_close, limit_data), and one that knows what a COMMIT is: its request or its reply is lost.
//!
//! `Sender::Client` names what goes up to the server, `Sender::Server` what comes down from it.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::chance::Chance;
use crate::wire::{Reader, Seen, Sender};

/// Most bytes that are passed on at once.
const PIECE: usize = 16 * 1024;
/// Pause between two slices.
const SLICE_PAUSE: Duration = Duration::from_millis(1);

/// The server behind a link.
#[derive(Clone, Debug)]
pub(crate) enum Server {
    /// PostgreSQL at a Unix socket; its messages are understood.
    Postgres(PathBuf),
    /// Anything at a port.
    Port(SocketAddr),
}

/// What one direction of a link does to what passes. The default is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Toxics {
    /// Nothing passes and nobody is told: with both directions, connections are half-open.
    pub(crate) frozen: bool,
    /// Every piece is late by this.
    pub(crate) latency: Duration,
    /// And by something up to this.
    pub(crate) jitter: Duration,
    /// No faster than this.
    pub(crate) bytes_per_second: Option<u32>,
    /// In pieces no larger than this.
    pub(crate) slice: Option<usize>,
    /// The end of a connection is told so much later.
    pub(crate) slow_close: Duration,
}

impl Toxics {
    pub(crate) const FROZEN: Self = Self { frozen: true, ..Self::CLEAR };
    const CLEAR: Self = Self {
        frozen: false,
        latency: Duration::ZERO,
        jitter: Duration::ZERO,
        bytes_per_second: None,
        slice: None,
        slow_close: Duration::ZERO,
    };

    pub(crate) fn late(latency: Duration, jitter: Duration) -> Self {
        Self { latency, jitter, ..Self::CLEAR }
    }
}

/// The weather of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Weather {
    /// Nobody gets a connection.
    pub(crate) down: bool,
    /// On the way to the server.
    pub(crate) to_server: Toxics,
    /// On the way back.
    pub(crate) to_client: Toxics,
}

impl Weather {
    fn toxics(&self, sender: Sender) -> Toxics {
        match sender {
            Sender::Client => self.to_server,
            Sender::Server => self.to_client,
        }
    }
}

/// Faults that are still to strike once each.
#[derive(Debug, Default)]
struct Armed {
    commit_requests: u32,
    commit_replies: u32,
    tears: Vec<(Sender, usize)>,
}

#[derive(Debug)]
struct Inner {
    server: Server,
    weather: watch::Sender<Weather>,
    armed: Mutex<Armed>,
    open: Mutex<HashMap<u64, Arc<Connection>>>,
    lost_requests: AtomicU64,
    lost_replies: AtomicU64,
    chance: u64,
}

/// A connection through a link.
#[derive(Debug, Default)]
struct Connection {
    over: CancellationToken,
    reset: AtomicBool,
    loses_reply: AtomicBool,
    stuck: AtomicBool,
}

/// A link. It ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Link {
    /// Where the program connects to.
    pub(crate) address: SocketAddr,
    inner: Arc<Inner>,
    accepting: JoinHandle<()>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut(true);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Link {
    /// Opens a link at a port of this machine.
    pub(crate) async fn open(server: Server, chance: u64) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let inner = Arc::new(Inner {
            server,
            weather: watch::Sender::new(Weather::default()),
            armed: Mutex::default(),
            open: Mutex::default(),
            lost_requests: AtomicU64::new(0),
            lost_replies: AtomicU64::new(0),
            chance,
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&inner)));
        Ok(Self { address, inner, accepting })
    }

    /// Changes the weather. Going down also cuts what is there.
    pub(crate) fn set(&self, weather: Weather) {
        self.inner.weather.send_replace(weather);
        if weather.down {
            self.cut(true);
        }
    }

    /// Fair weather, and nothing more is to strike; what is stuck ends.
    pub(crate) fn clear(&self) {
        *locked(&self.inner.armed) = Armed::default();
        self.set(Weather::default());
        let open = locked(&self.inner.open);
        let stuck = open.values().filter(|it| it.stuck.load(Ordering::Relaxed));
        stuck.for_each(|connection| connection.cut(true));
    }

    /// Nothing passes any more on the connections that are open now, and nobody is told; new ones
    /// are well. So it looks when a firewall forgets what it let through.
    pub(crate) fn forget(&self) {
        for connection in locked(&self.inner.open).values() {
            connection.stuck.store(true, Ordering::Relaxed);
        }
    }

    /// Cuts every connection: with a reset, or with an end as of a program that went in order.
    pub(crate) fn cut(&self, reset: bool) {
        for connection in locked(&self.inner.open).values() {
            connection.cut(reset);
        }
    }

    /// The next so many COMMITs never reach the server.
    pub(crate) fn lose_commit_requests(&self, count: u32) {
        locked(&self.inner.armed).commit_requests = count;
    }

    /// The next so many COMMITs are carried out, and the client never hears of it.
    pub(crate) fn lose_commit_replies(&self, count: u32) {
        locked(&self.inner.armed).commit_replies = count;
    }

    /// The next piece of one direction is torn off after so many bytes, and its connection ends.
    pub(crate) fn tear(&self, sender: Sender, bytes: usize) {
        locked(&self.inner.armed).tears.push((sender, bytes));
    }

    /// COMMITs that were lost on the way there and on the way back.
    pub(crate) fn commits_lost(&self) -> (u64, u64) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (read(&self.inner.lost_requests), read(&self.inner.lost_replies))
    }
}

impl Connection {
    fn cut(&self, reset: bool) {
        self.reset.fetch_or(reset, Ordering::Relaxed);
        self.over.cancel();
    }
}

async fn accept(listener: TcpListener, link: Arc<Inner>) {
    let mut number = 0;
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        number += 1;
        if link.weather.borrow().down {
            let _ = client.set_zero_linger();
        } else {
            tokio::spawn(pass(Arc::clone(&link), client, number));
        }
    }
}

/// Passes on what both sides say, until one of them ends or the connection is cut.
async fn pass(link: Arc<Inner>, client: TcpStream, number: u64) {
    let _ = client.set_nodelay(true);
    let (from_server, to_server): (
        Box<dyn AsyncRead + Send + Unpin>,
        Box<dyn AsyncWrite + Send + Unpin>,
    ) = match &link.server {
        Server::Postgres(path) => {
            let Ok(stream) = UnixStream::connect(path).await else { return };
            let (from, to) = stream.into_split();
            (Box::new(from), Box::new(to))
        }
        Server::Port(address) => {
            let Ok(stream) = TcpStream::connect(address).await else { return };
            let _ = stream.set_nodelay(true);
            let (from, to) = stream.into_split();
            (Box::new(from), Box::new(to))
        }
    };
    let connection = Arc::new(Connection::default());
    locked(&link.open).insert(number, Arc::clone(&connection));
    let (mut from_client, mut to_client) = client.into_split();
    let direction = |sender: Sender| Direction {
        link: Arc::clone(&link),
        connection: Arc::clone(&connection),
        sender,
        reader: matches!(link.server, Server::Postgres(_)).then(|| Reader::new(sender)),
        chance: Chance::of(link.chance, number * 2 + u64::from(sender == Sender::Server)),
    };
    let (up, down) = (direction(Sender::Client), direction(Sender::Server));
    let both = async {
        let there = up.run(&mut from_client, to_server);
        let back = down.run(from_server, &mut to_client);
        tokio::join!(there, back);
    };
    tokio::select! {
        () = connection.over.cancelled() => {}
        () = both => {}
    }
    if connection.reset.load(Ordering::Relaxed) {
        let _ = to_client.as_ref().set_zero_linger();
    }
    locked(&link.open).remove(&number);
}

/// One direction of one connection.
struct Direction {
    link: Arc<Inner>,
    connection: Arc<Connection>,
    sender: Sender,
    reader: Option<Reader>,
    chance: Chance,
}

impl Direction {
    async fn run(
        mut self,
        mut from: impl AsyncRead + Send + Unpin,
        mut to: impl AsyncWrite + Send + Unpin,
    ) {
        let mut buffer = vec![0; PIECE];
        while let Ok(read) = from.read(&mut buffer).await {
            self.wait(read).await;
            if read == 0 {
                tokio::time::sleep(self.toxics().slow_close).await;
                let _ = to.shutdown().await;
                return;
            }
            let seen = self.reader.as_mut().and_then(|reader| reader.feed(&buffer[..read]));
            if seen.is_some_and(|seen| self.swallows(seen)) {
                break;
            }
            let torn = self.torn(read);
            if self.write(&mut to, &buffer[..torn.unwrap_or(read)]).await.is_err() {
                break;
            }
            if torn.is_some() {
                break;
            }
        }
        self.connection.cut(true);
    }

    fn toxics(&self) -> Toxics {
        self.link.weather.borrow().toxics(self.sender)
    }

    /// Waits as long as the weather wants a piece to wait.
    async fn wait(&mut self, bytes: usize) {
        let toxics = self.toxics();
        let jitter = u64::try_from(toxics.jitter.as_millis()).unwrap_or(u64::MAX - 1);
        let late = toxics.latency + self.chance.millis(0, jitter);
        if !late.is_zero() {
            tokio::time::sleep(late).await;
        }
        if let Some(speed) = toxics.bytes_per_second {
            let seconds = bytes as f64 / f64::from(speed);
            tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
        }
        let mut weather = self.link.weather.subscribe();
        let flows = |weather: &Weather| !weather.toxics(self.sender).frozen;
        let _ = weather.wait_for(flows).await;
        if self.connection.stuck.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }

    /// Whether a message is lost, and its connection with it.
    fn swallows(&self, seen: Seen) -> bool {
        let mut armed = locked(&self.link.armed);
        match seen {
            Seen::CommitAsked if strike(&mut armed.commit_requests) => {
                self.link.lost_requests.fetch_add(1, Ordering::Relaxed);
                true
            }
            Seen::CommitAsked => {
                let loses = strike(&mut armed.commit_replies);
                self.connection.loses_reply.store(loses, Ordering::Relaxed);
                false
            }
            Seen::Committed => {
                let lost = self.connection.loses_reply.load(Ordering::Relaxed);
                self.link.lost_replies.fetch_add(u64::from(lost), Ordering::Relaxed);
                lost
            }
        }
    }

    /// After how many bytes of a piece the connection ends, if it does.
    fn torn(&self, read: usize) -> Option<usize> {
        let tears = &mut locked(&self.link.armed).tears;
        let at = tears.iter().position(|(sender, _)| *sender == self.sender)?;
        Some(tears.remove(at).1.min(read - 1))
    }

    async fn write(
        &self,
        to: &mut (impl AsyncWrite + Send + Unpin),
        bytes: &[u8],
    ) -> io::Result<()> {
        let Some(slice) = self.toxics().slice else { return to.write_all(bytes).await };
        for piece in bytes.chunks(slice.max(1)) {
            to.write_all(piece).await?;
            tokio::time::sleep(SLICE_PAUSE).await;
        }
        Ok(())
    }
}

fn strike(left: &mut u32) -> bool {
    let strikes = *left > 0;
    *left -= u32::from(strikes);
    strikes
}
