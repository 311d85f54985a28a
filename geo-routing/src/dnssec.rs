//! DNSSEC (RFC 4033 to 4035): the key of a zone, signatures, and proofs of what is not there.
//!
//! Answers are signed when their bytes are prepared; only the proof that a name does not exist is
//! made when it is asked for, by covering as little as can be (RFC 4470), so the zone cannot be
//! walked. One key does all the signing; a second one may be published beside it for a roll-over.

use std::fmt;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hickory_proto::dnssec::crypto::EcdsaSigningKey;
use hickory_proto::dnssec::rdata::sig::SigInput;
use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, DS, NSEC, RRSIG};
use hickory_proto::dnssec::{Algorithm, DigestType, SigningKey, TBS};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType, SerialNumber};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;

/// The only algorithm: ECDSA on P-256 with SHA-256 (RFC 6605), which every validator knows and
/// whose signatures are short.
const ALGORITHM: Algorithm = Algorithm::ECDSAP256SHA256;

/// How long a signature holds. Grounds are compiled anew every day, long before it ends.
const VALID_FOR: Duration = Duration::from_secs(7 * 86_400);
/// How far a validator's clock may be behind ours.
const CLOCK_SKEW: Duration = Duration::from_secs(3600);

/// Longest label in bytes (RFC 1035, 2.3.4).
const LABEL_BYTES_MAX: usize = 63;

/// Readable by everybody; a key must not be.
#[cfg(unix)]
const OTHERS: u32 = 0o007;

/// What is wrong with a key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("key file {path}: {error}; make one with: geo-routing keygen --zone {zone} --dir DIR")]
    File {
        /// The file.
        path: String,
        /// The reason.
        error: std::io::Error,
        /// The zone it is for.
        zone: String,
    },
    /// Anybody could read it.
    #[error("key file {0} can be read by everybody; do: chmod 600 {0}")]
    Open(String),
    /// It holds something else.
    #[error("key file {0} holds no ECDSA P-256 key in PKCS #8 PEM: {1}")]
    Shape(String, String),
    /// Not a zone's name.
    #[error("\"{0}\" is no zone's name: {1}; write meridian.example.")]
    Zone(String, String),
    /// It is there already.
    #[error("key file {0} is there already; move it away, validators may still trust it")]
    Exists(String),
}

/// The keys of one zone.
pub(crate) struct Keys {
    key: EcdsaSigningKey,
    dnskey: DNSKEY,
    signer: Name,
    tag: u16,
    /// Published, and not signed with: the key before or the key to come.
    others: Vec<DNSKEY>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({}, {})", self.signer, self.tag)
    }
}

/// What a parent zone and a validator are told of a key, in the form of zone files.
#[derive(Clone, Debug)]
pub struct Published {
    /// For the parent zone.
    pub ds: String,
    /// For a trust anchor.
    pub dnskey: String,
    /// Where the key is.
    pub path: PathBuf,
}

impl Keys {
    /// The key of a zone from `ZONE.pem` in a directory, and from `ZONE.*.pem` those to publish.
    pub(crate) fn load(dir: &Path, zone: &Name) -> Result<Self, KeyError> {
        let stem = stem(zone);
        let (key, dnskey) = read(&dir.join(format!("{stem}.pem")), zone)?;
        let mut others = Vec::new();
        let mut paths: Vec<PathBuf> = fs::read_dir(dir)
            .map_err(|error| file_error(dir, zone, error))?
            .flatten()
            .map(|entry| entry.path())
            .collect();
        paths.sort();
        for path in paths {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let rest = name.strip_prefix(&stem).and_then(|rest| rest.strip_suffix(".pem"));
            if rest.is_some_and(|rest| rest.len() > 1 && rest.starts_with('.')) {
                others.push(read(&path, zone)?.1);
            }
        }
        let tag = dnskey.calculate_key_tag().expect("a key of ours can be encoded");
        Ok(Self { key, dnskey, signer: zone.clone(), tag, others })
    }

    /// Makes a key for a zone and says what to publish of it.
    fn make(dir: &Path, zone: &Name) -> Result<Published, KeyError> {
        let path = dir.join(format!("{}.pem", stem(zone)));
        fs::create_dir_all(dir).map_err(|error| file_error(dir, zone, error))?;
        let der = EcdsaSigningKey::generate_pkcs8(ALGORITHM).expect("the system has randomness");
        let body = STANDARD.encode(der.secret_pkcs8_der());
        let lines: Vec<&str> =
            body.as_bytes().chunks(64).map(|it| std::str::from_utf8(it).unwrap_or("")).collect();
        let lines = lines.join("\n");
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{lines}\n-----END PRIVATE KEY-----\n");
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let written = options.open(&path).and_then(|mut file| file.write_all(pem.as_bytes()));
        match written {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                Err(KeyError::Exists(path.display().to_string()))
            }
            Err(error) => Err(file_error(&path, zone, error)),
            Ok(()) => Self::load(dir, zone)?.published(path),
        }
    }

    fn published(&self, path: PathBuf) -> Result<Published, KeyError> {
        let shape = |error: String| KeyError::Shape(path.display().to_string(), error);
        let public = self.key.to_public_key().map_err(|error| shape(error.to_string()))?;
        let ds = DS::from_key(&public, &self.signer, DigestType::SHA256)
            .map_err(|error| shape(error.to_string()))?;
        let zone = &self.signer;
        Ok(Published {
            ds: format!("{zone} IN DS {ds}"),
            dnskey: format!("{zone} IN DNSKEY {}", self.dnskey),
            path,
        })
    }

    /// The DNSKEY records of the apex.
    pub(crate) fn dnskeys(&self) -> Vec<RData> {
        let keys = std::iter::once(&self.dnskey).chain(&self.others).cloned();
        keys.map(|key| RData::DNSSEC(DNSSECRData::DNSKEY(key))).collect()
    }

    /// Signs the records of one name and type.
    pub(crate) fn sign(&self, owner: &Name, ttl: u32, data: &[RData], now: SystemTime) -> RData {
        let since_1970 = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        // Serial number arithmetic (RFC 4034, 3.1.5) lets seconds wrap around in 2106.
        let seconds = |time: Duration| SerialNumber::new(time.as_secs() as u32);
        let records: Vec<Record> =
            data.iter().map(|data| Record::from_rdata(owner.clone(), ttl, data.clone())).collect();
        let input = SigInput {
            type_covered: data.first().map_or(RecordType::NULL, RData::record_type),
            algorithm: ALGORITHM,
            num_labels: owner.num_labels(),
            original_ttl: ttl,
            sig_expiration: seconds(since_1970 + VALID_FOR),
            sig_inception: seconds(since_1970.saturating_sub(CLOCK_SKEW)),
            key_tag: self.tag,
            signer_name: self.signer.clone(),
        };
        let signed = TBS::from_input(owner, DNSClass::IN, &input, records.iter())
            .expect("records of a checked zone can be encoded");
        let signature = self.key.sign(&signed).expect("the key was read, and randomness is there");
        RData::DNSSEC(DNSSECRData::RRSIG(RRSIG::from_sig(input, signature)))
    }
}

/// Makes `DIR/ZONE.pem`, the key of a zone, and says what to publish of it.
pub fn make_key(dir: &Path, zone: &str) -> Result<Published, KeyError> {
    let mut name = Name::from_ascii(zone)
        .map_err(|error| KeyError::Zone(zone.to_owned(), error.to_string()))?;
    name.set_fqdn(true);
    Keys::make(dir, &name.to_lowercase())
}

fn stem(zone: &Name) -> String {
    zone.to_lowercase().to_ascii().trim_end_matches('.').to_owned()
}

fn file_error(path: &Path, zone: &Name, error: std::io::Error) -> KeyError {
    KeyError::File { path: path.display().to_string(), error, zone: zone.to_ascii() }
}

fn read(path: &Path, zone: &Name) -> Result<(EcdsaSigningKey, DNSKEY), KeyError> {
    let shown = path.display().to_string();
    let bytes = fs::read(path).map_err(|error| file_error(path, zone, error))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(path).map_err(|error| file_error(path, zone, error))?;
        if mode.permissions().mode() & OTHERS != 0 {
            return Err(KeyError::Open(shown));
        }
    }
    let shape = |error: String| KeyError::Shape(shown.clone(), error);
    let der =
        PrivatePkcs8KeyDer::from_pem_slice(&bytes).map_err(|error| shape(error.to_string()))?;
    let key = EcdsaSigningKey::from_pkcs8(&der, ALGORITHM).map_err(|it| shape(it.to_string()))?;
    let public = key.to_public_key().map_err(|error| shape(error.to_string()))?;
    Ok((key, DNSKEY::from_key(&public)))
}

/// The proof of which types a name has: from the name itself to the very next one.
pub(crate) fn nodata(name: &Name, ttl: u32, types: &[RecordType]) -> Record {
    let next = name.prepend_label(&[0_u8][..]).expect("the zone leaves room for a label");
    nsec(name.clone(), ttl, next, types)
}

/// The closest encloser of a name that does not exist (RFC 4592, 3.3.1): the longest part of it
/// that does.
pub(crate) struct Encloser<'a> {
    pub(crate) name: Name,
    /// The types it has, for when the gap begins right behind it.
    pub(crate) types: &'a [RecordType],
    /// The apex of its zone.
    pub(crate) origin: &'a Name,
}

/// The proof that a name does not exist: nothing is there between what stands just before it and
/// just after all that could lie below it, and nothing at the wildcard that could stand for it.
pub(crate) fn nxdomain(name: &Name, encloser: &Encloser<'_>, ttl: u32) -> Vec<Record> {
    let below = name.iter().count() - encloser.name.iter().count();
    let next_closer = name.iter().nth(below.saturating_sub(1)).unwrap_or_default();
    let mut proofs = vec![gap(next_closer, encloser, ttl)];
    let wildcard = gap(b"*", encloser, ttl);
    if proofs[0].name != wildcard.name {
        proofs.push(wildcard);
    }
    proofs
}

/// Covers one label below an encloser and everything under it.
fn gap(label: &[u8], encloser: &Encloser<'_>, ttl: u32) -> Record {
    let label = label.to_ascii_lowercase();
    let next = after(&label, &encloser.name, encloser.origin);
    match before(&label, &encloser.name) {
        Some(owner) => nsec(owner, ttl, next, &[]),
        None => nsec(encloser.name.clone(), ttl, next, encloser.types),
    }
}

fn nsec(owner: Name, ttl: u32, next: Name, types: &[RecordType]) -> Record {
    let nsec = NSEC::new_cover_self(next, types.iter().copied());
    Record::from_rdata(owner, ttl, RData::DNSSEC(DNSSECRData::NSEC(nsec)))
}

/// A name just before `label` in canonical order (RFC 4034, 6.1), behind every name of a zone that
/// is: none of those holds a byte 255, as zone files are ASCII. `None` if that is the encloser
/// itself.
fn before(label: &[u8], encloser: &Name) -> Option<Name> {
    let (last, head) = label.split_last().expect("a label has a byte");
    let below = |label: &[u8]| {
        let sibling = encloser.prepend_label(label).expect("it is no longer than what was asked");
        // A name that leaves no room for a label is longer than any of a zone file.
        sibling.prepend_label(&[u8::MAX][..]).unwrap_or(sibling)
    };
    if *last == 0 {
        // Behind what lies below the name without the zero byte, so as not to speak for that name.
        return (!head.is_empty()).then(|| below(head));
    }
    let mut sibling = head.to_vec();
    // Upper case sorts as lower case does, so the byte before "[" is "@".
    sibling.push(if *last == b'[' { b'@' } else { *last - 1 });
    let mut padded = sibling.clone();
    padded.push(u8::MAX);
    let padded = (padded.len() <= LABEL_BYTES_MAX).then(|| encloser.prepend_label(&padded[..]));
    Some(padded.and_then(Result::ok).unwrap_or_else(|| below(&sibling)))
}

/// The first name behind `label` and all that lies below it; the apex if that is outside the zone.
fn after(label: &[u8], encloser: &Name, origin: &Name) -> Name {
    let mut longer = label.to_vec();
    longer.push(0);
    if longer.len() <= LABEL_BYTES_MAX
        && let Ok(name) = encloser.prepend_label(&longer[..])
    {
        return name;
    }
    let mut label = label.to_vec();
    while label.last() == Some(&u8::MAX) {
        label.pop();
    }
    match label.last_mut() {
        Some(last) => {
            // Behind "@" comes "[" in canonical order.
            *last = if *last == b'@' { b'[' } else { *last + 1 };
            encloser.prepend_label(&label[..]).expect("it is no longer than what was asked")
        }
        // Nothing at this level is behind a label full of 255; what is behind the encloser is.
        None => match encloser.iter().next().filter(|_| encloser != origin) {
            Some(up) => after(&up.to_ascii_lowercase(), &encloser.base_name(), origin),
            None => origin.clone(),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use proptest::prelude::*;

    use super::*;

    fn name(labels: &[&[u8]]) -> Name {
        Name::from_labels(labels.iter().copied()).expect("the labels are in order")
    }

    /// RFC 4034, 6.1, with the end of the zone behind everything in it.
    fn covers(owner: &Name, next: &Name, origin: &Name, asked: &Name) -> bool {
        owner.cmp(asked) == Ordering::Less && (asked < next || next == origin)
    }

    #[test]
    fn the_edges_of_the_order_are_proven_too() {
        let origin = name(&[b"zone"]);
        let full = [u8::MAX; LABEL_BYTES_MAX];
        let long = [b'a'; LABEL_BYTES_MAX];
        let mut neighbour = long;
        neighbour[LABEL_BYTES_MAX - 1] = b'b';
        for label in
            [&b"\0"[..], b"www\0", b"[", b"@", &full, &neighbour, b"*", b"a", b"\xff", b"z"]
        {
            let asked = name(&[b"x", label, b"zone"]);
            let encloser = Encloser { name: origin.clone(), types: &[], origin: &origin };
            for proof in nxdomain(&asked, &encloser, 60) {
                let RData::DNSSEC(DNSSECRData::NSEC(nsec)) = &proof.data else { panic!("no NSEC") };
                let next = nsec.next_domain_name();
                let wildcard = name(&[b"*", b"zone"]);
                let either = [&asked, &wildcard];
                let covered = |it: &&&Name| covers(&proof.name, next, &origin, it);
                assert!(either.iter().any(|it| covered(&it)), "{} {next} {asked}", proof.name);
                for there in [&b"www"[..], b"api", &long, b"b"] {
                    let there = name(&[there, b"zone"]);
                    assert!(!covers(&proof.name, next, &origin, &there) && proof.name != there);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_gap_covers_the_label_and_all_below_it(
            label in proptest::collection::vec(any::<u8>(), 1..=LABEL_BYTES_MAX),
            below in proptest::collection::vec(any::<u8>(), 1..=20),
        ) {
            let origin = name(&[b"zone"]);
            let encloser = Encloser { name: origin.clone(), types: &[], origin: &origin };
            let proof = gap(&label, &encloser, 60);
            let RData::DNSSEC(DNSSECRData::NSEC(nsec)) = &proof.data else { panic!("no NSEC") };
            for asked in [name(&[&label, b"zone"]), name(&[&below, &label, b"zone"])] {
                let asked = asked.to_lowercase();
                prop_assert!(covers(&proof.name, nsec.next_domain_name(), &origin, &asked));
            }
        }
    }
}
