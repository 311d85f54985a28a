//! The processes of the house, each with a keeper that starts it again whatever ends it, with links
//! of its own to the database and to other companies, and with its counters written down before
//! they die with it.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Client;
use rustix::process::Signal;
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::time::Sleep;

use crate::figures::{Figures, locked};
use crate::process::Running;
use crate::proxy::Link;

/// Pause before a process is started again that ended by itself: it could not start.
const PAUSE: Duration = Duration::from_millis(200);
/// Longest that a node may take to tell its counters.
const SCRAPE_PATIENCE: Duration = Duration::from_millis(300);

/// What a keeper is told.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    /// SIGKILL, and a start after a while.
    Kill(Duration),
    /// SIGSTOP, and SIGCONT after a while.
    Freeze(Duration),
    /// SIGTERM; it has to go in order.
    End,
}

/// What a process counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counted {
    /// Steps that the epoch stopped.
    pub(crate) fenced: u64,
    /// COMMITs whose outcome was not known.
    pub(crate) ambiguous: u64,
}

/// A process of the house.
pub(crate) struct Process {
    pub(crate) name: String,
    pub(crate) region: &'static str,
    /// Whether people ask it.
    pub(crate) serves: bool,
    pub(crate) address: SocketAddr,
    /// Its way to the database.
    pub(crate) database: Link,
    /// Its way to other companies.
    pub(crate) suppliers: Link,
    pub(crate) up: AtomicBool,
    counted: Mutex<Counted>,
    orders: mpsc::UnboundedSender<Order>,
}

impl Process {
    /// A process, and the orders for its keeper.
    pub(crate) fn new(
        name: String,
        region: &'static str,
        serves: bool,
        address: SocketAddr,
        (database, suppliers): (Link, Link),
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<Order>) {
        let (orders, received) = mpsc::unbounded_channel();
        let (up, counted) = (AtomicBool::new(false), Mutex::default());
        let process =
            Self { name, region, serves, address, database, suppliers, up, counted, orders };
        (Arc::new(process), received)
    }

    pub(crate) fn order(&self, order: Order) {
        let _ = self.orders.send(order);
    }

    pub(crate) fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    /// What it counted in this life, as far as it told.
    pub(crate) fn counted(&self) -> Counted {
        *locked(&self.counted)
    }

    /// Asks it for its counters; what it does not tell keeps its last value.
    pub(crate) async fn scrape(&self, http: &Client) {
        let url = format!("http://{}/metrics", self.address);
        let Ok(answer) = http.get(url).timeout(SCRAPE_PATIENCE).send().await else { return };
        let Ok(text) = answer.text().await else { return };
        let sum = |name: &str, label: &str| {
            let lines = text.lines().filter(|it| it.starts_with(name) && it.contains(label));
            let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
            values.sum::<f64>() as u64
        };
        *locked(&self.counted) = Counted {
            fenced: sum("meridian_saga_fenced_total", ""),
            ambiguous: sum("meridian_db_txn_retries_total", "reason=\"unknown_outcome\""),
        };
    }
}

/// Keeps a process running until it is told to end.
pub(crate) struct Keeper {
    pub(crate) process: Arc<Process>,
    pub(crate) orders: mpsc::UnboundedReceiver<Order>,
    pub(crate) command: Box<dyn Fn() -> Command + Send + Sync>,
    pub(crate) log: PathBuf,
    pub(crate) figures: Arc<Figures>,
    pub(crate) http: Client,
}

/// How a life ended.
enum End {
    /// To be followed by another after a pause.
    Again(Duration),
    /// For good.
    Over,
}

impl Keeper {
    pub(crate) async fn keep(mut self) {
        while let End::Again(mut pause) = self.one_life().await {
            let counted = std::mem::take(&mut *locked(&self.process.counted));
            self.figures.bury(counted);
            // A process that is not there can only be told to end.
            while let Ok(order) = tokio::time::timeout(pause, self.orders.recv()).await {
                match order {
                    None | Some(Order::End) => return,
                    Some(_) => pause = PAUSE,
                }
            }
        }
        self.figures.bury(std::mem::take(&mut *locked(&self.process.counted)));
    }

    async fn one_life(&mut self) -> End {
        let log = File::options().create(true).append(true).open(&self.log).unwrap();
        let mut running = Running::spawn((self.command)(), log);
        let mut ready = Box::pin(running.ready("listening on "));
        let mut asked = false;
        let mut thaw: Option<std::pin::Pin<Box<Sleep>>> = None;
        let end = loop {
            tokio::select! {
                said = &mut ready, if !asked => {
                    asked = true;
                    self.process.up.store(said.is_some(), Ordering::Relaxed);
                }
                status = running.child.wait() => {
                    if self.process.is_up() {
                        let name = &self.process.name;
                        self.figures.wrong("processes", format!("{name} ended: {status:?}"));
                    }
                    break End::Again(PAUSE);
                }
                order = self.orders.recv() => match order {
                    None | Some(Order::End) => {
                        running.signal(Signal::CONT);
                        self.process.scrape(&self.http).await;
                        running.end().await;
                        break End::Over;
                    }
                    Some(Order::Kill(pause)) => {
                        self.process.scrape(&self.http).await;
                        running.child.start_kill().unwrap();
                        running.child.wait().await.unwrap();
                        Figures::count(&self.figures.kills);
                        break End::Again(pause);
                    }
                    Some(Order::Freeze(pause)) => {
                        running.signal(Signal::STOP);
                        Figures::count(&self.figures.freezes);
                        thaw = Some(Box::pin(tokio::time::sleep(pause)));
                    }
                },
                () = async { thaw.as_mut().expect("it is frozen").await }, if thaw.is_some() => {
                    running.signal(Signal::CONT);
                    thaw = None;
                }
            }
        };
        self.process.up.store(false, Ordering::Relaxed);
        end
    }
}
