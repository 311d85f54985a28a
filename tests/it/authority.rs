//! An authority for certificates of nodes, good and bad, and somebody who comes to a node's door
//! with one.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use meridian::http::peer::tls::Files;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::lab::PATIENCE;

/// An authority, and the directory where it puts what it signs.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    dir: PathBuf,
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

impl Authority {
    pub(crate) fn new() -> Arc<Self> {
        let name = format!("meridian-authority-{}", uuid::Uuid::new_v4().simple());
        let dir = std::env::temp_dir().join(&name);
        fs::create_dir(&dir).unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        fs::write(dir.join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        Arc::new(Self { issuer: Issuer::new(params, key), dir })
    }

    /// Files for a name, written over those that were there.
    pub(crate) fn issue(&self, file: &str, name: &str) -> Files {
        self.issue_until(file, name, 4000)
    }

    /// The same, no longer valid.
    pub(crate) fn issue_old(&self, file: &str, name: &str) -> Files {
        self.issue_until(file, name, 2001)
    }

    fn issue_until(&self, file: &str, name: &str, year: i32) -> Files {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let signed = params.signed_by(&key, &self.issuer).unwrap();
        let path = |end: &str| self.dir.join(format!("{file}.{end}"));
        let files = Files { cert: path("pem"), key: path("key"), ca: self.dir.join("ca.pem") };
        fs::write(&files.key, key.serialize_pem()).unwrap();
        fs::set_permissions(&files.key, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&files.cert, signed.pem()).unwrap();
        files
    }

    /// The files of a region's nodes, made once.
    pub(crate) fn of_region(&self, region: &str) -> Files {
        let path = |end: &str| self.dir.join(format!("{region}.{end}"));
        if path("pem").exists() {
            return Files { cert: path("pem"), key: path("key"), ca: self.dir.join("ca.pem") };
        }
        self.issue(region, &format!("{region}.peer.meridian"))
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_file(self.dir.join("ca.pem")).unwrap();
        roots.add(ca).unwrap();
        roots
    }

    /// Comes to a door with these files, or with none, asks, and hears what is said.
    pub(crate) async fn ask(
        &self,
        door: SocketAddr,
        (region, files): (&str, Option<&Files>),
        request: &str,
    ) -> io::Result<String> {
        let config = ClientConfig::builder().with_root_certificates(self.roots());
        let config = match files {
            Some(files) => config.with_client_auth_cert(chain(files), key(files)).unwrap(),
            None => config.with_no_client_auth(),
        };
        let name = ServerName::try_from(format!("{region}.peer.meridian")).unwrap();
        let asking = async {
            let stream = TcpStream::connect(door).await?;
            let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
            stream.write_all(request.as_bytes()).await?;
            let mut said = Vec::new();
            stream.read_to_end(&mut said).await?;
            Ok(String::from_utf8(said).unwrap())
        };
        tokio::time::timeout(PATIENCE, asking).await.unwrap()
    }

    /// What somebody who pretends to be a region's node would listen with.
    pub(crate) fn pretend(&self, region: &str) -> Arc<ServerConfig> {
        let files = self.of_region(region);
        let config = ServerConfig::builder().with_no_client_auth();
        Arc::new(config.with_single_cert(chain(&files), key(&files)).unwrap())
    }
}

/// How often a node of a test looks whether its certificate is another.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(20);

fn chain(files: &Files) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_file_iter(&files.cert).unwrap().map(Result::unwrap).collect()
}

fn key(files: &Files) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_file(&files.key).unwrap()
}
