//! Seals: AES-256-GCM-SIV (RFC 8452) under a data key per traveller, wrapped by the region's key.
//!
//! The associated data names table, column, row and region, so that a sealed value cannot be moved
//! to another place and still open. Destroying a traveller's wrapped key destroys all of it.
//!
//! A traveller who moves takes the data key along: the old home seals it to the new home's public
//! key (HPKE, RFC 9180: X25519, HKDF-SHA256, ChaCha20-Poly1305), so that no place ever holds the
//! keys of two regions.

use std::sync::Arc;

use aes_gcm_siv::aead::{Aead, KeyInit, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use hmac::{Hmac, Mac};
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{
    Deserializable, Kem, OpModeR, OpModeS, Serializable, single_shot_open, single_shot_seal,
};
use meridian_regions::RegionId;
use sha2::Sha256;
use uuid::Uuid;
use zeroize::Zeroizing;

/// Bytes of a nonce; it stands in front of what is sealed.
const NONCE_BYTES: usize = 12;
/// Bytes of a key.
const KEY_BYTES: usize = 32;
/// Bytes of an authentication tag; both ciphers have the same.
const TAG_BYTES: usize = 16;
/// Bytes of a public key, and of an encapsulated one.
pub const PUBLIC_BYTES: usize = 32;
/// Bytes of a data key that another region handed over: by its length it is told from one that this
/// region wrapped, which has a nonce in front instead of an encapsulated key.
const HANDED_OVER_BYTES: usize = PUBLIC_BYTES + KEY_BYTES + TAG_BYTES;
/// What a key is handed over for, so that no other use of a region's key pair can be confused with
/// it.
const HANDOVER: &[u8] = b"meridian: a traveller's data key";
/// What a data key is hashed over to stand for its traveller in the evidence.
const SUBJECT: &[u8] = b"meridian: a subject of evidence";
/// Bytes of that hash that are written: enough to tell all travellers apart.
const SUBJECT_BYTES: usize = 16;

/// A seal that did not open: another key, another place, or another byte.
#[derive(Debug, thiserror::Error)]
#[error("a sealed value did not open; the region's key is not the one it was sealed under")]
pub struct Broken;

/// Wraps and opens data keys: the one place that needs the keys of a region. The files of
/// [`FileKeys`] are the usual one; a key management service is another.
pub trait KeyService: Send + Sync {
    /// Wraps a data key for a place, under the present key.
    fn wrap(&self, place: &str, key: &[u8; KEY_BYTES]) -> Vec<u8>;
    /// Opens a data key that was wrapped for a place, under the present key or an older one.
    fn unwrap(&self, place: &str, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, Broken>;
    /// Whether a data key was wrapped for a place under the present key.
    fn is_present(&self, place: &str, wrapped: &[u8]) -> bool;
    /// What other regions may know of the present key.
    fn public(&self) -> &PublicKey;
}

/// A region's keys from files: one that wraps, and others that still open.
pub struct FileKeys {
    present: OneKey,
    others: Vec<OneKey>,
}

struct OneKey {
    cipher: Aes256GcmSiv,
    private: <X25519HkdfSha256 as Kem>::PrivateKey,
    public: PublicKey,
}

/// The key of a region.
#[derive(Clone)]
pub struct RegionKey {
    region: RegionId,
    service: Arc<dyn KeyService>,
}

/// What other regions may know of a region's key: enough to hand a traveller over to it.
#[derive(Clone)]
pub struct PublicKey {
    region: RegionId,
    key: <X25519HkdfSha256 as Kem>::PublicKey,
}

/// A traveller's key on its way to another region.
pub struct Handover {
    /// For the new home's database: only the new home opens it.
    pub wrapped: Vec<u8>,
    /// Opens what is sealed in the old home.
    pub old: DataKey,
    /// Seals for the new home.
    pub new: DataKey,
}

/// The key of a traveller, unwrapped.
pub struct DataKey {
    region: RegionId,
    cipher: Aes256GcmSiv,
    tags: Hmac<Sha256>,
}

/// Where a sealed value stands.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Table.
    pub table: &'static str,
    /// Column.
    pub column: &'static str,
    /// Row.
    pub row: Uuid,
}

impl OneKey {
    fn new(region: RegionId, bytes: &Zeroizing<[u8; KEY_BYTES]>) -> Self {
        let (private, key) = X25519HkdfSha256::derive_keypair(bytes.as_ref());
        let public = PublicKey { region, key };
        Self { cipher: Aes256GcmSiv::new(bytes.as_ref().into()), private, public }
    }

    fn open(&self, place: &str, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, Broken> {
        if wrapped.len() != HANDED_OVER_BYTES {
            return open(&self.cipher, wrapped, place);
        }
        let (encapped, sealed) = wrapped.split_at(PUBLIC_BYTES);
        let encapped = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(encapped);
        single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &self.private,
            &encapped.map_err(|_| Broken)?,
            HANDOVER,
            sealed,
            place.as_bytes(),
        )
        .map(Zeroizing::new)
        .map_err(|_| Broken)
    }
}

impl FileKeys {
    /// The present key of a region, and others that still open what they wrapped.
    pub fn new(
        region: RegionId,
        present: &Zeroizing<[u8; KEY_BYTES]>,
        others: &[Zeroizing<[u8; KEY_BYTES]>],
    ) -> Self {
        let others = others.iter().map(|bytes| OneKey::new(region, bytes)).collect();
        Self { present: OneKey::new(region, present), others }
    }
}

impl KeyService for FileKeys {
    fn wrap(&self, place: &str, key: &[u8; KEY_BYTES]) -> Vec<u8> {
        seal(&self.present.cipher, key, place)
    }

    fn unwrap(&self, place: &str, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, Broken> {
        // A wrapped key is authentic under one key only, so trying tells which one it was.
        let mut all = std::iter::once(&self.present).chain(&self.others);
        all.find_map(|key| key.open(place, wrapped).ok()).ok_or(Broken)
    }

    fn is_present(&self, place: &str, wrapped: &[u8]) -> bool {
        wrapped.len() != HANDED_OVER_BYTES && self.present.open(place, wrapped).is_ok()
    }

    fn public(&self) -> &PublicKey {
        &self.present.public
    }
}

impl RegionKey {
    /// A key from its bytes.
    pub fn new(region: RegionId, bytes: [u8; KEY_BYTES]) -> Self {
        let keys = FileKeys::new(region, &Zeroizing::new(bytes), &[]);
        Self::of(region, Arc::new(keys))
    }

    /// A key that a service keeps.
    pub fn of(region: RegionId, service: Arc<dyn KeyService>) -> Self {
        Self { region, service }
    }

    /// The region that it belongs to.
    pub fn region(&self) -> RegionId {
        self.region
    }

    /// What other regions may know of it.
    pub fn public(&self) -> &PublicKey {
        self.service.public()
    }

    /// A new traveller's key, and its wrapped form for the database.
    pub fn make_data_key(&self, traveller: Uuid) -> (DataKey, Vec<u8>) {
        let mut bytes = Zeroizing::new([0_u8; KEY_BYTES]);
        getrandom::fill(bytes.as_mut()).expect("the system gives randomness");
        let wrapped = self.service.wrap(&wrapping(self.region, traveller), &bytes);
        (data_key(self.region, &bytes), wrapped)
    }

    /// A traveller's key from its wrapped form.
    pub fn unwrap_data_key(&self, traveller: Uuid, wrapped: &[u8]) -> Result<DataKey, Broken> {
        let bytes = self.unwrap(traveller, wrapped)?;
        Ok(data_key(self.region, as_key(&bytes)?))
    }

    /// A traveller's key wrapped anew under the present key; `None` when it is already.
    pub fn rewrap(&self, traveller: Uuid, wrapped: &[u8]) -> Result<Option<Vec<u8>>, Broken> {
        let place = wrapping(self.region, traveller);
        if self.service.is_present(&place, wrapped) {
            return Ok(None);
        }
        let bytes = self.service.unwrap(&place, wrapped)?;
        Ok(Some(self.service.wrap(&place, as_key(&bytes)?)))
    }

    /// A traveller's key for another home: the same key, sealed to that home and to no other.
    pub fn hand_over(
        &self,
        traveller: Uuid,
        wrapped: &[u8],
        to: &PublicKey,
    ) -> Result<Handover, Broken> {
        let bytes = self.unwrap(traveller, wrapped)?;
        let place = wrapping(to.region, traveller);
        let (encapped, sealed) =
            single_shot_seal::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
                &OpModeS::Base,
                &to.key,
                HANDOVER,
                &bytes,
                place.as_bytes(),
            )
            .map_err(|_| Broken)?;
        Ok(Handover {
            wrapped: [encapped.to_bytes().as_slice(), &sealed].concat(),
            old: data_key(self.region, as_key(&bytes)?),
            new: data_key(to.region, as_key(&bytes)?),
        })
    }

    fn unwrap(&self, traveller: Uuid, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, Broken> {
        self.service.unwrap(&wrapping(self.region, traveller), wrapped)
    }
}

impl PublicKey {
    /// A region's public key from its bytes.
    pub fn from_bytes(region: RegionId, bytes: &[u8]) -> Result<Self, Broken> {
        let key = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(bytes).map_err(|_| Broken)?;
        Ok(Self { region, key })
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.key.to_bytes().to_vec()
    }

    /// The region that opens what is sealed to it.
    pub fn region(&self) -> RegionId {
        self.region
    }
}

fn data_key(region: RegionId, bytes: &[u8; KEY_BYTES]) -> DataKey {
    DataKey { region, cipher: Aes256GcmSiv::new(bytes.into()), tags: keyed(bytes) }
}

fn keyed(bytes: &[u8; KEY_BYTES]) -> Hmac<Sha256> {
    <Hmac<Sha256> as Mac>::new_from_slice(bytes).expect("HMAC takes any key length")
}

fn as_key(bytes: &[u8]) -> Result<&[u8; KEY_BYTES], Broken> {
    bytes.try_into().map_err(|_| Broken)
}

impl DataKey {
    /// What stands for this traveller in the evidence, in every home: a keyed hash that nobody can
    /// lead back to them once this key is destroyed.
    pub fn subject(&self) -> String {
        let tag = self.tag(SUBJECT, &[]);
        tag.iter().take(SUBJECT_BYTES).map(|byte| format!("{byte:02x}")).collect()
    }

    /// A keyed hash of a message, for one purpose.
    pub fn tag(&self, purpose: &[u8], message: &[u8]) -> [u8; 32] {
        self.keyed(purpose, message).finalize().into_bytes().into()
    }

    /// Whether a keyed hash is of this message, in a time that tells nothing.
    pub fn is_tag(&self, purpose: &[u8], message: &[u8], tag: &[u8]) -> bool {
        self.keyed(purpose, message).verify_slice(tag).is_ok()
    }

    /// The length goes first, so that no purpose runs into its message.
    fn keyed(&self, purpose: &[u8], message: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.tags.clone();
        mac.update(&(purpose.len() as u64).to_be_bytes());
        mac.update(purpose);
        mac.update(message);
        mac
    }

    /// Seals bytes for one place.
    pub fn seal_bytes(&self, place: Place, value: &[u8]) -> Vec<u8> {
        seal(&self.cipher, value, &address(self.region, place))
    }

    /// Opens bytes of one place.
    pub fn open_bytes(&self, place: Place, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Broken> {
        open(&self.cipher, sealed, &address(self.region, place))
    }

    /// Seals a value for one place.
    pub fn seal(&self, place: Place, value: &str) -> Vec<u8> {
        seal(&self.cipher, value.as_bytes(), &address(self.region, place))
    }

    /// Opens a value of one place.
    pub fn open(&self, place: Place, sealed: &[u8]) -> Result<Zeroizing<String>, Broken> {
        let bytes = open(&self.cipher, sealed, &address(self.region, place))?;
        std::str::from_utf8(&bytes).map(|text| Zeroizing::new(text.to_owned())).map_err(|_| Broken)
    }
}

fn wrapping(region: RegionId, traveller: Uuid) -> String {
    address(region, Place { table: "traveller", column: "data_key", row: traveller })
}

fn address(region: RegionId, place: Place) -> String {
    format!("{}/{}/{}/{}", region.name, place.table, place.column, place.row)
}

fn seal(cipher: &Aes256GcmSiv, plain: &[u8], address: &str) -> Vec<u8> {
    let mut nonce = [0_u8; NONCE_BYTES];
    getrandom::fill(&mut nonce).expect("the system gives randomness");
    let payload = Payload { msg: plain, aad: address.as_bytes() };
    let sealed = cipher.encrypt(&Nonce::from(nonce), payload).expect("values are short");
    [nonce.as_slice(), &sealed].concat()
}

fn open(cipher: &Aes256GcmSiv, sealed: &[u8], address: &str) -> Result<Zeroizing<Vec<u8>>, Broken> {
    let (nonce, body) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(Broken)?;
    let payload = Payload { msg: body, aad: address.as_bytes() };
    cipher.decrypt(&Nonce::from(*nonce), payload).map(Zeroizing::new).map_err(|_| Broken)
}

#[cfg(test)]
mod tests {
    use meridian_regions::Registry;

    use super::*;

    #[test]
    fn a_seal_opens_only_in_its_place_and_region() {
        let registry = Registry::embedded().expect("embedded regions");
        let region = |name| registry.by_name(name).expect("a shipped region");
        let key = RegionKey::new(region("eu-central"), [1; 32]);
        let traveller = Uuid::from_u128(1);
        let (data_key, wrapped) = key.make_data_key(traveller);
        let place = Place { table: "order_passenger", column: "family_name", row: traveller };
        let sealed = data_key.seal(place, "Lovelace");
        assert!(!sealed.windows(8).any(|window| window == b"Lovelace"));

        let again = key.unwrap_data_key(traveller, &wrapped).expect("its own key");
        assert_eq!(again.open(place, &sealed).expect("its own place").as_str(), "Lovelace");
        for moved in [
            Place { column: "given_name", ..place },
            Place { table: "traveller", ..place },
            Place { row: Uuid::from_u128(2), ..place },
        ] {
            assert!(again.open(moved, &sealed).is_err());
        }
        assert!(key.unwrap_data_key(Uuid::from_u128(2), &wrapped).is_err());
        let other = RegionKey::new(region("us-east"), [1; 32]);
        assert!(other.unwrap_data_key(traveller, &wrapped).is_err());
        assert!(again.open(place, &sealed[..11]).is_err());
    }

    #[test]
    fn a_new_key_wraps_and_the_old_one_still_opens_until_it_is_taken_away() {
        let registry = Registry::embedded().expect("embedded regions");
        let home = registry.by_name("eu-central").expect("a shipped region");
        let bytes = |byte| Zeroizing::new([byte; KEY_BYTES]);
        let (old, traveller) = (RegionKey::new(home, [1; 32]), Uuid::from_u128(1));
        let (_, wrapped) = old.make_data_key(traveller);
        let both = FileKeys::new(home, &bytes(2), &[bytes(1)]);
        let both = RegionKey::of(home, Arc::new(both));
        assert!(both.unwrap_data_key(traveller, &wrapped).is_ok());
        let anew =
            both.rewrap(traveller, &wrapped).expect("it opens").expect("it was the old one's");
        assert!(both.rewrap(traveller, &anew).expect("it opens").is_none(), "once is enough");
        assert!(old.unwrap_data_key(traveller, &anew).is_err());
        let new = RegionKey::new(home, [2; 32]);
        assert!(new.unwrap_data_key(traveller, &anew).is_ok());
        assert!(new.unwrap_data_key(traveller, &wrapped).is_err());
        // What another region handed over is wrapped as the region's own.
        let other = RegionKey::new(registry.by_name("eu-west").expect("shipped"), [3; 32]);
        let (_, theirs) = other.make_data_key(traveller);
        let over = other.hand_over(traveller, &theirs, both.public()).expect("its own key");
        let own =
            both.rewrap(traveller, &over.wrapped).expect("sealed to it").expect("not its own");
        assert!(new.unwrap_data_key(traveller, &own).is_ok());
    }

    #[test]
    fn a_key_that_is_handed_over_opens_in_its_new_home_and_nowhere_else() {
        let registry = Registry::embedded().expect("embedded regions");
        let key = |name, byte| {
            RegionKey::new(registry.by_name(name).expect("a shipped region"), [byte; 32])
        };
        let (old, new, third) = (key("eu-west", 1), key("eu-central", 2), key("us-east", 3));
        let traveller = Uuid::from_u128(1);
        let place = Place { table: "traveller", column: "email", row: traveller };
        let (data_key, wrapped) = old.make_data_key(traveller);
        let sealed = data_key.seal(place, "ada@example.org");

        let public = PublicKey::from_bytes(new.region(), &new.public().to_bytes());
        let over = old.hand_over(traveller, &wrapped, &public.expect("its own bytes"));
        let over = over.expect("its own key");
        let text = over.old.open(place, &sealed).expect("sealed in the old home");
        let moved = over.new.seal(place, &text);

        let there = new.unwrap_data_key(traveller, &over.wrapped).expect("sealed to it");
        assert_eq!(there.open(place, &moved).expect("its own place").as_str(), "ada@example.org");
        assert!(there.open(place, &sealed).is_err(), "the old home's seals stay the old home's");
        assert!(old.unwrap_data_key(traveller, &over.wrapped).is_err());
        assert!(third.unwrap_data_key(traveller, &over.wrapped).is_err());
        assert!(new.unwrap_data_key(Uuid::from_u128(2), &over.wrapped).is_err());
        let back = new.hand_over(traveller, &over.wrapped, old.public()).expect("and back again");
        assert!(old.unwrap_data_key(traveller, &back.wrapped).is_ok());
        let mut flipped = over.wrapped.clone();
        flipped[40] ^= 1;
        assert!(new.unwrap_data_key(traveller, &flipped).is_err());
    }
}
