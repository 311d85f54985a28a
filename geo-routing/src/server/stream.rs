//! Questions on a stream (RFC 7766): TCP, and the inside of TLS. Each is two bytes of length and a
//! message; what has come in one piece is answered in one piece.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::control::Shared;
use crate::answer::Transport;

/// Open connections of one listener at once; the next one waits until one of them ends.
pub(super) const CONNECTIONS_MAX: usize = 2048;

/// How long a client may take to ask, or refuse to read.
const CONNECTION_IDLE: Duration = Duration::from_secs(10);
/// The same while most connections are taken: the silent make room.
const CONNECTION_IDLE_BUSY: Duration = Duration::from_secs(1);

/// How long a client may refuse a good-bye.
const GOOD_BYE: Duration = Duration::from_secs(1);

/// Bytes that are read at once: many questions, or one of the largest after some turns.
const READ_BYTES: usize = 8192;
/// Bytes of answers that are gathered before they are written.
const WRITE_BYTES: usize = 16_384;
/// Bytes of the length in front of a message.
const LENGTH_BYTES: usize = 2;

/// Pause after a socket error, so that a lasting one does not burn a core.
const SOCKET_ERROR_PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections and hands each one with its place to `each`, until dropped.
pub(super) async fn accept<F>(
    listener: TcpListener,
    each: impl Fn(TcpStream, IpAddr, Arc<Semaphore>) -> F,
) where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let slot = Arc::clone(&slots).acquire_owned().await;
        let slot = slot.expect("the semaphore is never closed");
        match listener.accept().await {
            Ok((stream, client)) => {
                let _ = stream.set_nodelay(true);
                let conversation = each(stream, client.ip(), Arc::clone(&slots));
                connections.spawn(async move {
                    // How a client leaves is its own business.
                    let _ = conversation.await;
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(kind = ?error.kind(), "a connection could not be accepted");
                tokio::time::sleep(SOCKET_ERROR_PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

/// How long a client may be silent now.
pub(super) fn patience(slots: &Semaphore) -> Duration {
    let busy = slots.available_permits() < CONNECTIONS_MAX / 4;
    if busy { CONNECTION_IDLE_BUSY } else { CONNECTION_IDLE }
}

/// Answers the questions of one connection, until it ends, falls silent or says nonsense; says
/// good-bye in each case, as TLS wants (RFC 8446, 6.1).
pub(super) async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    client: IpAddr,
    transport: Transport,
    shared: Arc<Shared>,
    slots: Arc<Semaphore>,
) -> io::Result<()> {
    let outcome = answers(&mut stream, client, transport, &shared, &slots).await;
    timeout(GOOD_BYE, stream.shutdown()).await??;
    outcome
}

async fn answers<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    client: IpAddr,
    transport: Transport,
    shared: &Shared,
    slots: &Semaphore,
) -> io::Result<()> {
    let mut unread = Vec::with_capacity(READ_BYTES);
    let mut answers = Vec::with_capacity(WRITE_BYTES);
    loop {
        // A question has to be whole in time; a byte now and then does not keep a connection.
        let whole = async {
            while first(&unread).is_none() {
                unread.reserve(READ_BYTES);
                if stream.read_buf(&mut unread).await? == 0 {
                    return Ok(false);
                }
            }
            io::Result::Ok(true)
        };
        if !timeout(patience(slots), whole).await?? {
            return Ok(());
        }
        let mut done = 0;
        let mut silent = false;
        while let Some(question) = first(&unread[done..]) {
            done += LENGTH_BYTES + question.len();
            let at = answers.len();
            answers.extend([0; LENGTH_BYTES]);
            if !shared.answer(question, client, transport, &mut answers) {
                answers.truncate(at);
                silent = true;
                break;
            }
            let length = answers.len() - at - LENGTH_BYTES;
            let length = u16::try_from(length).expect("an answer fits its length field");
            answers[at..at + LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
            if answers.len() >= WRITE_BYTES {
                timeout(CONNECTION_IDLE, stream.write_all(&answers)).await??;
                answers.clear();
            }
        }
        unread.drain(..done);
        timeout(CONNECTION_IDLE, stream.write_all(&answers)).await??;
        timeout(CONNECTION_IDLE, stream.flush()).await??;
        answers.clear();
        if silent {
            return Ok(());
        }
    }
}

/// The first whole message of what was read.
fn first(unread: &[u8]) -> Option<&[u8]> {
    let (length, rest) = unread.split_first_chunk::<LENGTH_BYTES>()?;
    rest.get(..usize::from(u16::from_be_bytes(*length)))
}
