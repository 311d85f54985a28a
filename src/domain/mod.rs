//! Pure values: what they are and which of them cannot exist. No I/O, no clock, no SQL.

pub mod consent;
pub mod event;
pub mod evidence;
pub mod ids;
pub mod itinerary;
pub mod money;
pub mod offer;
pub mod order;
pub mod payment;
pub mod place;
pub mod privacy;
pub mod signed_message;
pub mod staff;
pub mod traveller;
