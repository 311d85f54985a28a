//! Where regions answer, and how their nodes speak to each other.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use meridian_regions::Registry;

/// A region and where it answers.
#[derive(Clone, Debug)]
pub struct RegionUrl {
    /// Name of the region.
    pub region: String,
    /// The origin of its API.
    pub url: String,
}

impl std::str::FromStr for RegionUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (region, url) = text.split_once('=').ok_or("write NAME=URL")?;
        Ok(Self { region: region.into(), url: url.trim_end_matches('/').into() })
    }
}

/// How a node speaks to nodes of other regions: all of it or nothing.
#[derive(Clone, Debug, Args)]
pub struct PeerArgs {
    /// Where to take requests that nodes of other regions pass on, over mutual TLS. Without it this
    /// node passes nothing on either: it answers 421.
    #[arg(
        long = "peer-listen",
        env = "MERIDIAN_PEER_LISTEN",
        requires_all = ["peer_cert", "peer_key", "peer_ca"]
    )]
    pub peer_listen: Option<SocketAddr>,
    /// File of the certificate to show them, for REGION.peer.meridian, in PEM. It is read again
    /// when it changes, within a minute.
    #[arg(long = "peer-cert", env = "MERIDIAN_PEER_CERT", requires = "peer_listen")]
    pub peer_cert: Option<PathBuf>,
    /// File of its key, which nobody else may read.
    #[arg(long = "peer-key", env = "MERIDIAN_PEER_KEY", requires = "peer_listen")]
    pub peer_key: Option<PathBuf>,
    /// File of the authority that signs such certificates; the web's are not believed.
    #[arg(long = "peer-ca", env = "MERIDIAN_PEER_CA", requires = "peer_listen")]
    pub peer_ca: Option<PathBuf>,
    /// Where a region's nodes take what is passed on, if not as its file says: NAME=URL, once for
    /// each.
    #[arg(long = "peer-url", env = "MERIDIAN_PEER_URLS", value_delimiter = ',')]
    pub peer_urls: Vec<RegionUrl>,
}

/// Where a node listens to others, and its files.
#[derive(Clone, Debug)]
pub struct PeerDoor {
    /// Where.
    pub listen: SocketAddr,
    /// The certificate.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The authority.
    pub ca: PathBuf,
}

impl PeerArgs {
    /// What was said, if anything was; the command line lets no half of it through.
    pub fn door(&self) -> Option<PeerDoor> {
        Some(PeerDoor {
            listen: self.peer_listen?,
            cert: self.peer_cert.clone()?,
            key: self.peer_key.clone()?,
            ca: self.peer_ca.clone()?,
        })
    }

    /// The same regions, some of them taking what is passed on elsewhere.
    pub fn redirect(&self, registry: Registry) -> Result<Registry, String> {
        known(registry, &self.peer_urls, "--peer-url")?;
        if let Some(bad) = self.peer_urls.iter().find(|it| !it.url.starts_with("https://")) {
            return Err(format!("--peer-url {}={} has to begin https://", bad.region, bad.url));
        }
        Ok(registry.with_endpoints(|file| {
            if let Some(other) = self.peer_urls.iter().find(|other| other.region == file.name) {
                file.endpoints.peer = Some(other.url.clone());
            }
        }))
    }
}

/// The same regions, some of them answering elsewhere.
pub fn redirect(registry: Registry, urls: &[RegionUrl]) -> Result<Registry, String> {
    known(registry, urls, "--region-url")?;
    Ok(registry.with_endpoints(|file| {
        if let Some(other) = urls.iter().find(|other| other.region == file.name) {
            file.endpoints.api.clone_from(&other.url);
        }
    }))
}

fn known(registry: Registry, urls: &[RegionUrl], option: &str) -> Result<(), String> {
    match urls.iter().find(|it| registry.by_name(&it.region).is_none()) {
        Some(unknown) => Err(format!("{option} names {}, which is no region", unknown.region)),
        None => Ok(()),
    }
}
