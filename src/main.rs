//! The command line: one function a subcommand, each only wiring rooms together.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use meridian::catalogue::{Catalogue, Schedule};
use meridian::clock::{Clock, Deadline};
use meridian::config::{
    Audit, AuditWhat, CatalogueArgs, Cli, Command, Demo, KafkaArgs, KeysArgs, Migrate, NodeArgs,
    Password, PeerDoor, Regions, SandboxArgs, Seats, SeatsAction, Serve, Work, redirect,
};
use meridian::demo::house::House;
use meridian::demo::tour::{Seen, tour};
use meridian::domain::staff::Role;
use meridian::http::peer::Peering;
use meridian::http::peer::tls::Files;
use meridian::node::{Node, NodeConfig, World};
use meridian::places::PlaceIndex;
use meridian::privacy::keys::{self, Keys, Rotated};
use meridian::privacy::rights::journal::Journal;
use meridian::relay::EventSink;
use meridian::relay::kafka::{self, Kafka};
use meridian::store::crash::Death;
use meridian::store::{Store, StoreConfig, migrate as migrations};
use meridian::suppliers::sandbox::Sandbox;
use meridian::telemetry;
use meridian::webhooks::guard::Reach;
use meridian_event_stream::{Login, Security, StreamConfig};
use meridian_regions::Registry;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// `meridian audit …`.
#[path = "main/audit.rs"]
mod audit;
/// `meridian privacy …`.
#[path = "main/privacy.rs"]
mod privacy;
/// `meridian regions …`.
#[path = "main/regions.rs"]
mod regions;
/// `meridian staff …`.
#[path = "main/staff.rs"]
mod staff;

/// Every request makes a few hundred small values; the system's allocator is the slower home for
/// them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Longest that a flight's days may take to be told of another limit.
const OVERSELL_PATIENCE: Duration = Duration::from_secs(60);
/// A check found something wrong.
const FOUND: u8 = 2;
/// The next step is another tool's.
const YOURS: u8 = 3;
/// Wrong usage, as in sysexits.h.
const USAGE: u8 = 64;

type Outcome = Result<ExitCode, String>;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers, everything else is wrong usage.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let filter = if matches!(cli.command, Command::Demo(_)) { "warn" } else { "info" };
    telemetry::init(cli.log_format, filter, std::io::stderr);
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        eprintln!("meridian: another TLS provider was there first");
        return ExitCode::FAILURE;
    }
    telemetry::metrics::handle();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(run(cli)),
        Err(error) => Err(format!("no threads could be had: {error}")),
    };
    outcome.unwrap_or_else(|reason| {
        eprintln!("meridian: {reason}");
        ExitCode::FAILURE
    })
}

async fn run(cli: Cli) -> Outcome {
    // An auditor has a bundle and keys, and no files of regions.
    if let Command::Audit(Audit { what: AuditWhat::Verify { bundle, keys, json } }) = &cli.command {
        return audit::check(bundle, keys, *json);
    }
    let registry = match (cli.registry(), &cli.command) {
        (Ok(registry), _) => registry,
        (Err(broken), Command::Regions(_)) => return Ok(refused(&broken)),
        (Err(broken), _) => return Err(broken.to_string()),
    };
    match cli.command {
        Command::Demo(demo) => run_demo(registry, demo).await,
        Command::Serve(serve) => run_serve(registry, serve).await,
        Command::Work(work) => run_work(registry, work).await,
        Command::Geodns(geodns) => geodns.run(cli.regions_dir.as_deref()).await,
        Command::Migrate(migrate) => run_migrate(registry, migrate).await,
        Command::Regions(Regions { action }) => {
            regions::run(registry, cli.regions_dir.as_deref(), action).await
        }
        Command::Audit(it) => audit::run(registry, it).await,
        Command::Privacy(it) => privacy::run(registry, it).await,
        Command::Staff(it) => staff::run(registry, it).await,
        Command::Seats(seats) => run_seats(seats).await,
        Command::Catalogue(catalogue) => run_catalogue(&catalogue),
        Command::Sandbox(sandbox) => run_sandbox(sandbox).await,
        Command::Keys(args) => run_keys(registry, &args),
        Command::Openapi => print_json(&meridian::http::openapi()),
    }
}

/// Region files that break a rule: a finding, not a failure.
fn refused(broken: &meridian_regions::Broken) -> ExitCode {
    eprintln!("{broken}");
    ExitCode::from(FOUND)
}

fn text(error: impl std::error::Error) -> String {
    telemetry::chain(&error)
}

/// A reader that has gone (`meridian … | head`) is no failure of ours.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn print_json(value: &impl serde::Serialize) -> Outcome {
    say(&serde_json::to_string(value).map_err(text)?);
    Ok(ExitCode::SUCCESS)
}

/// Ctrl-C, or the signal that service managers send.
async fn good_bye() -> Result<(), String> {
    let mut terminate = signal(SignalKind::terminate()).map_err(text)?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(text),
        _ = terminate.recv() => Ok(()),
    }
}

async fn run_demo(registry: Registry, demo: Demo) -> Outcome {
    let (only_tour, json) = (demo.tour, demo.json);
    // From the first moment on, a signal ends in an orderly stop.
    let mut interrupted = std::pin::pin!(good_bye());
    let starting = House::start(registry, &demo);
    let house = tokio::select! {
        house = starting => house.map_err(text)?,
        _ = &mut interrupted => return Ok(ExitCode::FAILURE),
    };
    if !json {
        introduce(&house).await?;
    }
    let seen = tokio::select! {
        seen = tour(&house) => seen,
        _ = &mut interrupted => {
            house.stop().await;
            return Ok(ExitCode::FAILURE);
        }
    };
    let outcome = match seen {
        Err(broken) => Err(format!("the tour broke a promise: {broken}")),
        Ok(seen) if json => print_json(&seen),
        Ok(seen) => {
            recount(&seen);
            Ok(ExitCode::SUCCESS)
        }
    };
    if !only_tour && outcome.is_ok() {
        say("\nThe house stays up. Ctrl-C ends it and leaves nothing running.");
        interrupted.await?;
    }
    house.stop().await;
    outcome
}

async fn introduce(house: &House) -> Result<(), String> {
    if let Some(postgres) = &house.postgres {
        say(&format!("database   {} (embedded, private socket)", postgres.describe()));
    }
    say("\nOpen a region in a browser, or ask it:");
    for region in house.registry.with_rows() {
        say(&format!("  {:<13} {}   {}", region.name, region.endpoints.api, region.place));
    }
    let dns = house.dns.local_addr();
    say("\nAsk GeoDNS as somebody in Berlin, New York and Singapore:");
    for (host, subnet) in
        [("api", "53.128.0.0/24"), ("api", "29.128.0.0/24"), ("api", "18.141.0.0/24")]
    {
        let (ip, port) = (dns.ip(), dns.port());
        say(&format!("  dig @{ip} -p {port} {host}.meridian.example +short +subnet={subnet}"));
    }
    say("\nLook where everybody's rows are, as whoever looks after the law; a token for today:");
    for node in &house.nodes {
        let desk = &node.api.desk;
        let (_, token) = desk.grant(Role::Compliance, "the demo", 1).await.map_err(text)?;
        let url = &node.api.region.endpoints.api;
        say(&format!("  {:<13} {url}/console   {token}", node.api.region.name));
    }
    say("\nThe tour:");
    Ok(())
}

fn recount(seen: &Seen) {
    for line in &seen.story {
        say(&format!("  {line}"));
    }
    let cities: Vec<String> =
        seen.dns.iter().map(|(city, region)| format!("{city} {region}")).collect();
    say(&format!("\nNearest region of {} cities: {}", cities.len(), cities.join(", ")));
    say("\nWhere the rows are:");
    for (table, rows) in seen.rows.iter().filter(|(_, rows)| !rows.is_empty()) {
        let rows: Vec<String> = rows.iter().map(|(region, n)| format!("{region} {n}")).collect();
        say(&format!("  {table:<18} {}", rows.join(", ")));
    }
    say(&format!("  misplaced rows     {}", seen.violations));
}

async fn world_and_config(
    registry: Registry,
    args: &NodeArgs,
) -> Result<(World, NodeConfig), String> {
    let registry = redirect(registry, &args.region_urls)?;
    let region = registry.by_name(&args.region).ok_or_else(|| {
        let names: Vec<String> = registry.all().map(|region| region.name.clone()).collect();
        format!("{} is no region; there are {}", args.region, names.join(", "))
    })?;
    let sink = event_sink(&args.kafka, &args.region)?;
    let (profile, seed) = (args.schedule.profile, args.schedule.seed);
    let build = move || World::build(registry, profile, seed, Clock::default());
    let world = tokio::task::spawn_blocking(build).await.map_err(text)?.map_err(text)?;
    let keys = Keys::load(&args.keys, registry, region).map_err(text)?;
    let mut store = StoreConfig::new(args.database.url.clone());
    store.connections_max = args.connections.map_or(store.connections_max, Into::into);
    let journal = args.erasures.as_deref().map(|dir| Journal::open(dir, region));
    let config = NodeConfig {
        journal: journal.transpose().map_err(text)?,
        sink,
        payments: args.payments_url.clone(),
        airline: args.airline_url.clone(),
        callbacks: args.callback_url.clone().unwrap_or_else(|| region.endpoints.api.clone()),
        lease: Duration::from_millis(args.lease_ms),
        reach: if args.webhooks_anywhere { Reach::Anywhere } else { Reach::World },
        crash_at: args.crash_at.clone().map(|point| (point, Death::Process)),
        page_origins: args.page_origins.iter().map(|origin| origin.0.clone()).collect(),
        ..NodeConfig::new(region, store, keys, "")
    };
    Ok((world, config))
}

fn event_sink(args: &KafkaArgs, region: &str) -> Result<Option<Arc<dyn EventSink>>, String> {
    let Some(brokers) = args.brokers.clone() else { return Ok(None) };
    let login = args.user.clone().zip(args.password.clone());
    let login = login.map(|(user, Password(password))| Login { user, password });
    let security = match args.tls {
        true => Security::Tls { ca: args.ca.clone(), login },
        false => Security::Plain,
    };
    let kafka = Kafka::open(&StreamConfig {
        brokers,
        topic_prefix: args.topic_prefix.clone(),
        client_id: format!("meridian-{region}"),
        publish_within: kafka::PUBLISH_WITHIN,
        security,
    });
    let kafka = kafka.map_err(|error| format!("the event stream of --kafka-brokers: {error}"))?;
    Ok(Some(Arc::new(kafka)))
}

async fn listen(address: std::net::SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|error| {
        format!("cannot listen on {address}: {error}; choose another with --listen")
    })
}

async fn serve_until_good_bye(
    registry: Registry,
    args: &NodeArgs,
    listener: TcpListener,
    (work, peering): (bool, Option<Peering>),
    drain: Duration,
) -> Outcome {
    let (world, config) = world_and_config(registry, args).await?;
    let config = NodeConfig { work, peering, ..config };
    let node = Node::start(&world, config, listener).await.map_err(text)?;
    tracing::info!(region = %node.api.region, address = %node.address, "the node is ready");
    say(&format!("listening on http://{}", node.address));
    good_bye().await?;
    node.drain();
    tokio::time::sleep(drain).await;
    node.stop().await;
    Ok(ExitCode::SUCCESS)
}

async fn run_serve(registry: Registry, serve: Serve) -> Outcome {
    let listener = listen(serve.listen).await?;
    let registry = serve.peer.redirect(registry)?;
    let peering = serve.peer.door().map(peering).transpose()?;
    let how = (!serve.no_work, peering);
    let drain = Duration::from_secs(serve.drain_seconds);
    serve_until_good_bye(registry, &serve.node, listener, how, drain).await
}

fn peering(door: PeerDoor) -> Result<Peering, String> {
    let PeerDoor { listen, cert, key, ca } = door;
    let listener = std::net::TcpListener::bind(listen).map_err(|error| {
        format!("cannot listen on {listen}: {error}; choose another with --peer-listen")
    })?;
    Ok(Peering::new(listener, Files { cert, key, ca }))
}

async fn run_work(registry: Registry, work: Work) -> Outcome {
    let listener = listen(work.listen).await?;
    serve_until_good_bye(registry, &work.node, listener, (true, None), Duration::ZERO).await
}

async fn run_migrate(registry: Registry, migrate: Migrate) -> Outcome {
    let report = migrations::migrate(&migrate.database.url, &registry).await.map_err(text)?;
    if migrate.json {
        return print_json(&report);
    }
    say(&format!(
        "{}: {} migrations and {} region statements applied",
        report.engine,
        report.applied.len(),
        report.regions.len(),
    ));
    Ok(ExitCode::SUCCESS)
}

async fn run_seats(seats: Seats) -> Outcome {
    let (SeatsAction::Oversell { database, .. } | SeatsAction::Limits { database }) = &seats.action;
    let store = Store::open(&StoreConfig::new(database.url.clone())).await.map_err(text)?;
    match seats.action {
        SeatsAction::Oversell { flight, percent, .. } => {
            let deadline = Deadline::after(OVERSELL_PATIENCE);
            let touched = store.oversell(deadline, flight, percent).await.map_err(text)?;
            say(&format!("{flight}: so from now on, and on {touched} days and cabins on sale"));
        }
        SeatsAction::Limits { .. } => {
            for (flight, percent) in store.oversell_limits().await.map_err(text)? {
                say(&format!("{flight} {percent} %"));
            }
        }
    }
    store.close();
    Ok(ExitCode::SUCCESS)
}

fn run_catalogue(args: &CatalogueArgs) -> Outcome {
    let catalogue = Arc::new(Catalogue::load().map_err(text)?);
    if let Some(typed) = &args.place {
        let index = PlaceIndex::build(&catalogue);
        return print_json(&index.complete(typed, 10));
    }
    let schedule = Schedule::generate(&catalogue, args.schedule.profile, args.schedule.seed);
    let weekly: u32 = schedule.patterns.iter().map(|pattern| pattern.days.count_ones()).sum();
    print_json(&serde_json::json!({
        "airports": catalogue.airports.len(),
        "cities": catalogue.cities.len(),
        "routes": catalogue.routes.len(),
        "rates_of": catalogue.rates_of,
        "profile": schedule.profile.name(),
        "seed": schedule.seed,
        "fingerprint": format!("{:08x}", schedule.fingerprint),
        "routes_flown": schedule.routes.len(),
        "patterns": schedule.patterns.len(),
        "flights_per_day": weekly / 7,
        "synthetic": true,
    }))
}

fn run_keys(registry: Registry, KeysArgs { dir, rotate }: &KeysArgs) -> Outcome {
    let Some(name) = rotate else {
        Keys::make(dir, registry.all()).map_err(text)?;
        return Ok(ExitCode::SUCCESS);
    };
    let region = registry.by_name(name).ok_or_else(|| format!("{name} is no region"))?;
    say(&match keys::rotate(dir, region).map_err(text)? {
        Rotated::Made(next) => {
            format!("{} is made; give it to every node of {region}, then ask again", next.display())
        }
        Rotated::Swapped(old) => format!(
            "the next key of {region} wraps from now on; give every node region-{region}.key and \
             {}, then run `meridian privacy rewrap --region {region}`; when it fails for nobody, \
             that file may be destroyed",
            old.display()
        ),
    });
    Ok(ExitCode::SUCCESS)
}

async fn run_sandbox(args: SandboxArgs) -> Outcome {
    let listener = listen(args.listen).await?;
    let address = listener.local_addr().map_err(text)?;
    let hold = Duration::from_secs(args.hold_seconds);
    let secrets = args.keys.as_deref().map(keys::callbacks).transpose().map_err(text)?;
    let seed = args.fault_seed.unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0);
    let sandbox = Sandbox::new(Clock::default(), hold, secrets.unwrap_or_default(), seed);
    if !args.faults.is_empty() {
        say(&format!("calls go wrong as drawn from --fault-seed {seed}"));
    }
    for fault in args.faults {
        sandbox.plan(fault);
    }
    if std::io::stdout().is_terminal() {
        say("A sandbox of other companies: nothing here is real, and it forgets when it ends.");
    }
    say(&format!("listening on http://{address}"));
    let stop = async { drop(good_bye().await) };
    sandbox.serve(listener, stop).await.map_err(text)?;
    Ok(ExitCode::SUCCESS)
}
