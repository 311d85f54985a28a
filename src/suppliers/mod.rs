//! Other companies: airlines and the payment provider. Every call has a stable key, a deadline, and
//! one of three ends: done, refused, or *unknown* — and a time-out is unknown, never refused.

pub mod airline;
pub mod http;
pub mod payments;
pub mod sandbox;

/// How a call to another company ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<T> {
    /// They did it, now or when the same key came before.
    Done(T),
    /// They will not do it, and said so.
    Refused(Reason),
    /// They may have done it. Ask again under the same key.
    Unknown,
}

/// Why they would not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The card was declined.
    Declined,
    /// No seats are left.
    SoldOut,
    /// The price is another one by now.
    PriceChanged,
}

impl Reason {
    /// The code that the traveller reads.
    pub fn code(self) -> &'static str {
        match self {
            Self::Declined => "payment_declined",
            Self::SoldOut => "sold_out",
            Self::PriceChanged => "price_changed",
        }
    }
}
