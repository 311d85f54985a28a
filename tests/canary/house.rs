//! The house that the canaries live in: real processes, a database of their own, a receiver of
//! webhooks, and everything that all of these write.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Uri};
use meridian::demo::postgres::{Keep, Postgres};
use meridian::store::datamap;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio_postgres::{Client, NoTls};

use crate::marks::{Mark, letters};
use crate::people::Person;
use crate::places::{Place, files, search};
use crate::process::{Running, program, until};

/// The shipped regions.
pub(crate) const REGIONS: [&str; 4] = ["eu-central", "eu-west", "us-east", "ap-southeast"];
/// The house's own database.
const DATABASE: &str = "house";
/// Longest that orders may take to come to rest.
const PATIENCE: Duration = Duration::from_secs(60);

/// Everything that runs.
pub(crate) struct House {
    dir: PathBuf,
    postgres: Postgres,
    suppliers: String,
    pub(crate) receiver: String,
    told: Arc<Mutex<Vec<u8>>>,
    ports: BTreeMap<&'static str, u16>,
    nodes: BTreeMap<&'static str, Running>,
    others: Vec<Running>,
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// A program of everybody's that writes down every byte that it is told.
async fn receiver(told: Arc<Mutex<Vec<u8>>>) -> String {
    let write = move |uri: Uri, headers: HeaderMap, body: Bytes| {
        let told = Arc::clone(&told);
        async move {
            // The path is the traveller's own secret, and comes back to them only.
            drop(uri);
            let mut told = told.lock().unwrap();
            told.extend_from_slice(format!("{headers:?}\n").as_bytes());
            told.extend_from_slice(&body);
        }
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(write)).await });
    url
}

impl House {
    pub(crate) async fn build() -> Self {
        let name = format!("meridian-canary-{}", uuid::Uuid::new_v4().simple());
        let dir = std::env::temp_dir().join(name);
        fs::create_dir_all(&dir).unwrap();
        let start = || Postgres::start(Keep::Ephemeral).unwrap();
        let postgres = tokio::task::spawn_blocking(start).await.unwrap();
        let mut sandbox = program();
        sandbox.args(["sandbox", "--listen", "127.0.0.1:0"]);
        let log = File::create(dir.join("sandbox.log")).unwrap();
        let (sandbox, suppliers) = Running::start(sandbox, log, "listening on ").await;
        let told = Arc::new(Mutex::new(Vec::new()));
        let receiver = receiver(Arc::clone(&told)).await;
        let ports = REGIONS.map(|region| (region, free_port())).into();
        let (nodes, others) = (BTreeMap::new(), vec![sandbox]);
        let mut house = Self { dir, postgres, suppliers, receiver, told, ports, nodes, others };
        house.sql("postgres", &format!("CREATE DATABASE {DATABASE}")).await;
        house.must(&["migrate", "--database-url", &house.database(DATABASE)]).await;
        house.must(&["keys", "--dir", house.dir.join("keys").to_str().unwrap()]).await;
        let mut geodns = program();
        geodns
            .args(["geodns", "--listen", "127.0.0.1:0", "--no-probes"])
            .env("MERIDIAN_LOG", "debug");
        let log = File::create(house.dir.join("geodns.log")).unwrap();
        house.others.push(Running::start(geodns, log, "answering on ").await.0);
        for region in REGIONS {
            house.start(region).await;
        }
        house
    }

    pub(crate) fn url(&self, region: &str) -> String {
        format!("http://127.0.0.1:{}", self.ports[region])
    }

    fn database(&self, name: &str) -> String {
        let url = self.postgres.url(name);
        let (host, user, _) = url.host_user_port();
        format!("host={host} user={user} dbname={}", url.database_name())
    }

    async fn start(&mut self, region: &'static str) {
        let mut command = self.serve(region, DATABASE, self.ports[region]);
        // Whoever looks for a fault turns this up, so it has to hold then, too.
        command.env("MERIDIAN_LOG", "debug");
        let log = self.dir.join(format!("{region}.log"));
        let log = File::options().create(true).append(true).open(log).unwrap();
        let (node, _) = Running::start(command, log, "listening on ").await;
        self.nodes.insert(region, node);
    }

    fn serve(&self, region: &str, database: &str, port: u16) -> Command {
        let mut command = program();
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string();
        command.args(["serve", "--region", region, "--listen", &listen, "--profile", "tiny"]);
        command.args(["--database-url", &self.database(database), "--connections", "4"]);
        command.args(["--lease-ms", "2000", "--webhooks-anywhere"]);
        command.args(["--payments-url", &self.suppliers, "--airline-url", &self.suppliers]);
        command.arg("--keys").arg(self.dir.join("keys"));
        command.arg("--erasures").arg(self.dir.join("erasures"));
        for region in REGIONS {
            command.args(["--region-url", &format!("{region}={}", self.url(region))]);
        }
        command
    }

    /// Kills a region's node at one blow, and starts another.
    pub(crate) async fn crash(&mut self, region: &'static str) {
        self.kill(region).await;
        self.start(region).await;
    }

    async fn kill(&mut self, region: &'static str) {
        let mut node = self.nodes.remove(region).unwrap();
        node.child.start_kill().unwrap();
        node.child.wait().await.unwrap();
    }

    async fn must(&self, args: &[&str]) -> String {
        let output = program().args(args).output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complained = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "meridian {args:?}: {said}{complained}");
        said
    }

    async fn connect(&self, database: &str) -> Client {
        let (client, connection) =
            tokio_postgres::connect(&self.database(database), NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    #[expect(clippy::disallowed_methods, reason = "a proof asks beside the store")]
    async fn sql(&self, database: &str, text: &str) {
        self.connect(database).await.batch_execute(text).await.unwrap();
    }

    #[expect(clippy::disallowed_methods, reason = "a proof asks beside the store")]
    async fn rows(&self, database: &str, text: &str) -> Vec<String> {
        let rows = self.connect(database).await.query(text, &[]).await.unwrap();
        rows.iter().map(|row| row.get::<_, Option<String>>(0).unwrap_or_default()).collect()
    }

    /// Every table, partition by partition, as a dump shows it.
    async fn dump(&self, database: &str) -> Vec<Place> {
        let tables = "SELECT c.relname::text FROM pg_class AS c JOIN pg_namespace AS n
            ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND c.relkind = 'r'";
        let mut places = Vec::new();
        for table in self.rows(database, tables).await {
            let rows = self.rows(database, &format!("SELECT r::text FROM \"{table}\" AS r")).await;
            let bytes = rows.join("\n").into_bytes();
            places.push(Place::new(format!("table {table} of {database}"), bytes));
        }
        places
    }

    /// Everything that the house wrote.
    pub(crate) async fn places(&self) -> Vec<Place> {
        self.sql(DATABASE, "CHECKPOINT").await;
        let mut places = self.dump(DATABASE).await;
        places.extend(files(&self.postgres.dir().join("data"), "data files"));
        places.extend(files(&self.dir, "files and logs"));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        for region in REGIONS {
            for path in ["/metrics", "/openapi.json", "/version"] {
                let answer = client.get(format!("{}{path}", self.url(region))).send().await;
                let bytes = answer.unwrap().bytes().await.unwrap().to_vec();
                places.push(Place::new(format!("{path} of {region}"), bytes));
            }
        }
        places.push(Place::new("what webhooks told", self.told.lock().unwrap().clone()));
        places.extend(temporary());
        places.extend(self.bundle().await);
        places
    }

    /// What an auditor is given.
    async fn bundle(&self) -> Vec<Place> {
        let out = self.dir.join(format!("bundle-{}", uuid::Uuid::new_v4().simple()));
        let keys = self.dir.join("keys");
        let args = [
            "audit",
            "run",
            "--out",
            out.to_str().unwrap(),
            "--keys",
            keys.to_str().unwrap(),
            "--signed-by",
            "eu-central",
            "--database-url",
            &self.database(DATABASE),
        ];
        let code = program().args(args).output().await.unwrap().status.code();
        // It may find what was planted; then it says so, and the bundle is written all the same.
        assert!(code == Some(0) || code == Some(2), "the audit could not tell: {code:?}");
        files(&out, "bundle")
    }

    /// Plants one leak of each kind, each with a marker of its own; how many, and how many of them
    /// the search finds where they are.
    pub(crate) async fn plant(&self, marks: &[Mark]) -> (usize, usize) {
        let mut planted: Vec<(Mark, &'static str)> = Vec::new();
        let mut plant = |kind: &'static str| -> String {
            let text = letters();
            planted.push((Mark { field: kind.to_owned(), text: text.clone() }, kind));
            text
        };
        let log = |name: &str, line: String| {
            let mut file = File::options().append(true).open(self.dir.join(name)).unwrap();
            std::io::Write::write_all(&mut file, line.as_bytes()).unwrap();
        };
        log("us-east.log", format!("INFO somebody called {}\n", plant("files and logs")));
        log("geodns.log", format!("INFO asked for {}\n", plant("files and logs")));
        let temporary = std::env::temp_dir().join(format!("meridian-leak-{}", std::process::id()));
        fs::write(&temporary, plant("temporary files")).unwrap();
        self.told.lock().unwrap().extend_from_slice(plant("what webhooks told").as_bytes());
        for (kind, statement) in [
            (
                "table orders_eu-central",
                "UPDATE orders SET failure = '{}' WHERE ctid = (SELECT
                min(ctid) FROM orders WHERE region = 'eu-central') AND region = 'eu-central'",
            ),
            (
                "table order_event_us-east",
                "UPDATE order_event SET body = jsonb_build_object('n',
                '{}') WHERE region = 'us-east' AND seq = 0",
            ),
            (
                "table region_drain",
                "INSERT INTO region_drain (region, reason, since, ends_at)
                VALUES ('mars', '{}', now(), now())",
            ),
            (
                "table evidence_intake",
                "INSERT INTO evidence_intake (region, id, kind, body)
                VALUES ('mars', gen_random_uuid(), 'x', jsonb_build_object('n', '{}'))",
            ),
            ("data files: pg_wal", "SELECT pg_logical_emit_message(false, 'leak', '{}')"),
            ("data files: base", "CREATE TABLE leaks AS SELECT '{}'::text AS leak"),
        ] {
            self.sql(DATABASE, &statement.replace("{}", &plant(kind))).await;
        }
        let places = self.places().await;
        let wanted: Vec<Mark> = planted.iter().map(|(mark, _)| mark.clone()).collect();
        let mut found = 0;
        for (mark, kind) in &planted {
            let hits = search(&places, std::slice::from_ref(mark));
            let hit = hits.iter().any(|hit| hit.place.contains(kind));
            if !hit {
                println!("           planted and not found: {kind}");
            }
            found += usize::from(hit);
        }
        fs::remove_file(temporary).unwrap();
        for clean in [
            "DROP TABLE leaks",
            "DELETE FROM region_drain WHERE region = 'mars'",
            "DELETE FROM evidence_intake WHERE region = 'mars'",
            "UPDATE orders SET failure = NULL WHERE failure LIKE 'Zq%'",
        ] {
            self.sql(DATABASE, clean).await;
        }
        assert!(search(&places, marks).is_empty(), "what was planted uncovered something else");
        (wanted.len(), found)
    }

    /// Everybody stops for a moment, and the database is copied as a backup would be.
    pub(crate) async fn back_up(&mut self) -> String {
        for region in REGIONS {
            self.kill(region).await;
        }
        let backup = "backup".to_owned();
        let alone = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{DATABASE}'"
        );
        self.sql("postgres", &alone).await;
        self.sql("postgres", &format!("CREATE DATABASE {backup} TEMPLATE {DATABASE}")).await;
        for region in REGIONS {
            self.start(region).await;
        }
        backup
    }

    /// Waits until every order has forgotten what it may.
    pub(crate) async fn settle(&self) {
        let moving =
            "SELECT count(*)::text FROM orders WHERE state NOT IN ('ticketed', 'anonymised')";
        let rested = until(PATIENCE, || async { self.rows(DATABASE, moving).await == ["0"] });
        assert!(rested.await, "orders never come to rest");
    }

    /// A node refuses the backup; it is told whom to forget, and everything in it is a place.
    pub(crate) async fn restore(&self, backup: &str, people: usize) -> Vec<Place> {
        let mut command = self.serve("eu-central", backup, 0);
        let output = command.output().await.unwrap();
        let complained = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "a node opened a backup that remembers too much");
        assert!(complained.contains("meridian privacy reapply"), "{complained}");
        let (keys, erasures) = (self.dir.join("keys"), self.dir.join("erasures"));
        let args = [
            "privacy",
            "reapply",
            "--erasures",
            erasures.to_str().unwrap(),
            "--keys",
            keys.to_str().unwrap(),
            "--database-url",
            &self.database(backup),
        ];
        let said = self.must(&args).await;
        let done: serde_json::Value = serde_json::from_str(&said).unwrap();
        assert_eq!(done["erased"], people, "{said}");
        self.sql(backup, "CHECKPOINT").await;
        let mut places = self.dump(backup).await;
        places.extend(files(&self.postgres.dir().join("data"), "data files, restored"));
        places
    }

    /// How many sealed values still have a key, in the house and in the backup.
    pub(crate) async fn opens(&self, people: &[Person]) -> usize {
        let keys = "SELECT count(*)::text FROM traveller WHERE length(data_key) > 0";
        let sealed: Vec<String> = datamap::tables()
            .iter()
            .flat_map(|(table, about)| about.columns.iter().map(move |it| (table, it)))
            .filter(|(_, (_, column))| column.sealed)
            .map(|(table, (column, _))| {
                format!("SELECT count(*)::text FROM {table} WHERE length({column}) > 0")
            })
            .collect();
        let mut left = 0;
        for database in [DATABASE, "backup"] {
            for text in sealed.iter().map(String::as_str).chain([keys]) {
                left += self.rows(database, text).await[0].parse::<usize>().unwrap();
            }
        }
        assert!(!people.is_empty());
        left
    }

    pub(crate) async fn close(mut self, keep: bool) {
        for region in REGIONS {
            self.kill(region).await;
        }
        drop(self.others);
        let postgres = self.postgres;
        tokio::task::spawn_blocking(move || drop(postgres)).await.unwrap();
        if keep {
            eprintln!("the logs stay in {}", self.dir.display());
        } else {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// What the program may have left in the directory for temporary files.
fn temporary() -> Vec<Place> {
    let mut places = Vec::new();
    for entry in fs::read_dir(std::env::temp_dir()).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let ours = name.starts_with("meridian-bundle") || name.starts_with("meridian-leak");
        let path: &Path = &entry.path();
        if ours && path.is_dir() {
            places.extend(files(path, "temporary files"));
        } else if ours && let Ok(bytes) = fs::read(path) {
            places.push(Place::new(format!("temporary files: {name}"), bytes));
        }
    }
    places
}
