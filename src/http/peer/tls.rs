//! What a node shows to nodes of other regions, and whom it believes: one certificate, one key, one
//! authority, from files that may change while the node runs.
//!
//! The name in a certificate is `<region>.peer.meridian`, whatever host it was reached under: no
//! name server decides who somebody is.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use meridian_regions::{RegionId, Registry};
use rustls::client::{Resumption, verify_server_name};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{NoServerSessionStorage, ParsedCertificate, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_util::sync::CancellationToken;

/// What follows a region's name in its certificate.
const SUFFIX: &str = "peer.meridian";

/// The files, in PEM.
#[derive(Clone, Debug)]
pub struct Files {
    /// The certificate of this region's nodes, with those between it and the authority.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The authority that signs such certificates, and nothing else.
    pub ca: PathBuf,
}

/// Why a node cannot speak to its peers, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct PeerError(pub String);

/// When files were written, and how long they are.
type Stamp = [Option<(SystemTime, u64)>; 3];

struct Loaded {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    stamp: Stamp,
}

/// What a node shows, and whom it believes, as the files say by now.
pub struct Identity {
    files: Files,
    here: RegionId,
    registry: Registry,
    loaded: ArcSwap<Loaded>,
}

impl Identity {
    /// Reads the files.
    pub fn load(files: Files, here: RegionId, registry: Registry) -> Result<Self, PeerError> {
        let loaded = ArcSwap::from_pointee(read(&files, here, registry)?);
        Ok(Self { files, here, registry, loaded })
    }

    /// For those who come.
    pub(super) fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.loaded.load().server)
    }

    /// For those whom we go to.
    pub(in crate::http) fn client(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.loaded.load().client)
    }

    /// Reads the files again whenever they have changed, until told to stop. What cannot be used is
    /// said, and what was there before stays.
    pub(crate) async fn follow(self: Arc<Self>, every: Duration, stop: CancellationToken) {
        let mut seen = self.loaded.load().stamp;
        while stop.run_until_cancelled(tokio::time::sleep(every)).await.is_some() {
            let now = stamp(&self.files);
            if now == seen {
                continue;
            }
            seen = now;
            match read(&self.files, self.here, self.registry) {
                Ok(loaded) => {
                    self.loaded.store(Arc::new(loaded));
                    tracing::info!("the certificate for other regions was read again");
                }
                Err(error) => tracing::error!(%error, "the certificate for other regions is bad"),
            }
        }
    }
}

/// The name in the certificate of a region's nodes.
pub(in crate::http) fn name_of(region: RegionId) -> ServerName<'static> {
    let name = format!("{region}.{SUFFIX}");
    ServerName::try_from(name).expect("a region's name is a label of DNS")
}

/// The one region that a certificate is for. One for several, as with `*`, is for none.
pub(super) fn region_of(registry: Registry, cert: &CertificateDer<'_>) -> Option<RegionId> {
    let parsed = ParsedCertificate::try_from(cert).ok()?;
    let mut named = registry.all().filter(|it| verify_server_name(&parsed, &name_of(*it)).is_ok());
    named.next().filter(|_| named.next().is_none())
}

fn stamp(files: &Files) -> Stamp {
    [&files.cert, &files.key, &files.ca].map(|path| {
        let meta = fs::metadata(path).ok()?;
        Some((meta.modified().ok()?, meta.len()))
    })
}

fn read(files: &Files, here: RegionId, registry: Registry) -> Result<Loaded, PeerError> {
    // Before they are read: whatever changes from here on is seen at the next look.
    let stamp = stamp(files);
    let chain = certificates(&files.cert, "--peer-cert")?;
    if region_of(registry, &chain[0]) != Some(here) {
        return Err(PeerError(format!(
            "{} of --peer-cert is not for {here}; its one name has to be {here}.{SUFFIX}",
            files.cert.display()
        )));
    }
    let mut roots = RootCertStore::empty();
    for authority in certificates(&files.ca, "--peer-ca")? {
        let bad = |error| unusable(&files.ca, "--peer-ca", &error);
        roots.add(authority).map_err(bad)?;
    }
    let (roots, bad) = (Arc::new(roots), |error| unusable(&files.key, "--peer-key", &error));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
            .build()
            .map_err(|error| PeerError(format!("--peer-ca cannot be used: {error}")))?;
    let versions = "TLS 1.3 is part of this build";
    let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13])
        .expect(versions)
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain.clone(), key(&files.key)?)
        .map_err(bad)?;
    // Every connection is a full handshake, so that a certificate that ran out opens nothing.
    server.session_storage = Arc::new(NoServerSessionStorage {});
    server.send_tls13_tickets = 0;
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .expect(versions)
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key(&files.key)?)
        .map_err(bad)?;
    client.resumption = Resumption::disabled();
    Ok(Loaded { server: Arc::new(server), client: Arc::new(client), stamp })
}

fn unusable(path: &Path, option: &str, error: &dyn std::error::Error) -> PeerError {
    PeerError(format!("{} of {option} cannot be used: {error}", path.display()))
}

fn certificates(path: &Path, option: &str) -> Result<Vec<CertificateDer<'static>>, PeerError> {
    let bad = |error| unusable(path, option, &error);
    let read: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(bad)?.collect();
    let read = read.map_err(bad)?;
    if read.is_empty() {
        let path = path.display();
        return Err(PeerError(format!("{path} of {option} holds no certificate; write it in PEM")));
    }
    Ok(read)
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, PeerError> {
    let meta = fs::metadata(path).map_err(|error| unusable(path, "--peer-key", &error))?;
    if meta.permissions().mode() & 0o077 != 0 {
        return Err(PeerError(format!(
            "{} of --peer-key may be read by others; run `chmod 600` on it and consider it known",
            path.display()
        )));
    }
    PrivateKeyDer::from_pem_file(path).map_err(|error| unusable(path, "--peer-key", &error))
}
