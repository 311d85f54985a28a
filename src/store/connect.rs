//! How a connection is made: the URL, TLS, and what every session is told.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::Error;

/// Longest wait for a connection to be made.
pub(super) const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// Longest wait for a free connection of the pool.
const POOL_PATIENCE: Duration = Duration::from_secs(5);
/// Silence after which a connection is probed, so that a dead peer is found.
const KEEPALIVES_IDLE: Duration = Duration::from_secs(10);
/// Pause between two probes.
const KEEPALIVES_INTERVAL: Duration = Duration::from_secs(5);
/// Probes without an answer until a peer counts as gone.
const KEEPALIVES_RETRIES: u32 = 3;
/// Longest that sent bytes may stay unacknowledged: a machine that died says nothing at all.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// Names a file of certificates that are trusted beside the web's: a cluster's own authority.
const CA_FILE: &str = "MERIDIAN_DATABASE_CA";

/// A database URL that never prints its password.
#[derive(Clone, PartialEq)]
pub struct DatabaseUrl {
    config: Config,
    text: String,
}

impl DatabaseUrl {
    /// The server's socket directory, reached as a user without a password.
    pub fn socket(dir: &Path, user: &str, database: &str) -> Self {
        let text = format!("host={} user={user} dbname={database}", dir.display());
        text.parse().expect("a directory, a user and a database make a URL")
    }

    /// The same server, another database.
    pub fn database(&self, name: &str) -> Self {
        let mut config = self.config.clone();
        config.dbname(name);
        Self { config, text: self.text.clone() }
    }

    /// Which database of the server.
    pub fn database_name(&self) -> &str {
        self.config.get_dbname().or(self.config.get_user()).unwrap_or("postgres")
    }

    /// What another program would be given to reach the server: `host`, `user`, port.
    pub fn host_user_port(&self) -> (String, String, u16) {
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(name)) => name.clone(),
            Some(Host::Unix(path)) => path.display().to_string(),
            None => "localhost".to_owned(),
        };
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        (host, self.config.get_user().unwrap_or("postgres").to_owned(), port)
    }

    /// A configuration with what every session of ours is told.
    pub(super) fn session(&self, statement_timeout: Option<Duration>) -> Config {
        let mut config = self.config.clone();
        if self.wants_tls() {
            // The driver's default would fall back to clear text without a word.
            config.ssl_mode(SslMode::Require);
        }
        config
            .application_name("meridian")
            .connect_timeout(CONNECT_PATIENCE)
            .keepalives_idle(KEEPALIVES_IDLE)
            .keepalives_interval(KEEPALIVES_INTERVAL)
            .keepalives_retries(KEEPALIVES_RETRIES)
            .tcp_user_timeout(SILENCE_MAX);
        if let Some(timeout) = statement_timeout {
            let asked =
                config.get_options().map(|options| format!("{options} ")).unwrap_or_default();
            config.options(format!("{asked}-c statement_timeout={}", timeout.as_millis()));
        }
        config
    }

    /// Passwords and rows cross a network only under TLS, unless the URL says `sslmode=disable`.
    fn wants_tls(&self) -> bool {
        let here = |host: &Host| match host {
            Host::Unix(_) => true,
            Host::Tcp(name) => {
                name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
            }
        };
        match self.config.get_ssl_mode() {
            SslMode::Disable => false,
            SslMode::Require => true,
            _ => !self.config.get_hosts().iter().all(here),
        }
    }
}

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let config: Config = text.parse().map_err(|_| {
            // The driver's error may repeat parts of the text, and a password with them.
            "not a database URL; write postgresql://user:password@host:port/database".to_owned()
        })?;
        if config.get_hosts().is_empty() {
            return Err(
                "the database URL names no host; write postgresql://user@host/database".into()
            );
        }
        Ok(Self { config, text: text.to_owned() })
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, _, port) = self.host_user_port();
        write!(f, "{host}:{port}/{}", self.database_name())
    }
}

fn tls() -> Result<MakeRustlsConnect, Error> {
    let mut roots = rustls::RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(path) = std::env::var_os(CA_FILE) {
        let refused = |error: String| {
            let path = std::path::Path::new(&path).display();
            Error::NotReady(format!("{CA_FILE} names {path}, which holds no certificate: {error}"))
        };
        for certificate in
            CertificateDer::pem_file_iter(&path).map_err(|e| refused(e.to_string()))?
        {
            let certificate = certificate.map_err(|error| refused(error.to_string()))?;
            roots.add(certificate).map_err(|error| refused(error.to_string()))?;
        }
    }
    let config =
        rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

pub(super) fn pool(url: &DatabaseUrl, connections_max: usize) -> Result<Pool, Error> {
    // `Fast` because the thorough methods call functions that CockroachDB does not have; no session
    // state is ever left behind, so there is nothing to reset.
    let recycle = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let config = url.session(None);
    let manager = if url.wants_tls() {
        Manager::from_config(config, tls()?, recycle)
    } else {
        Manager::from_config(config, NoTls, recycle)
    };
    Pool::builder(manager)
        .max_size(connections_max)
        .wait_timeout(Some(POOL_PATIENCE))
        .create_timeout(Some(CONNECT_PATIENCE))
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|error| {
            Error::NotReady(format!("the connection pool could not be built: {error}"))
        })
}

/// One connection outside the pool, with its driver running beside it.
pub(super) async fn single(
    url: &DatabaseUrl,
    statement_timeout: Option<Duration>,
) -> Result<(tokio_postgres::Client, tokio::task::JoinHandle<()>), Error> {
    let config = url.session(statement_timeout);
    if url.wants_tls() {
        let (client, connection) = config.connect(tls()?).await.map_err(Error::Unreachable)?;
        Ok((client, tokio::spawn(async move { drop(connection.await) })))
    } else {
        let (client, connection) = config.connect(NoTls).await.map_err(Error::Unreachable)?;
        Ok((client, tokio::spawn(async move { drop(connection.await) })))
    }
}
