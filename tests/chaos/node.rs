//! A node that is wrong on purpose: the library's own node in a process of this binary, without a
//! part of its protocol. It shows that the part is needed, and that its lack is seen.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use meridian::clock::Clock;
use meridian::config::{Cli, Command, NodeArgs};
use meridian::node::{Node, NodeConfig, World};
use meridian::privacy::keys::Keys;
use meridian::store::StoreConfig;
use meridian::webhooks::guard::Reach;
use meridian_regions::Registry;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// What is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// A step is written whoever holds the order by then.
    NoFence,
    /// Every try of a step has a key of its own.
    FreshKeys,
}

impl Mutation {
    pub(crate) const ALL: [Self; 2] = [Self::NoFence, Self::FreshKeys];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NoFence => "no_fence",
            Self::FreshKeys => "fresh_keys",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }

    /// Invariants of which at least one has to be seen broken.
    pub(crate) fn breaks(self) -> &'static [&'static str] {
        match self {
            Self::NoFence => &["I1", "I6"],
            Self::FreshKeys => &["I2"],
        }
    }

    /// This binary as such a node; the program's own arguments follow.
    pub(crate) fn program(self) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(std::env::current_exe().unwrap());
        command.args(["node", self.name()]).stdin(std::process::Stdio::null());
        command
    }
}

/// Runs such a node until it is told to go.
pub(crate) async fn run(mutation: Mutation, args: impl Iterator<Item = String>) -> ExitCode {
    let cli = Cli::parse_from(std::iter::once("meridian".to_owned()).chain(args));
    let (args, listen, work) = match cli.command {
        Command::Serve(it) => (it.node, it.listen, !it.no_work),
        Command::Work(it) => (it.node, it.listen, true),
        _ => panic!("only nodes are played here"),
    };
    let (world, config) = prepare(&args, work);
    let listener = TcpListener::bind(listen).await.unwrap();
    let started = Node::start(&world, config, listener).await;
    let node = match started {
        Ok(node) => node,
        Err(error) => {
            eprintln!("not started: {error}");
            return ExitCode::FAILURE;
        }
    };
    let faults = node.api.store.faults();
    match mutation {
        Mutation::NoFence => faults.drop_fence(),
        Mutation::FreshKeys => faults.fresh_keys(),
    }
    println!("listening on http://{}", node.address);
    signal(SignalKind::terminate()).unwrap().recv().await;
    node.stop().await;
    ExitCode::SUCCESS
}

fn prepare(args: &NodeArgs, work: bool) -> (World, NodeConfig) {
    let registry = Registry::embedded().unwrap();
    let region = registry.by_name(&args.region).unwrap();
    let (profile, seed) = (args.schedule.profile, args.schedule.seed);
    let world = World::build(registry, profile, seed, Clock::default()).unwrap();
    let keys = Keys::load(&args.keys, registry, region).unwrap();
    let mut store = StoreConfig::new(args.database.url.clone());
    store.connections_max = args.connections.map_or(store.connections_max, Into::into);
    let config = NodeConfig {
        work,
        lease: Duration::from_millis(args.lease_ms),
        callbacks: args.callback_url.clone().unwrap(),
        reach: Reach::Anywhere,
        ..NodeConfig::new(region, store, keys, &args.payments_url)
    };
    (world, config)
}
