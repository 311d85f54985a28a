//! Seals: AES-256-GCM-SIV (RFC 8452) under a data key per traveller, wrapped by the region's key.
//!
//! The associated data names table, column, row and region, so that a sealed value cannot be moved
//! to another place and still open. Destroying a traveller's wrapped key destroys all of it.

use aes_gcm_siv::aead::{Aead, KeyInit, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use meridian_regions::RegionId;
use uuid::Uuid;
use zeroize::Zeroizing;

/// Bytes of a nonce; it stands in front of what is sealed.
const NONCE_BYTES: usize = 12;
/// Bytes of a key.
const KEY_BYTES: usize = 32;

/// A seal that did not open: another key, another place, or another byte.
#[derive(Debug, thiserror::Error)]
#[error("a sealed value did not open; the region's key is not the one it was sealed under")]
pub struct Broken;

/// The key of a region.
#[derive(Clone)]
pub struct RegionKey {
    region: RegionId,
    cipher: Aes256GcmSiv,
}

/// The key of a traveller, unwrapped.
pub struct DataKey {
    region: RegionId,
    cipher: Aes256GcmSiv,
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

impl RegionKey {
    /// A key from its bytes.
    pub fn new(region: RegionId, bytes: [u8; KEY_BYTES]) -> Self {
        Self { region, cipher: Aes256GcmSiv::new(&bytes.into()) }
    }

    /// A new traveller's key, and its wrapped form for the database.
    pub fn make_data_key(&self, traveller: Uuid) -> (DataKey, Vec<u8>) {
        let mut bytes = Zeroizing::new([0_u8; KEY_BYTES]);
        getrandom::fill(bytes.as_mut()).expect("the system gives randomness");
        let wrapped = seal(&self.cipher, bytes.as_ref(), &wrapping(self.region, traveller));
        (self.data_key(&bytes), wrapped)
    }

    /// A traveller's key from its wrapped form.
    pub fn unwrap_data_key(&self, traveller: Uuid, wrapped: &[u8]) -> Result<DataKey, Broken> {
        let bytes = open(&self.cipher, wrapped, &wrapping(self.region, traveller))?;
        let bytes: &[u8; KEY_BYTES] = bytes.as_slice().try_into().map_err(|_| Broken)?;
        Ok(self.data_key(bytes))
    }

    fn data_key(&self, bytes: &[u8; KEY_BYTES]) -> DataKey {
        DataKey { region: self.region, cipher: Aes256GcmSiv::new(bytes.into()) }
    }
}

impl DataKey {
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
}
