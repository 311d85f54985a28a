//! The command line and the environment: what a person may set, with words for each.

mod audit;
mod kafka;
mod peer;
mod privacy;
mod seats;
mod staff;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use meridian_regions::Registry;

use crate::catalogue::Profile;
use crate::store::DatabaseUrl;
use crate::store::crash::CrashPoint;
use crate::suppliers::sandbox::faults::Fault;
use crate::telemetry::LogFormat;

pub use audit::{Audit, AuditRun, AuditWhat};
pub use kafka::{KafkaArgs, Password};
pub use peer::{PeerArgs, PeerDoor, RegionUrl, redirect};
pub use privacy::{Privacy, PrivacyAction, RecordsFormat, Subject, Switch};
pub use seats::{Seats, SeatsAction};
pub use staff::{Staff, StaffAction, StaffPlace};

/// What an exit code means, for `--help`.
const EXIT_CODES: &str = "Exit codes: 0 done, 1 could not be done (the reason is on standard \
                          error), 2 a check found something wrong, 3 the next step is another \
                          tool's, 64 wrong usage.";

/// What a page's origin looks like.
const ORIGIN_WANTED: &str =
    "write an origin as browsers do: https://, a name in small letters, no path, no usual port";

/// Flight search and booking over many regions, with proof of where every row is.
#[derive(Debug, Parser)]
#[command(name = "meridian", version, about, after_help = EXIT_CODES)]
pub struct Cli {
    /// How log lines look on standard error: text or json.
    #[arg(long, global = true, env = "MERIDIAN_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,
    /// A directory laid out like regions/, instead of the regions this build was made with.
    #[arg(long, global = true, env = "MERIDIAN_REGIONS_DIR")]
    pub regions_dir: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the whole house on this machine: database, four regions, GeoDNS, suppliers, a tour.
    #[command(after_help = EXIT_CODES)]
    Demo(Demo),
    /// Serve one region's API, and drive its orders.
    #[command(after_help = EXIT_CODES)]
    Serve(Serve),
    /// Drive one region's orders without serving an API.
    #[command(after_help = EXIT_CODES)]
    Work(Work),
    /// Answer DNS: every name to the nearest healthy region that the law allows.
    #[command(after_help = EXIT_CODES)]
    Geodns(meridian_geo_routing::Cli),
    /// Bring a database to this build's schema and to the list of regions. Run it once per release.
    #[command(after_help = EXIT_CODES)]
    Migrate(Migrate),
    /// Look at the regions and check their files.
    #[command(after_help = EXIT_CODES)]
    Regions(Regions),
    /// Show where every row is, and everything that is where it must not be; prove it, check it.
    #[command(after_help = EXIT_CODES)]
    Audit(Audit),
    /// Carry out what travellers ask under the law.
    #[command(after_help = EXIT_CODES)]
    Privacy(Privacy),
    /// Say who of the house may look at what.
    #[command(after_help = EXIT_CODES)]
    Staff(Staff),
    /// Say by how much a flight may be oversold.
    #[command(after_help = EXIT_CODES)]
    Seats(Seats),
    /// Look at the catalogue and the schedule that is generated from it.
    #[command(after_help = EXIT_CODES)]
    Catalogue(CatalogueArgs),
    /// Run a sandbox of the payment provider and the airlines.
    #[command(after_help = EXIT_CODES)]
    Sandbox(SandboxArgs),
    /// Make the keys that nodes need; existing ones stay. Rotate a region's.
    #[command(after_help = EXIT_CODES)]
    Keys(KeysArgs),
    /// Print the API's description (OpenAPI 3.1).
    #[command(after_help = EXIT_CODES)]
    Openapi,
}

/// Which database.
#[derive(Clone, Debug, Args)]
pub struct Database {
    /// PostgreSQL 15-18 or CockroachDB 24.1 or newer:
    /// postgresql://user:password@host:port/database.
    #[arg(long = "database-url", env = "MERIDIAN_DATABASE_URL", hide_env_values = true)]
    pub url: DatabaseUrl,
}

/// Which schedule.
#[derive(Clone, Debug, Args)]
pub struct ScheduleArgs {
    /// How much of the world is flown: tiny (30 airports), demo (250), world (all).
    #[arg(long, env = "MERIDIAN_PROFILE", default_value = "demo")]
    pub profile: Profile,
    /// Seed of the generated schedule; every node of a database needs the same.
    #[arg(long, env = "MERIDIAN_SEED", default_value_t = 1)]
    pub seed: u64,
}

/// The whole house on this machine.
#[derive(Clone, Debug, Args)]
pub struct Demo {
    /// Make the tour and end, instead of staying up after it.
    #[arg(long)]
    pub tour: bool,
    /// End with one JSON line of what the tour saw.
    #[arg(long, requires = "tour")]
    pub json: bool,
    /// Keep nothing: a fresh database in memory where the machine allows, deleted at the end.
    #[arg(long, conflicts_with = "state_dir")]
    pub ephemeral: bool,
    /// Where the database and the keys are kept [default: the state directory of this user].
    #[arg(long, env = "MERIDIAN_STATE_DIR")]
    pub state_dir: Option<PathBuf>,
    /// Another database instead of the embedded one; it is migrated first.
    #[arg(long, env = "MERIDIAN_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<DatabaseUrl>,
    /// Port of the regions' APIs; 0 takes a free one.
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// Port of GeoDNS; 0 takes a free one.
    #[arg(long, default_value_t = 5353)]
    pub dns_port: u16,
    /// Which schedule.
    #[command(flatten)]
    pub schedule: ScheduleArgs,
}

/// What a node of a region needs.
#[derive(Clone, Debug, Args)]
pub struct NodeArgs {
    /// Name of the region, as in regions/.
    #[arg(long, env = "MERIDIAN_REGION")]
    pub region: String,
    /// Which database.
    #[command(flatten)]
    pub database: Database,
    /// Directory of this node's keys; see `meridian keys`.
    #[arg(long, env = "MERIDIAN_KEYS")]
    pub keys: PathBuf,
    /// Base URL of the payment provider.
    #[arg(long, env = "MERIDIAN_PAYMENTS_URL")]
    pub payments_url: String,
    /// Base URL of the airlines.
    #[arg(long, env = "MERIDIAN_AIRLINE_URL")]
    pub airline_url: String,
    /// Origin under which these companies reach this region [default: the region's API].
    #[arg(long, env = "MERIDIAN_CALLBACK_URL")]
    pub callback_url: Option<String>,
    /// Where a region answers, if not as its file says: NAME=URL, once for each.
    #[arg(long = "region-url", env = "MERIDIAN_REGION_URLS", value_delimiter = ',')]
    pub region_urls: Vec<RegionUrl>,
    /// Where else our pages are served, as https://www.meridian.example, once for each name: the
    /// edge's, and the hosts that GeoDNS leads to a region. Only these pages and those of regions
    /// may talk to this node from a browser.
    #[arg(long = "page-origin", env = "MERIDIAN_PAGE_ORIGINS", value_delimiter = ',')]
    pub page_origins: Vec<PageOrigin>,
    /// Directory where erasures are written down beside the database, out of reach of its restore;
    /// a node refuses a database that knows nothing of one of them.
    #[arg(long, env = "MERIDIAN_ERASURES")]
    pub erasures: Option<PathBuf>,
    /// For a try-out: webhooks may go to this machine and its networks too, over plain HTTP, on any
    /// port. Without it only to public addresses, over TLS, on port 443.
    #[arg(long, env = "MERIDIAN_WEBHOOKS_ANYWHERE")]
    pub webhooks_anywhere: bool,
    /// The event stream, if there is one.
    #[command(flatten)]
    pub kafka: KafkaArgs,
    /// How long this node may work on an order before another takes over, in milliseconds.
    #[arg(long, env = "MERIDIAN_LEASE_MS", default_value_t = 10_000)]
    pub lease_ms: u64,
    /// Connections to the database for writing; all nodes together must leave it some for
    /// operators [default: two a core].
    #[arg(long, env = "MERIDIAN_CONNECTIONS")]
    pub connections: Option<std::num::NonZeroUsize>,
    /// For tests: where this process kills itself, such as after_call:capture.
    #[arg(long, hide = true)]
    pub crash_at: Option<CrashPoint>,
    /// Which schedule.
    #[command(flatten)]
    pub schedule: ScheduleArgs,
}

/// One region's API and worker.
#[derive(Clone, Debug, Args)]
pub struct Serve {
    /// What a node needs.
    #[command(flatten)]
    pub node: NodeArgs,
    /// Where to listen.
    #[arg(long, env = "MERIDIAN_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// How it speaks to nodes of other regions.
    #[command(flatten)]
    pub peer: PeerArgs,
    /// How long to answer `draining` before closing the door, so that GeoDNS and load balancers
    /// notice first, in seconds.
    #[arg(long, env = "MERIDIAN_DRAIN_SECONDS", default_value_t = 0)]
    pub drain_seconds: u64,
    /// Leave the orders to `meridian work`.
    #[arg(long)]
    pub no_work: bool,
}

/// One region's worker.
#[derive(Clone, Debug, Args)]
pub struct Work {
    /// What a node needs.
    #[command(flatten)]
    pub node: NodeArgs,
    /// Where to answer health checks and metrics.
    #[arg(long, env = "MERIDIAN_LISTEN", default_value = "127.0.0.1:8091")]
    pub listen: SocketAddr,
}

/// A migration.
#[derive(Clone, Debug, Args)]
pub struct Migrate {
    /// Which database.
    #[command(flatten)]
    pub database: Database,
    /// Report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Regions.
#[derive(Clone, Debug, Args)]
pub struct Regions {
    /// What to do.
    #[command(subcommand)]
    pub action: RegionsAction,
}

/// What to do with the regions.
#[derive(Clone, Debug, Subcommand)]
pub enum RegionsAction {
    /// One line a region.
    List {
        /// Which database knows who drains.
        #[command(flatten)]
        database: MaybeDatabase,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Everything about one region.
    Show {
        /// Its name.
        name: String,
        /// Which database knows whether it drains.
        #[command(flatten)]
        database: MaybeDatabase,
    },
    /// Compare the files with their rules, and with what is there as far as it is named. Exit code
    /// 0 the same, 2 something differs (each with what to do), 1 something could not be told.
    Check(RegionsCheck),
    /// Print the steps from where the regions are to what the files say, and change nothing.
    Plan {
        /// Which database knows where they are.
        #[command(flatten)]
        database: Database,
        /// Write the plan to this file, for `apply`.
        #[arg(long)]
        out: Option<PathBuf>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Carry out a plan; said again after a crash, it goes on where it was. Exit code 3: the next
    /// step is another tool's, and is printed.
    Apply {
        /// What `plan --out` wrote.
        plan: PathBuf,
        /// A step of another tool that you have done; may be given several times.
        #[arg(long)]
        done: Vec<i64>,
        /// Longest that a step may wait, in seconds.
        #[arg(long, default_value_t = 300)]
        wait: u64,
        /// Directory with the key of the region that travellers leave and the public keys of the
        /// others; only a plan that moves travellers needs it.
        #[arg(long)]
        keys: Option<PathBuf>,
        /// Which database.
        #[command(flatten)]
        database: Database,
    },
    /// Send nobody new to a region; who is there is served on. GeoDNS and Route 53 follow its
    /// health within seconds.
    Drain(Drain),
    /// Send everybody to a region again.
    Undrain {
        /// Its name.
        name: String,
        /// Which database.
        #[command(flatten)]
        database: Database,
    },
    /// Drain a region whatever is left, and wait until its nodes say so or are gone.
    Evacuate {
        /// What a drain needs.
        #[command(flatten)]
        drain: Drain,
        /// Longest wait, in seconds.
        #[arg(long, default_value_t = 30)]
        wait: u64,
    },
}

/// Which database, if any.
#[derive(Clone, Debug, Args)]
pub struct MaybeDatabase {
    /// As for `meridian migrate`; without it the database is not looked at.
    #[arg(long = "database-url", env = "MERIDIAN_DATABASE_URL", hide_env_values = true)]
    pub url: Option<DatabaseUrl>,
}

/// What to compare the files with.
#[derive(Clone, Debug, Args)]
pub struct RegionsCheck {
    /// Rows, lives, the primary region and drains of this database.
    #[command(flatten)]
    pub database: MaybeDatabase,
    /// The revision that is live, a directory laid out like regions/: every step from there must be
    /// one that a region's life allows.
    #[arg(long)]
    pub before: Option<PathBuf>,
    /// The nodes of each serving region, at their public addresses.
    #[arg(long, requires = "url")]
    pub nodes: bool,
    /// The answers of this name server, for people of twenty cities.
    #[arg(long, requires = "url")]
    pub dns: Option<SocketAddr>,
    /// The zone file of that server, instead of the zone this build was made with.
    #[arg(long, requires = "dns")]
    pub zone: Option<PathBuf>,
    /// What `terraform output -json` said of terraform/live/global.
    #[arg(long, requires = "url")]
    pub terraform: Option<PathBuf>,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
}

/// A drain.
#[derive(Clone, Debug, Args)]
pub struct Drain {
    /// Which region.
    pub name: String,
    /// Why, for other operators; nothing about travellers.
    #[arg(long)]
    pub reason: String,
    /// When it ends by itself, as 2026-12-01T20:00:00Z.
    #[arg(long)]
    pub until: Option<jiff::Timestamp>,
    /// Even if a host would have no region left.
    #[arg(long)]
    pub force: bool,
    /// Which database.
    #[command(flatten)]
    pub database: Database,
}

/// The catalogue.
#[derive(Clone, Debug, Args)]
pub struct CatalogueArgs {
    /// Which schedule.
    #[command(flatten)]
    pub schedule: ScheduleArgs,
    /// Places whose names begin with this, instead of the counts.
    #[arg(long)]
    pub place: Option<String>,
}

/// The sandbox.
#[derive(Clone, Debug, Args)]
pub struct SandboxArgs {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8090")]
    pub listen: SocketAddr,
    /// How long its airlines keep held bookings, in seconds.
    #[arg(long, default_value_t = 1800)]
    pub hold_seconds: u64,
    /// Directory with callbacks-payments.key and callbacks-airline.key; without them nobody is
    /// called back.
    #[arg(long, env = "MERIDIAN_KEYS")]
    pub keys: Option<PathBuf>,
    /// Share of all calls that go wrong, and how: MODE=RATE for every operation, such as
    /// lost_reply=0.05, or OPERATION:MODE=RATE for one. May be given several times.
    #[arg(long = "fault")]
    pub faults: Vec<Fault>,
    /// From which the calls that go wrong are drawn; it is printed [default: chosen by chance].
    #[arg(long)]
    pub fault_seed: Option<u64>,
}

/// Keys.
#[derive(Clone, Debug, Args)]
pub struct KeysArgs {
    /// Where they are kept. Give each node offer.key, directory.key, callbacks-*.key and its own
    /// region's keys only: region-REGION.key, evidence-REGION.key.
    #[arg(long)]
    pub dir: PathBuf,
    /// Rotate the key of this region, a step at a time: first the next key is made, for every node
    /// of the region; asked again, it becomes the present one.
    #[arg(long)]
    pub rotate: Option<String>,
}

/// Where a page comes from, as browsers write it in `Origin` (RFC 6454, 6.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageOrigin(pub String);

impl std::str::FromStr for PageOrigin {
    type Err = String;

    /// A page that anybody on the way could change would hand its traveller's token to them, so it
    /// comes over TLS or from this machine; `*` and `null` are everybody.
    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, authority) = text.split_once("://").ok_or(ORIGIN_WANTED)?;
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
        let own = matches!(host, "localhost" | "127.0.0.1");
        // Browsers leave a scheme's own port out.
        let usual = if scheme == "https" { "443" } else { "80" };
        let port = port.is_none_or(|it| {
            it != usual && it.parse().is_ok_and(|number: u16| number.to_string() == it)
        });
        let secure = scheme == "https" || (scheme == "http" && own);
        if !secure || host.is_empty() || !host.chars().all(plain) || !port {
            return Err(ORIGIN_WANTED.to_owned());
        }
        Ok(Self(text.to_owned()))
    }
}

impl Cli {
    /// The regions to work with, or every broken rule.
    pub fn registry(&self) -> Result<Registry, meridian_regions::Broken> {
        match &self.regions_dir {
            Some(dir) => Registry::from_dir(dir),
            None => Registry::embedded(),
        }
    }
}
