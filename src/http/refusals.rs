//! What the rooms refuse, as problems: which code it is, and what to do.

use super::problem::{Code, FieldError, Problem};
use crate::orders;
use crate::privacy::rights;
use crate::search::{Nonsense, OfferError};
use crate::store::{self, Fate};
use crate::travellers;
use crate::webhooks;

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        let sqlstate = error.sql_state();
        match error.fate() {
            Fate::Bug => {
                tracing::error!(sqlstate, error = %Chain(&error), "a request met a bug");
                Self::new(Code::Internal, "our mistake, and it was recorded; quote the request id")
            }
            Fate::Again | Fate::Later => {
                tracing::warn!(sqlstate, error = %Chain(&error), "the database is away or busy");
                let detail = "the database is away or busy; nothing was changed, try again";
                Self::new(Code::Unavailable, detail)
            }
            Fate::Unknown => {
                tracing::warn!(error = %Chain(&error), "an outcome is not known");
                let detail = "whether this was done is not known; send it again with the same \
                              Idempotency-Key, which cannot do it twice";
                Self::new(Code::Unavailable, detail).charged("unknown")
            }
        }
    }
}

/// An error and its causes in one line. Only the causes' codes: a driver's message may repeat
/// values.
struct Chain<'a>(&'a store::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        if let Some(constraint) = self.0.constraint() {
            write!(f, " (constraint {constraint})")?;
        }
        Ok(())
    }
}

impl From<OfferError> for Problem {
    fn from(error: OfferError) -> Self {
        match error {
            OfferError::Unknown => Self::not_found(),
            OfferError::Expired => Self::new(
                Code::OfferExpired,
                "the price stands no longer; search again and book one of the new offers",
            ),
        }
    }
}

impl From<orders::Refusal> for Problem {
    fn from(refusal: orders::Refusal) -> Self {
        use orders::Refusal as R;
        match refusal {
            R::Offer(error) => Self::from(error).charged("no"),
            R::SoldOut => {
                let detail = "somebody else has the last seat; search again";
                Self::new(Code::SoldOut, detail).charged("no")
            }
            R::NotFound => Self::not_found(),
            R::Conflict { state } => {
                let detail =
                    format!("the order is {state}; its available_actions say what may be done now");
                Self::new(Code::OrderStateConflict, detail)
            }
            R::Paying => {
                let detail = "a payment of this order is under way; wait until it is decided";
                Self::new(Code::OrderStateConflict, detail).charged("unknown").retryable()
            }
            R::HoldExpired => {
                let detail =
                    "the time to pay has passed and the seats are free again; search again";
                Self::new(Code::HoldExpired, detail).charged("no")
            }
            R::Stale => Self::new(
                Code::EtagMismatch,
                "the order has changed since; read it, and ask for another quote",
            ),
            R::QuoteExpired => {
                Self::new(Code::QuoteExpired, "ask for another quote and confirm that one")
            }
            R::QuoteConfirmed => Self::new(
                Code::OrderStateConflict,
                "this quote was confirmed before; the order tells what became of it",
            ),
            R::NotChangeable => {
                let detail = "the airline does not change this ticket so; try another offer, or \
                              ask what cancelling it gives back";
                Self::new(Code::NotChangeable, detail)
            }
            R::PriceChanged => Self::new(
                Code::PriceChanged,
                "the airline asks another price for this offer; search again",
            ),
            R::ProviderAway => {
                let detail = "the airline gives no answer; nothing was done, try again";
                Self::new(Code::ProviderUnavailable, detail).charged("no")
            }
            R::Sealed(error) => sealed(&error),
            R::Store(error) => Self::from(error),
            R::KeyReused | R::InFlight | R::AlreadyCreated { .. } => key(refusal),
            R::Passengers { .. }
            | R::Unaccompanied
            | R::OtherParty { .. }
            | R::OtherMoney { .. }
            | R::PaymentMissing
            | R::PaymentIdle => unfit(&refusal).charged("no"),
        }
    }
}

/// What a used key means.
fn key(refusal: orders::Refusal) -> Problem {
    match refusal {
        orders::Refusal::InFlight => Problem::new(
            Code::IdempotencyInFlight,
            "send it again in a moment with the same Idempotency-Key; it is done once",
        ),
        orders::Refusal::AlreadyCreated { location } => {
            let detail =
                "this key's request was answered long ago; Location tells what became of it";
            Problem::new(Code::AlreadyCreated, detail).located(location)
        }
        _ => Problem::new(
            Code::IdempotencyMismatch,
            "use a new Idempotency-Key for a new request; this one belongs to another one",
        ),
    }
}

/// What of a request does not fit the offer, the order or the quote.
fn unfit(refusal: &orders::Refusal) -> Problem {
    use orders::Refusal as R;
    let (pointer, detail) = match refusal {
        R::Passengers { offered } => {
            ("/passengers", format!("the offer is for {offered} passenger(s); name as many"))
        }
        R::Unaccompanied => {
            let years = orders::ALONE_FROM_YEARS;
            let detail = format!(
                "one of them must be {years} or older on the day of departure; airlines take \
                 nobody younger alone"
            );
            ("/passengers", detail)
        }
        R::OtherParty { booked } => {
            let detail = format!("the order is for {booked} passenger(s); search for as many");
            ("/offer_id", detail)
        }
        R::OtherMoney { currency } => {
            ("/offer_id", format!("the order is in {currency}; search for offers in it"))
        }
        R::PaymentMissing => {
            ("/payment", "the change has a charge; send a token that pays it".to_owned())
        }
        _ => ("/payment", "the change costs nothing; leave this out".to_owned()),
    };
    Problem::field(pointer, &detail)
}

impl From<travellers::Refusal> for Problem {
    fn from(refusal: travellers::Refusal) -> Self {
        use travellers::Refusal as R;
        match refusal {
            R::NotHere(home) => Self::misdirected(home),
            R::Nowhere(reason) => Self::new(Code::ResidenceUnsupported, reason),
            R::Taken => {
                let detail = "log in instead, or use another address";
                Self::new(Code::AddressTaken, detail)
            }
            R::Wrong => {
                let detail = "no account has this address and password; which is wrong is not said";
                Self::new(Code::WrongCredentials, detail)
            }
            R::Closed => Self::unauthenticated(),
            R::NoWay(home) => {
                let detail = format!(
                    "your data would have to move to {home}, and this region cannot hand it over \
                     now; nothing was changed, write to us"
                );
                Self::new(Code::Unavailable, detail)
            }
            R::Busy => {
                let detail = "too many log-ins at once; try again in a moment";
                Self::new(Code::Unavailable, detail)
            }
            R::Store(error) => Self::from(error),
            R::Sealed(error) => sealed(&error),
        }
    }
}

impl From<rights::Refusal> for Problem {
    fn from(refusal: rights::Refusal) -> Self {
        use rights::Refusal as R;
        match refusal {
            R::NotFound => Self::not_found(),
            R::NoArchive => {
                let detail = "the copy is not there; ask for one, and wait until its state is done";
                Self::new(Code::NotFound, detail)
            }
            R::OtherWords { current } => {
                let detail = format!("version {current} is shown today; show it before asking");
                Self::field("/version", &detail)
            }
            R::LinkSpent => {
                let detail =
                    "a link counts once and for ten minutes; read the request for a new one";
                Self::new(Code::LinkSpent, detail)
            }
            R::Closed => Self::unauthenticated(),
            R::Sealed(error) => sealed(&error),
            R::Store(error) => Self::from(error),
            R::Journal(error) => {
                tracing::error!(%error, "an erasure could not be written down");
                Self::new(Code::Unavailable, "nothing was changed; try again in a moment")
            }
        }
    }
}

impl From<webhooks::Refusal> for Problem {
    fn from(refusal: webhooks::Refusal) -> Self {
        use webhooks::Refusal as R;
        match refusal {
            R::Forbidden(forbidden) => Self::field("/url", forbidden.0),
            R::TooMany => {
                let most = webhooks::ENDPOINTS_MAX;
                let detail = format!("{most} webhooks at most; delete one of them first");
                Self::new(Code::WebhookLimit, detail)
            }
            R::NotFound => Self::not_found(),
            R::Disabled => {
                let detail = "it answered that it is gone; delete it and register it anew";
                Self::new(Code::WebhookDisabled, detail)
            }
            R::Sealed(error) => sealed(&error),
            R::Store(error) => Self::from(error),
        }
    }
}

impl From<Vec<Nonsense>> for Problem {
    fn from(nonsense: Vec<Nonsense>) -> Self {
        let field = |n: Nonsense| FieldError { pointer: n.pointer, detail: n.detail };
        Self::fields(nonsense.into_iter().map(field).collect())
    }
}

fn sealed(error: &crate::privacy::seal::Broken) -> Problem {
    tracing::error!(%error, "a row cannot be opened with this node's keys");
    Problem::new(Code::Internal, "our mistake, and it was recorded; quote the request id")
}
