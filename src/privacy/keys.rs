//! A node's keys, from files that only it may read.
//!
//! `offer.key` and `directory.key` are the same on every node. `region-<name>.key` wraps the data
//! keys of the travellers at home there and is given to that region's nodes only: another region's
//! node could read a row, but not the person in it. `region-<name>.pub` is its public half, for
//! handing a traveller over to that region; everybody may know it. `evidence-<name>.key` signs the
//! region's evidence, and whoever checks it needs `evidence-<name>.pub`. `callbacks-payments.key`
//! and `callbacks-airline.key` are known to that company, too, and sign what it tells us; a node
//! without them hears nothing.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hmac::{Hmac, Mac};
use meridian_evidence::signing::Signer;
use meridian_regions::{RegionId, Registry};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::seal::{FileKeys, PublicKey, RegionKey};
use crate::domain::ids::TravellerId;
use crate::domain::offer::OfferKey;
use crate::domain::signed_message::Secret;
use crate::domain::traveller::Subject;
use crate::suppliers::CallbackSecrets;

/// Bytes of every key.
const KEY_BYTES: usize = 32;
/// What a key is called that is to be the present one.
const NEXT: &str = "next";
/// What the payment provider signs its callbacks with.
const CALLBACKS_PAYMENTS: &str = "callbacks-payments.key";
/// What the airlines sign theirs with.
const CALLBACKS_AIRLINE: &str = "callbacks-airline.key";

/// What a tombstone is hashed over, besides the traveller's id; longer than an address's hash, so
/// that neither can be taken for the other.
const TOMBSTONE: &[u8] = b"meridian: whom no backup may bring back";

/// The keys of a node.
#[derive(Clone)]
pub struct Keys {
    /// Seals offers.
    pub offer: OfferKey,
    /// Hashes addresses for the directory.
    pub directory: DirectoryKey,
    /// Wraps the data keys of this region's travellers.
    pub region: RegionKey,
    /// Signs the region's evidence.
    pub evidence: Signer,
    /// Seal a traveller who moves to another home; those that are there.
    pub handover: Vec<PublicKey>,
    /// What other companies sign their callbacks with.
    pub callbacks: CallbackSecrets,
}

/// The keys that move travellers out of a region: its own, and the public ones of the others.
#[derive(Clone)]
pub struct HandoverKeys {
    /// Opens what is sealed in the old home.
    pub old: RegionKey,
    /// Seal to a new home.
    pub new: Vec<PublicKey>,
}

/// The key of the log-in directory.
#[derive(Clone)]
pub struct DirectoryKey([u8; KEY_BYTES]);

impl DirectoryKey {
    /// The directory's key for an address: nobody without this key can go from one to the other.
    pub fn hash(&self, subject: &Subject) -> Vec<u8> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes any key length");
        mac.update(&subject.0);
        mac.finalize().into_bytes().to_vec()
    }

    /// What stands for an erased traveller where every region and every restored backup can see it.
    pub fn tombstone(&self, traveller: TravellerId) -> Vec<u8> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes any key length");
        mac.update(TOMBSTONE);
        mac.update(traveller.uuid().as_bytes());
        mac.finalize().into_bytes().to_vec()
    }
}

/// Why keys could not be had, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct KeyError(String);

impl Keys {
    /// Reads a region's keys from a directory.
    pub fn load(dir: &Path, registry: Registry, region: RegionId) -> Result<Self, KeyError> {
        Ok(Self {
            handover: public_keys(dir, registry, region)?,
            offer: OfferKey::new(read(&dir.join("offer.key"))?),
            directory: directory_key(dir)?,
            region: region_key(dir, region)?,
            evidence: evidence_key(dir, region)?,
            callbacks: callbacks(dir)?,
        })
    }

    /// The public key of another region, if it is there.
    pub fn handover(&self, region: RegionId) -> Option<&PublicKey> {
        self.handover.iter().find(|key| key.region() == region)
    }

    /// Makes the keys that a directory lacks; those that are there stay.
    pub fn make(dir: &Path, regions: impl Iterator<Item = RegionId>) -> Result<(), KeyError> {
        let regions: Vec<RegionId> = regions.collect();
        fs::create_dir_all(dir).map_err(|error| failed("making", dir, &error))?;
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700))
            .map_err(|error| failed("protecting", dir, &error))?;
        let evidence = regions.iter().map(|region| format!("evidence-{region}.key"));
        let names = ["offer.key", "directory.key", CALLBACKS_PAYMENTS, CALLBACKS_AIRLINE]
            .map(str::to_owned)
            .into_iter()
            .chain(regions.iter().map(|region| format!("region-{region}.key")))
            .chain(evidence);
        for name in names {
            let path = dir.join(name);
            if !path.exists() {
                write(&path, &random()?)?;
            }
        }
        for region in regions {
            let path = dir.join(format!("region-{region}.pub"));
            if !path.exists() {
                write(&path, &region_key(dir, region)?.public().to_bytes())?;
            }
            let path = dir.join(format!("evidence-{region}.pub"));
            if !path.exists() {
                let line = format!("{}\n", evidence_key(dir, region)?.public().to_text());
                write(&path, line.as_bytes())?;
            }
        }
        Ok(())
    }
}

impl HandoverKeys {
    /// Reads the key of the region that travellers leave, and the public keys that are there.
    pub fn load(dir: &Path, registry: Registry, old: RegionId) -> Result<Self, KeyError> {
        Ok(Self { old: region_key(dir, old)?, new: public_keys(dir, registry, old)? })
    }

    /// The public key of a region, if it is there.
    pub fn of(&self, region: RegionId) -> Option<&PublicKey> {
        self.new.iter().find(|key| key.region() == region)
    }
}

/// Reads what other companies sign their callbacks with, as far as it is there.
pub fn callbacks(dir: &Path) -> Result<CallbackSecrets, KeyError> {
    let secret = |name| {
        let path = dir.join(name);
        if !path.exists() {
            return Ok(None);
        }
        Ok(Secret::from_bytes(read(&path)?.to_vec()))
    };
    Ok(CallbackSecrets {
        payments: secret(CALLBACKS_PAYMENTS)?,
        airline: secret(CALLBACKS_AIRLINE)?,
    })
}

/// The key of the log-in directory, which every region has.
pub fn directory_key(dir: &Path) -> Result<DirectoryKey, KeyError> {
    Ok(DirectoryKey(read(&dir.join("directory.key"))?))
}

/// What a region signs its evidence with.
pub fn evidence_key(dir: &Path, region: RegionId) -> Result<Signer, KeyError> {
    Ok(Signer::from_seed(read(&dir.join(format!("evidence-{region}.key")))?))
}

/// The public keys of all other regions that are there.
fn public_keys(dir: &Path, registry: Registry, own: RegionId) -> Result<Vec<PublicKey>, KeyError> {
    let mut keys = Vec::new();
    for region in registry.all().filter(|region| *region != own) {
        let path = dir.join(format!("region-{region}.pub"));
        if path.exists() {
            let bytes = fs::read(&path).map_err(|error| failed("reading", &path, &error))?;
            let key = PublicKey::from_bytes(region, &bytes).map_err(|_| {
                KeyError(format!("{} is no public key; copy it again", path.display()))
            })?;
            keys.push(key);
        }
    }
    Ok(keys)
}

/// A region's keys: the one that wraps, the next one, and those that were before it.
fn region_key(dir: &Path, region: RegionId) -> Result<RegionKey, KeyError> {
    let present = Zeroizing::new(read(&dir.join(format!("region-{region}.key")))?);
    let mut others = Vec::new();
    for path in other_keys(dir, region)? {
        others.push(Zeroizing::new(read(&path)?));
    }
    let keys = FileKeys::new(region, &present, &others);
    Ok(RegionKey::of(region, Arc::new(keys)))
}

/// The files of a region's keys that only open: `region-<name>.next.key`, `region-<name>.<n>.key`.
fn other_keys(dir: &Path, region: RegionId) -> Result<Vec<PathBuf>, KeyError> {
    let begin = format!("region-{region}.");
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(|error| failed("reading", dir, &error))? {
        let path = entry.map_err(|error| failed("reading", dir, &error))?.path();
        let name = path.file_name().map(|it| it.to_string_lossy().into_owned());
        let number = name.as_deref().and_then(|it| it.strip_prefix(&begin)?.strip_suffix(".key"));
        let other = number.is_some_and(|it| it == NEXT || it.parse::<u32>().is_ok());
        if other {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// What a rotation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rotated {
    /// The next key was made; nodes must have it before it wraps anything.
    Made(PathBuf),
    /// The next key wraps from now on; the old one still opens, from this file.
    Swapped(PathBuf),
}

/// Rotates a region's key, a step at a time: first the next key is made, and when every node has it
/// this is asked again and it takes the place of the present one.
pub fn rotate(dir: &Path, region: RegionId) -> Result<Rotated, KeyError> {
    let present = dir.join(format!("region-{region}.key"));
    read(&present)?;
    let next = dir.join(format!("region-{region}.{NEXT}.key"));
    if !next.exists() {
        write(&next, &random()?)?;
        return Ok(Rotated::Made(next));
    }
    let public = RegionKey::new(region, read(&next)?).public().to_bytes();
    let number = other_keys(dir, region)?.len();
    let old = dir.join(format!("region-{region}.{number}.key"));
    // The old one gets a second name before it loses the first: at no moment is it gone.
    fs::hard_link(&present, &old).map_err(|error| failed("keeping", &old, &error))?;
    fs::rename(&next, &present).map_err(|error| failed("replacing", &present, &error))?;
    let path = dir.join(format!("region-{region}.pub"));
    let unfinished = dir.join(format!("region-{region}.pub.unfinished"));
    let written = fs::write(&unfinished, public).and_then(|()| fs::rename(&unfinished, &path));
    written.map_err(|error| failed("replacing", &path, &error))?;
    Ok(Rotated::Swapped(old))
}

fn failed(what: &str, path: &Path, error: &std::io::Error) -> KeyError {
    KeyError(format!("{what} {} failed: {error}", path.display()))
}

fn read(path: &Path) -> Result<[u8; KEY_BYTES], KeyError> {
    let advice = "make the keys with `meridian keys --dir DIR` and give each node its own";
    let meta = fs::metadata(path)
        .map_err(|error| KeyError(format!("no key {}: {error}; {advice}", path.display())))?;
    if meta.permissions().mode() & 0o077 != 0 {
        return Err(KeyError(format!(
            "{} may be read by others; run `chmod 600` on it and consider it known",
            path.display()
        )));
    }
    let bytes = fs::read(path).map_err(|error| failed("reading", path, &error))?;
    bytes.try_into().map_err(|_| {
        KeyError(format!("{} is not a key of {KEY_BYTES} bytes; {advice}", path.display()))
    })
}

fn random() -> Result<[u8; KEY_BYTES], KeyError> {
    let mut key = [0_u8; KEY_BYTES];
    getrandom::fill(&mut key)
        .map_err(|error| KeyError(format!("the system gave no randomness: {error}")))?;
    Ok(key)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), KeyError> {
    let mut file = fs::File::options()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| failed("writing", path, &error))?;
    file.write_all(bytes).map_err(|error| failed("writing", path, &error))
}
