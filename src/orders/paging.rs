//! Lists a page at a time. A cursor is the place of the last order of a page, under a message
//! authentication code that also covers whose list it is and how that is filtered: so it fits no
//! other list, and nobody makes one up.

use std::num::NonZeroU8;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::ids::TravellerId;
use crate::domain::offer::OfferKey;
use crate::domain::order::State;

/// Most orders of one page.
pub const LIMIT_MAX: u8 = 200;
/// Orders of a page unless told otherwise.
pub const LIMIT: NonZeroU8 = NonZeroU8::new(50).expect("not zero");
/// Bytes of a cursor before its code: microseconds and an id.
const PLACE_BYTES: usize = 24;

/// Which part of a list is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// How many at most.
    pub limit: NonZeroU8,
    /// Only orders in this state.
    pub state: Option<State>,
    /// Only what comes behind this place.
    pub after: Option<Cursor>,
}

/// A place in the list of orders, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// When the last order of the page was accepted.
    pub at: Timestamp,
    /// Its id.
    pub id: Uuid,
}

impl Page {
    /// The place behind which it begins.
    pub(super) fn behind(&self) -> (Timestamp, Uuid) {
        self.after.map_or((Timestamp::MAX, Uuid::nil()), |cursor| (cursor.at, cursor.id))
    }
}

impl Cursor {
    /// The place as text that stands for this list only.
    pub fn seal(&self, key: &OfferKey, traveller: TravellerId, state: Option<State>) -> String {
        let mut bytes = self.at.as_microsecond().to_be_bytes().to_vec();
        bytes.extend(self.id.as_bytes());
        let tag = key.tag(&list(traveller, state), &bytes);
        bytes.extend(tag);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The place behind a text; `None` for what we did not make for this list.
    pub fn open(
        text: &str,
        key: &OfferKey,
        traveller: TravellerId,
        state: Option<State>,
    ) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (place, tag) = bytes.split_at_checked(PLACE_BYTES)?;
        if !key.verify(&list(traveller, state), place, tag) {
            return None;
        }
        let (at, id) = place.split_first_chunk::<8>()?;
        let at = Timestamp::from_microsecond(i64::from_be_bytes(*at)).ok()?;
        Some(Self { at, id: Uuid::from_slice(id).ok()? })
    }
}

/// Whose list, and of what.
fn list(traveller: TravellerId, state: Option<State>) -> String {
    format!("orders {} {}", traveller.uuid(), state.map_or("", State::name))
}

#[cfg(test)]
mod tests {
    use meridian_regions::Registry;

    use super::*;

    #[test]
    fn a_cursor_fits_the_list_it_was_made_for_and_no_other() {
        let key = OfferKey::new([7; 32]);
        let registry = Registry::embedded().expect("embedded regions");
        let home = registry.by_name("eu-central").expect("a region");
        let (ada, bob) = (TravellerId::new(home), TravellerId::new(home));
        let place = Cursor {
            at: Timestamp::from_microsecond(1_750_000_000_123_456).expect("a time"),
            id: Uuid::new_v4(),
        };
        let text = place.seal(&key, ada, None);
        assert_eq!(Cursor::open(&text, &key, ada, None), Some(place));
        assert_eq!(Cursor::open(&text, &key, bob, None), None);
        assert_eq!(Cursor::open(&text, &key, ada, Some(State::Held)), None);
        assert_eq!(Cursor::open(&text, &OfferKey::new([8; 32]), ada, None), None);
        for cut in 0..text.len() {
            assert_eq!(Cursor::open(&text[..cut], &key, ada, None), None);
        }
    }
}
