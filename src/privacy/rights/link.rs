//! A link to a traveller's copy: for one request, one download and ten minutes, under their own
//! data key. Whoever sees it later has nothing.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};

use crate::domain::ids::RequestId;
use crate::privacy::seal::DataKey;

/// How long a link counts.
const LIFE: SignedDuration = SignedDuration::from_mins(10);
/// What a data key hashes a link for.
const PURPOSE: &[u8] = b"meridian: a link to a copy";

/// What a link says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Which download it is: 0 for the first.
    pub serial: i64,
    expires: i64,
}

/// Why a link opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoLink {
    /// Nobody here made it, or not for this.
    Forged,
    /// Its time is over.
    Expired,
}

fn message(request: RequestId, serial: i64, expires: i64) -> Vec<u8> {
    let (serial, expires) = (serial.to_be_bytes(), expires.to_be_bytes());
    [request.uuid().as_bytes().as_slice(), &serial, &expires].concat()
}

/// A link for the next download of a request.
pub fn make(key: &DataKey, request: RequestId, serial: i64, now: Timestamp) -> String {
    let expires = now.saturating_add(LIFE).map_or(i64::MAX, Timestamp::as_second);
    let tag = key.tag(PURPOSE, &message(request, serial, expires));
    let (serial, expires) = (serial.to_be_bytes(), expires.to_be_bytes());
    URL_SAFE_NO_PAD.encode([serial.as_slice(), &expires, &tag].concat())
}

/// What a link says, if it was made here for this request and its time is not over.
pub fn read(key: &DataKey, request: RequestId, text: &str, now: Timestamp) -> Result<Link, NoLink> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| NoLink::Forged)?;
    let (serial, rest) = bytes.split_first_chunk::<8>().ok_or(NoLink::Forged)?;
    let (expires, tag) = rest.split_first_chunk::<8>().ok_or(NoLink::Forged)?;
    let (serial, expires) = (i64::from_be_bytes(*serial), i64::from_be_bytes(*expires));
    if !key.is_tag(PURPOSE, &message(request, serial, expires), tag) {
        return Err(NoLink::Forged);
    }
    if expires < now.as_second() {
        return Err(NoLink::Expired);
    }
    Ok(Link { serial, expires })
}

#[cfg(test)]
mod tests {
    use meridian_regions::Registry;

    use super::*;
    use crate::privacy::seal::RegionKey;

    #[test]
    fn a_link_counts_for_its_request_and_its_time() {
        let registry = Registry::embedded().expect("embedded regions");
        let home = registry.by_name("eu-central").expect("a shipped region");
        let (key, _) = RegionKey::new(home, [1; 32]).make_data_key(uuid::Uuid::from_u128(1));
        let (other, _) = RegionKey::new(home, [1; 32]).make_data_key(uuid::Uuid::from_u128(2));
        let (request, now) = (RequestId::new(home), Timestamp::UNIX_EPOCH);
        let text = make(&key, request, 3, now);
        assert_eq!(read(&key, request, &text, now).map(|link| link.serial), Ok(3));
        let later = now + SignedDuration::from_mins(11);
        assert_eq!(read(&key, request, &text, later), Err(NoLink::Expired));
        assert_eq!(read(&key, RequestId::new(home), &text, now), Err(NoLink::Forged));
        assert_eq!(read(&other, request, &text, now), Err(NoLink::Forged));
        for at in 0..text.len() {
            let mut forged = text.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).expect("ASCII");
            assert_eq!(read(&key, request, &forged, now), Err(NoLink::Forged), "byte {at}");
        }
        assert_eq!(read(&key, request, "", now), Err(NoLink::Forged));
    }
}
