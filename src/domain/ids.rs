//! Ids. A personal thing's id carries the tag of its home region, so that any node can tell where
//! it lives from the id alone: `ord_euc1_5f0c…` is an order at home in the region tagged `euc1`.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

use meridian_regions::{RegionId, Registry};
use uuid::Uuid;

/// What an id names; the prefix is part of its text.
pub trait Kind {
    /// Three lower-case letters.
    const PREFIX: &'static str;
}

/// A person with an account.
pub enum Traveller {}
/// A booking.
pub enum Order {}
/// A quote for cancelling a booking.
pub enum Cancellation {}
/// A quote for changing a booking.
pub enum Change {}
/// Where a traveller wants to be told what happens.
pub enum Endpoint {}
/// What a traveller asks under the law.
pub enum Request {}

impl Kind for Traveller {
    const PREFIX: &'static str = "trv";
}

impl Kind for Order {
    const PREFIX: &'static str = "ord";
}

impl Kind for Cancellation {
    const PREFIX: &'static str = "orc";
}

impl Kind for Change {
    const PREFIX: &'static str = "och";
}

impl Kind for Endpoint {
    const PREFIX: &'static str = "whe";
}

impl Kind for Request {
    const PREFIX: &'static str = "prq";
}

/// The id of a traveller.
pub type TravellerId = PersonalId<Traveller>;
/// The id of an order.
pub type OrderId = PersonalId<Order>;
/// The id of a quote for a cancellation.
pub type CancellationId = PersonalId<Cancellation>;
/// The id of a quote for a change.
pub type ChangeId = PersonalId<Change>;
/// The id of a webhook endpoint.
pub type EndpointId = PersonalId<Endpoint>;

/// The id of what a traveller asks under the law.
pub type RequestId = PersonalId<Request>;

/// The id of a personal thing: its home region and a UUIDv4 made here, before any transaction.
pub struct PersonalId<K> {
    home: RegionId,
    uuid: Uuid,
    kind: PhantomData<fn() -> K>,
}

impl<K> PersonalId<K> {
    /// A new id at home in a region.
    pub fn new(home: RegionId) -> Self {
        Self::from_parts(home, Uuid::new_v4())
    }

    /// An id read back from a row.
    pub fn from_parts(home: RegionId, uuid: Uuid) -> Self {
        Self { home, uuid, kind: PhantomData }
    }

    /// The region whose law holds for it.
    pub fn home(&self) -> RegionId {
        self.home
    }

    /// The part that the database stores.
    pub fn uuid(&self) -> Uuid {
        self.uuid
    }
}

impl<K: Kind> PersonalId<K> {
    /// Reads `prefix_tag_hex`; `None` for anything else, an unknown region included.
    pub fn parse(registry: &Registry, text: &str) -> Option<Self> {
        let (prefix, rest) = text.split_once('_')?;
        let (tag, hex) = rest.split_once('_')?;
        let lower_hex = hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if prefix != K::PREFIX || hex.len() != 32 || !lower_hex {
            return None;
        }
        Some(Self::from_parts(registry.by_tag(tag)?, Uuid::try_parse(hex).ok()?))
    }
}

/// The home that the text of any personal id or token claims, whatever its kind.
pub fn claimed_home(registry: &Registry, text: &str) -> Option<RegionId> {
    registry.by_tag(text.split('_').nth(1)?)
}

impl<K> Clone for PersonalId<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for PersonalId<K> {}

impl<K> PartialEq for PersonalId<K> {
    fn eq(&self, other: &Self) -> bool {
        self.home == other.home && self.uuid == other.uuid
    }
}

impl<K> Eq for PersonalId<K> {}

impl<K> Hash for PersonalId<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.uuid.hash(state);
    }
}

impl<K: Kind> fmt::Display for PersonalId<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}_{}", K::PREFIX, self.home.id_tag, self.uuid.simple())
    }
}

impl<K: Kind> fmt::Debug for PersonalId<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_its_home_and_survives_its_text() {
        let registry = Registry::embedded().expect("embedded regions");
        let home = registry.by_name("eu-central").expect("a shipped region");
        let id = OrderId::new(home);
        assert!(id.to_string().starts_with("ord_euc1_"));
        assert_eq!(OrderId::parse(&registry, &id.to_string()), Some(id));
        assert_eq!(claimed_home(&registry, &id.to_string()), Some(home));
    }

    #[test]
    fn what_is_not_quite_an_id_is_none() {
        let registry = Registry::embedded().expect("embedded regions");
        let hex = "0".repeat(32);
        for text in [
            "",
            "ord",
            "ord_euc1_",
            &format!("trv_euc1_{hex}"),
            &format!("ord_mars_{hex}"),
            &format!("ord_euc1_{hex}0"),
            &format!("ord_euc1_{}", "A".repeat(32)),
            &format!("ord_euc1_{hex}\n"),
            "ord_euc1_00000000-0000-0000-0000-000000000000",
        ] {
            assert_eq!(OrderId::parse(&registry, text), None, "{text:?}");
        }
    }
}
