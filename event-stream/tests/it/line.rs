//! The line between clients and a broker, which can be cut, and can lose what the broker says.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A line to a port of this machine. It goes when it is dropped.
pub(crate) struct Line {
    port: u16,
    to: watch::Sender<Option<u16>>,
    deaf: Arc<AtomicBool>,
}

impl Line {
    /// A line that leads nowhere yet.
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (to, mut leads_to) = watch::channel(None);
        let deaf = Arc::new(AtomicBool::new(false));
        let (ours, line) = (Arc::clone(&deaf), Self { port, to, deaf });
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    gone = leads_to.changed() => if gone.is_err() { return },
                    Ok((client, _)) = listener.accept() => {
                        let (leads_to, deaf) = (leads_to.clone(), Arc::clone(&ours));
                        tokio::spawn(carry(client, leads_to, deaf));
                    }
                }
            }
        });
        line
    }

    /// Where clients come.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Lets clients through.
    pub(crate) fn join(&self, broker: u16) {
        self.deaf.store(false, Ordering::Relaxed);
        self.to.send_replace(Some(broker));
    }

    /// Cuts every connection, and every later one at once.
    pub(crate) fn cut(&self) {
        self.to.send_replace(None);
    }

    /// The broker still hears, and is not heard.
    pub(crate) fn lose_answers(&self) {
        self.deaf.store(true, Ordering::Relaxed);
    }
}

async fn carry(client: TcpStream, mut to: watch::Receiver<Option<u16>>, deaf: Arc<AtomicBool>) {
    let Some(port) = *to.borrow_and_update() else { return };
    let Ok(broker) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else { return };
    let ((from_client, to_client), (from_broker, to_broker)) =
        (client.into_split(), broker.into_split());
    let never = Arc::new(AtomicBool::new(false));
    tokio::select! {
        () = copy(from_client, to_broker, never) => {}
        () = copy(from_broker, to_client, deaf) => {}
        _ = to.changed() => {}
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, lost: Arc<AtomicBool>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if !lost.load(Ordering::Relaxed) && to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
