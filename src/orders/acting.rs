//! What travellers do to their orders: pay, confirm what was quoted, take the airline's change.

use serde_json::{Value, json};
use uuid::Uuid;

use super::idempotency::{ACCEPTED, Answer, Request};
use super::{
    ACCEPT_PATIENCE, Asker, Orders, Refusal, in_flight, itinerary, seat_wishes, token_place,
};
use crate::clock::Deadline;
use crate::domain::ids::OrderId;
use crate::domain::itinerary::Cabin;
use crate::domain::order::{State, Trigger};
use crate::store::Abort;
use crate::store::idempotency::Reply;
use crate::store::inventory::SeatWish;
use crate::store::orders::{Act, Acted, Mine, OrderRow};
use crate::store::quotes::{Quote, QuoteKind};

/// The versions of an order that a request was made for (If-Match, RFC 9110 section 13.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Versions {
    /// Whatever it is.
    Any,
    /// One of these.
    These(Vec<i64>),
}

impl Versions {
    fn hold(&self, version: i64) -> bool {
        match self {
            Self::Any => true,
            Self::These(versions) => versions.contains(&version),
        }
    }
}

/// What is done.
struct Deed {
    trigger: Trigger,
    owed_minor: i64,
    payment_token: Option<String>,
    quote: Option<Uuid>,
    rebooking: Option<Rebooking>,
}

/// Seats that are held for a change, and the change as the driver reads it.
#[derive(Clone)]
struct Rebooking {
    change: Value,
    wishes: Vec<SeatWish>,
    cabin: Cabin,
    passengers: i64,
}

impl Deed {
    fn of(trigger: Trigger) -> Self {
        Self { trigger, owed_minor: 0, payment_token: None, quote: None, rebooking: None }
    }
}

impl Orders {
    /// Sends a payment for a held order.
    pub async fn pay(
        &self,
        asker: &Asker<'_>,
        request: &Request,
        order: OrderId,
        payment_token: String,
    ) -> Result<Answer, Refusal> {
        let row = self.mine(asker, order).await?;
        let deed =
            Deed { payment_token: Some(payment_token), ..Deed::of(Trigger::PaymentRequested) };
        self.act(asker, request, row, deed).await
    }

    /// Takes what the airline changed by itself.
    pub async fn accept_airline_change(
        &self,
        asker: &Asker<'_>,
        request: &Request,
        order: OrderId,
        seen: &Versions,
    ) -> Result<Answer, Refusal> {
        let row = self.mine(asker, order).await?;
        if !seen.hold(row.version) {
            return self.replay_or(asker, request, Refusal::Stale).await;
        }
        self.act(asker, request, row, Deed::of(Trigger::ChangeAccepted)).await
    }

    /// Cancels an order as it was quoted.
    pub async fn cancel(
        &self,
        asker: &Asker<'_>,
        request: &Request,
        quote: Uuid,
        seen: &Versions,
    ) -> Result<Answer, Refusal> {
        let (quote, row) = self.quoted(asker, QuoteKind::Cancellation, quote).await?;
        if let Some(refusal) = self.unconfirmable(&quote, &row, seen) {
            return self.replay_or(asker, request, refusal).await;
        }
        let (owed_minor, quote) = (quote.refund_minor, Some(quote.id));
        let deed = Deed { owed_minor, quote, ..Deed::of(Trigger::CancelRequested) };
        self.act(asker, request, row, deed).await
    }

    /// Changes an order as it was quoted.
    pub async fn change(
        &self,
        asker: &Asker<'_>,
        request: &Request,
        quote: Uuid,
        seen: &Versions,
        payment_token: Option<String>,
    ) -> Result<Answer, Refusal> {
        let (quote, row) = self.quoted(asker, QuoteKind::Change, quote).await?;
        if let Some(refusal) = self.unconfirmable(&quote, &row, seen) {
            return self.replay_or(asker, request, refusal).await;
        }
        match (quote.charge_minor, &payment_token) {
            (0, Some(_)) => return Err(Refusal::PaymentIdle),
            (1.., None) => return Err(Refusal::PaymentMissing),
            _ => {}
        }
        let rebooking = self.rebooking(&quote, &row)?;
        let deed = Deed {
            payment_token,
            quote: Some(quote.id),
            rebooking: Some(rebooking),
            ..Deed::of(Trigger::ChangeRequested)
        };
        self.act(asker, request, row, deed).await
    }

    /// One's own order.
    pub(super) async fn mine(
        &self,
        asker: &Asker<'_>,
        order: OrderId,
    ) -> Result<OrderRow, Refusal> {
        match self.get(order, asker.token).await? {
            Mine::Found(row) => Ok(row),
            Mine::NotFound | Mine::NoSession => Err(Refusal::NotFound),
        }
    }

    async fn quoted(
        &self,
        asker: &Asker<'_>,
        kind: QuoteKind,
        quote: Uuid,
    ) -> Result<(Quote, OrderRow), Refusal> {
        let traveller = asker.session.traveller;
        let quote = self.store.fresh().quote_get(traveller, kind, quote).await?;
        let quote = quote.ok_or(Refusal::NotFound)?;
        let row = self.mine(asker, quote.order).await?;
        Ok((quote, row))
    }

    /// Why a quote cannot be confirmed, if it cannot.
    fn unconfirmable(&self, quote: &Quote, row: &OrderRow, seen: &Versions) -> Option<Refusal> {
        if quote.confirmed_at.is_some() {
            Some(Refusal::QuoteConfirmed)
        } else if !seen.hold(row.version) || row.version != quote.order_version {
            Some(Refusal::Stale)
        } else if self.finder.clock.now() >= quote.expires_at {
            Some(Refusal::QuoteExpired)
        } else {
            None
        }
    }

    /// What a change asks of the seats, and of whoever drives it.
    fn rebooking(&self, quote: &Quote, row: &OrderRow) -> Result<Rebooking, Refusal> {
        let (terms, offer) = self.finder.bookable(quote.offer.as_deref().unwrap_or_default())?;
        let (extra_minor, back_minor) = (quote.charge_minor, quote.refund_minor);
        let change = json!({
            "quote": quote.id, "extra_minor": extra_minor, "back_minor": back_minor,
            "itinerary": itinerary(&offer), "fare_minor": terms.total.amount_minor,
            "total_minor": row.total.amount_minor + extra_minor - back_minor,
            "fees_minor": row.fees_minor + quote.fee_minor,
        });
        let (wishes, cabin) = (seat_wishes(&self.finder, &terms), terms.cabin);
        Ok(Rebooking { change, wishes, cabin, passengers: terms.passengers.into() })
    }

    async fn act(
        &self,
        asker: &Asker<'_>,
        request: &Request,
        row: OrderRow,
        deed: Deed,
    ) -> Result<Answer, Refusal> {
        let now = self.finder.clock.now();
        let paying = deed.payment_token.is_some();
        let late = deed.trigger == Trigger::PaymentRequested
            && row.payment_required_by.is_some_and(|until| now >= until);
        // While the provider is being asked, nobody knows whether money is reserved: another
        // payment could reserve it twice, and a cancellation could leave it reserved.
        let possible = !late && !row.paying;
        let Some(rule) = row.state.on(deed.trigger).filter(|_| possible) else {
            // A repeated request finds the order already moved by its own first try.
            let refusal = if row.paying {
                Refusal::Paying
            } else if late && row.state == State::Held {
                Refusal::HoldExpired
            } else {
                Refusal::Conflict { state: row.state }
            };
            return self.replay_or(asker, request, refusal).await;
        };
        let (order, data_key) = (row.id, self.data_key(asker.session)?);
        let sealed = deed.payment_token.map(|text| data_key.seal(token_place(order), &text));
        let act = Act {
            order,
            traveller: asker.session.traveller,
            version: row.version,
            state: rule.to,
            event: rule.event,
            owed_minor: deed.owed_minor,
            payment_token: sealed,
            quote: deed.quote,
            change: deed.rebooking.as_ref().map(|it| it.change.clone()),
            at: now,
            owner: self.node.clone(),
            lease: self.lease,
        };
        let view = self.view(OrderRow {
            state: rule.to,
            version: row.version + 1,
            paying,
            failure: None,
            updated_at: now,
            ..row
        });
        let reply = request.reply(format!("/v1/orders/{order}"), &view);
        self.write_act(act, deed.rebooking, reply, rule.from).await
    }

    /// Writes a traveller's step, or finds that it was written before, or that it comes too late.
    async fn write_act(
        &self,
        act: Act,
        rebooking: Option<Rebooking>,
        reply: Reply,
        state: State,
    ) -> Result<Answer, Refusal> {
        let order = act.order;
        let outcome = self
            .store
            .tx("order_act", Deadline::after(ACCEPT_PATIENCE), |tx| {
                let (act, reply, rebooking) = (act.clone(), reply.clone(), rebooking.clone());
                async move {
                    let epoch = match tx.order_act(&act, &reply).await.map_err(in_flight)? {
                        Acted::Done(epoch) => epoch,
                        Acted::Stale => return Err(Abort::Refused(Refusal::Conflict { state })),
                        Acted::Replayed => {
                            let stored = tx.idempotency_get(act.traveller, &reply.key_hash).await?;
                            return Ok(Err(Answer::replayed(stored, &reply.request_hash)?));
                        }
                    };
                    if let Some(Rebooking { wishes, cabin, passengers, .. }) = rebooking {
                        tx.seats_add(act.order, &wishes, cabin, passengers).await?;
                        // Last, as rivals wait for these rows.
                        if !tx.seats_hold(&wishes, cabin, passengers).await? {
                            return Err(Abort::Refused(Refusal::SoldOut));
                        }
                    }
                    Ok(Ok(epoch))
                }
            })
            .await?;
        match outcome {
            Ok(epoch) => {
                self.dispatch.hand_over(order, epoch);
                Ok(Answer::first(ACCEPTED, reply))
            }
            Err(replayed) => Ok(replayed),
        }
    }

    /// What the key was answered before; a refusal if it was not.
    pub(super) async fn replay_or(
        &self,
        asker: &Asker<'_>,
        request: &Request,
        refusal: Refusal,
    ) -> Result<Answer, Refusal> {
        self.replay(asker.session, request).await?.ok_or(refusal)
    }
}
