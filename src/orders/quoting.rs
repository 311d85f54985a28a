//! Quotes: what cancelling an order gives back, what flying otherwise costs. A quote holds for one
//! version of the order and a quarter of an hour; confirming it is [`super::acting`]'s.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use uuid::Uuid;

use super::idempotency::{Answer, CREATED, Request, body};
use super::view::{CancellationView, ChangeView};
use super::{ACCEPT_PATIENCE, Asker, Orders, Refusal, itinerary};
use crate::clock::Deadline;
use crate::domain::ids::OrderId;
use crate::domain::money::Money;
use crate::domain::order::{State, Trigger};
use crate::domain::payment::Payment;
use crate::store::orders::OrderRow;
use crate::store::quotes::{Quote, QuoteKind};
use crate::store::travellers::Session;
use crate::store::{self, Abort};
use crate::suppliers::{Airline, Outcome, Reason};

/// How long a quote may be confirmed.
const QUOTE_LIFE: Duration = Duration::from_secs(15 * 60);

/// Who knows what things would cost.
#[derive(Clone)]
pub struct Quotes {
    /// The orders that are asked about.
    pub orders: Orders,
    /// The airlines, which know their fares.
    pub airline: Arc<dyn Airline>,
}

impl Quotes {
    /// What cancelling would give back.
    pub async fn cancellation(
        &self,
        asker: &Asker<'_>,
        request: Option<&Request>,
        order: OrderId,
    ) -> Result<Answer, Refusal> {
        let outcome = self.ask_cancellation(asker, request, order).await;
        self.or_replay(asker, request, outcome).await
    }

    /// What flying as an offer says would cost.
    pub async fn change(
        &self,
        asker: &Asker<'_>,
        request: Option<&Request>,
        order: OrderId,
        offer_id: String,
    ) -> Result<Answer, Refusal> {
        let outcome = self.ask_change(asker, request, order, offer_id).await;
        self.or_replay(asker, request, outcome).await
    }

    /// What is refused now may have been answered before, under the same key.
    async fn or_replay(
        &self,
        asker: &Asker<'_>,
        request: Option<&Request>,
        outcome: Result<Answer, Refusal>,
    ) -> Result<Answer, Refusal> {
        match (outcome, request) {
            (Err(refusal), Some(request)) => self.orders.replay_or(asker, request, refusal).await,
            (outcome, _) => outcome,
        }
    }

    async fn ask_cancellation(
        &self,
        asker: &Asker<'_>,
        request: Option<&Request>,
        order: OrderId,
    ) -> Result<Answer, Refusal> {
        let row = self.may(asker, order, Trigger::CancelRequested).await?;
        let kept: i64 = row.payments.iter().map(Payment::left_minor).sum();
        let refund_minor = self.refund(&row, kept).await?;
        let quote = Quote {
            refund_minor,
            fee_minor: kept - refund_minor,
            ..self.blank(&row, QuoteKind::Cancellation)
        };
        self.write((asker, request), &row, quote, Trigger::CancellationQuoted).await
    }

    async fn ask_change(
        &self,
        asker: &Asker<'_>,
        request: Option<&Request>,
        order: OrderId,
        offer_id: String,
    ) -> Result<Answer, Refusal> {
        let row = self.may(asker, order, Trigger::ChangeRequested).await?;
        let finder = &self.orders.finder;
        let (terms, offer) = finder.bookable(&offer_id)?;
        let (currency, booked) = (row.total.currency, passengers(&row)?);
        if terms.passengers != booked {
            return Err(Refusal::OtherParty { booked });
        } else if terms.total.currency != currency {
            return Err(Refusal::OtherMoney { currency });
        }
        let locator = row.booking_reference.as_deref();
        let locator = locator.ok_or(Refusal::Conflict { state: row.state })?;
        let asked = self.airline.change_terms(locator, &itinerary(&offer), terms.total).await;
        let fee_minor = told(asked)?.amount_minor;
        // Fees that were paid before buy nothing of the new flights.
        let due = terms.total.amount_minor + fee_minor + row.fees_minor - row.total.amount_minor;
        let blank = self.blank(&row, QuoteKind::Change);
        let quote = Quote {
            charge_minor: due.max(0),
            refund_minor: (-due).max(0),
            fee_minor,
            offer: Some(offer_id),
            expires_at: blank.expires_at.min(terms.expires_at),
            ..blank
        };
        self.write((asker, request), &row, quote, Trigger::ChangeQuoted).await
    }

    /// A quote of one's own order.
    pub async fn get(
        &self,
        session: &Session,
        kind: QuoteKind,
        id: Uuid,
    ) -> Result<Quote, Refusal> {
        let found = self.orders.store.fresh().quote_get(session.traveller, kind, id).await?;
        found.ok_or(Refusal::NotFound)
    }

    /// One's own order, if that may be done to it.
    async fn may(
        &self,
        asker: &Asker<'_>,
        order: OrderId,
        trigger: Trigger,
    ) -> Result<OrderRow, Refusal> {
        let row = self.orders.mine(asker, order).await?;
        if row.paying {
            Err(Refusal::Paying)
        } else if row.state.on(trigger).is_none() {
            Err(Refusal::Conflict { state: row.state })
        } else {
            Ok(row)
        }
    }

    /// What comes back of the money that was taken.
    async fn refund(&self, row: &OrderRow, kept: i64) -> Result<i64, Refusal> {
        let ticketed = matches!(row.state, State::Ticketed | State::Disrupted);
        // Only what became a ticket has a fare that may keep something.
        let (true, Some(locator)) = (ticketed && kept > 0, row.booking_reference.as_deref()) else {
            return Ok(kept);
        };
        let fare = Money { amount_minor: kept - row.fees_minor, ..row.total };
        let back = told(self.airline.cancellation_terms(locator, fare).await)?;
        Ok(back.amount_minor.min(kept))
    }

    fn blank(&self, row: &OrderRow, kind: QuoteKind) -> Quote {
        let now = self.orders.finder.clock.now();
        Quote {
            id: Uuid::new_v4(),
            order: row.id,
            kind,
            order_version: row.version,
            currency: row.total.currency,
            refund_minor: 0,
            charge_minor: 0,
            fee_minor: 0,
            offer: None,
            created_at: now,
            expires_at: now + QUOTE_LIFE,
            confirmed_at: None,
        }
    }

    async fn write(
        &self,
        (asker, request): (&Asker<'_>, Option<&Request>),
        row: &OrderRow,
        quote: Quote,
        trigger: Trigger,
    ) -> Result<Answer, Refusal> {
        let event = row.state.on(trigger).map(|rule| rule.event);
        let (traveller, state) = (asker.session.traveller, row.state);
        // The event that says that somebody asked is a version of the order, too.
        let version = quote.order_version + i64::from(event.is_some());
        let told = Quote { order_version: version, ..quote.clone() };
        let (location, bytes) = match quote.kind {
            QuoteKind::Cancellation => {
                let view = CancellationView::from(told);
                (format!("/v1/order-cancellations/{}", view.id), body(&view))
            }
            QuoteKind::Change => {
                let view = ChangeView::from(told);
                (format!("/v1/order-changes/{}", view.id), body(&view))
            }
        };
        let reply = request.map(|request| request.with(location.clone(), bytes.clone()));
        let replayed = self
            .orders
            .store
            .tx("quote_insert", Deadline::after(ACCEPT_PATIENCE), |tx| {
                let (quote, reply) = (quote.clone(), reply.clone());
                async move {
                    if let Some(reply) = reply
                        && !tx
                            .idempotency_put(traveller, CREATED, Some(quote.order), &reply)
                            .await?
                    {
                        let stored = tx.idempotency_get(traveller, &reply.key_hash).await?;
                        return Answer::replayed(stored, &reply.request_hash).map(Some);
                    }
                    let written = tx.quote_insert(traveller, &quote, event).await?;
                    // After an unknown COMMIT the first try may have made the version it needs.
                    if written.is_none() && !tx.quote_stands(traveller, &quote).await? {
                        return Err(Abort::Refused(Refusal::Conflict { state }));
                    }
                    Ok(None)
                }
            })
            .await?;
        Ok(replayed.unwrap_or(Answer { status: CREATED, location, body: bytes, replayed: false }))
    }
}

/// How many fly.
fn passengers(row: &OrderRow) -> Result<u8, store::Error> {
    #[derive(Deserialize)]
    struct Booked {
        passengers: u8,
    }
    let booked = serde_json::from_str::<Booked>(row.itinerary.get());
    let unreadable = |_| store::Error::Unreadable("an order's itinerary".into());
    booked.map(|booked| booked.passengers).map_err(unreadable)
}

/// What the airline says, or why it is of no use.
fn told(heard: Outcome<Money>) -> Result<Money, Refusal> {
    match heard {
        Outcome::Done(money) => Ok(money),
        Outcome::Refused(Reason::PriceChanged(_)) => Err(Refusal::PriceChanged),
        Outcome::Refused(_) => Err(Refusal::NotChangeable),
        Outcome::Unknown | Outcome::NotTried => Err(Refusal::ProviderAway),
    }
}
