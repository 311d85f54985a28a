//! The saga's rows: who works on an order, what is known of it, and the one write of each step.

use std::time::Duration;

use jiff::Timestamp;
use meridian_regions::RegionId;
use serde_json::Value;

use super::orders::{SealedPassenger, millis, money, payments};
use super::read::parse;
use super::tx::Words;
use super::{Error, Reader, Store, Tx, sql};
use crate::clock::Deadline;
use crate::domain::ids::{OrderId, TravellerId};
use crate::domain::money::Money;
use crate::domain::order::{OrderKind, State};
use crate::domain::payment::Payment;

/// What a driver knows of the order it holds.
#[derive(Clone, Debug)]
pub struct Work {
    /// Which.
    pub id: OrderId,
    /// Under which claim.
    pub epoch: i64,
    /// Who booked, for unsealing.
    pub traveller: TravellerId,
    /// The traveller's data key, wrapped.
    pub data_key: Vec<u8>,
    /// Paid now or held.
    pub kind: OrderKind,
    /// Where it is in its life.
    pub state: State,
    /// Number of its last event.
    pub version: i64,
    /// Tries since the last event whose outcome is not known.
    pub attempts: i64,
    /// Definite refusals of the present step.
    pub refusals: i64,
    /// Flights, cabin and passenger count as booked.
    pub itinerary: Value,
    /// For everybody.
    pub total: Money,
    /// Sealed payment token.
    pub payment_token: Option<Vec<u8>>,
    /// The airline's record locator.
    pub booking_reference: Option<String>,
    /// What is still to go back.
    pub owed_minor: i64,
    /// Money that was asked for.
    pub payments: Vec<Payment>,
    /// The change that is under way.
    pub change: Option<Value>,
    /// The airline's own change that was detected last.
    pub disruption: Option<Value>,
    /// Why it comes to nothing, if it does.
    pub failure: Option<String>,
    /// Milliseconds since the last event, by the database's clock.
    pub waited: i64,
    /// Milliseconds until the airline lets the seats go; negative when it has.
    pub until_lapse: Option<i64>,
    /// Milliseconds until a day after the last landing; negative when it has passed.
    pub until_flown: i64,
    /// Whether its traveller was erased.
    pub erased: bool,
}

/// A step of the saga, to be written under a claim.
#[derive(Clone, Debug)]
pub struct Advance {
    /// The state after it.
    pub state: State,
    /// The event that is written.
    pub event: &'static str,
    /// Whether a worker has to come back.
    pub due: bool,
    /// When, if not after a while.
    pub due_at: Option<Timestamp>,
    /// After how long.
    pub due_after: Duration,
    /// Whether the present worker goes on at once.
    pub goes_on: bool,
    /// Whether the step was definitely refused and is tried again.
    pub refused: bool,
    /// What is still to go back after it.
    pub owed_minor: i64,
    /// Whether the payment token is spent or refused and must go.
    pub token_spent: bool,
    /// Why it came to nothing, or why the last wish did.
    pub failure: Option<&'static str>,
    /// Learned from the airline.
    pub booking_reference: Option<String>,
    /// Until when the airline keeps the seats.
    pub payment_required_by: Option<Timestamp>,
    /// Ticket numbers.
    pub documents: Option<Value>,
    /// The price that the airline named instead.
    pub price_change_minor: Option<i64>,
    /// Where the cardholder must go.
    pub action_url: Option<String>,
    /// Whether no change is under way any more.
    pub change_ends: bool,
    /// What is known of the airline's own change from now on, if that is another.
    pub disruption: Option<Option<Value>>,
    /// The flights, if they are others from now on.
    pub rebooked: Option<Rebooked>,
    /// The payment that was asked for or has moved.
    pub payment: Option<Payment>,
}

/// What an order is about after a change.
#[derive(Clone, Debug)]
pub struct Rebooked {
    /// Flights, cabin and passenger count.
    pub itinerary: Value,
    /// For everybody, if it is another price.
    pub total_minor: Option<i64>,
    /// What of it is fees of changes, if that is another sum.
    pub fees_minor: Option<i64>,
    /// A day after the last landing.
    pub flown_at: Option<Timestamp>,
}

impl Tx {
    /// Takes over orders that are due; their ids and new epochs.
    pub async fn order_claim(
        &self,
        home: RegionId,
        owner: &str,
        lease: Duration,
        most: i64,
    ) -> Result<Vec<(OrderId, i64)>, Error> {
        let rows = self
            .all(&sql::orders::order_claim, &[&home.locality, &owner, &millis(lease), &most])
            .await?;
        Ok(rows
            .iter()
            .map(|row| (OrderId::from_parts(home, row.get("id")), row.get("epoch")))
            .collect())
    }

    /// Writes a step; the new version, or `None` when somebody else has taken over.
    pub async fn order_advance(
        &self,
        work: &Work,
        step: &Advance,
        lease: Duration,
    ) -> Result<Option<i64>, Error> {
        let (epoch, version) = self.fence(work).await?;
        let (rebooked, payment) = (step.rebooked.as_ref(), step.payment.as_ref());
        let row = self
            .opt(
                &sql::orders::order_advance,
                &[
                    &work.id.home().locality,
                    &work.id.uuid(),
                    &epoch,
                    &version,
                    &step.state.name(),
                    &step.due,
                    &step.due_at,
                    &millis(step.due_after),
                    &step.goes_on,
                    &millis(lease),
                    &step.refused,
                    &step.owed_minor,
                    &step.token_spent,
                    &step.failure,
                    &step.booking_reference,
                    &step.payment_required_by,
                    &step.documents,
                    &step.price_change_minor,
                    &step.action_url,
                    &step.change_ends,
                    &step.disruption.is_some(),
                    &step.disruption.clone().flatten(),
                    &rebooked.map(|it| &it.itinerary),
                    &rebooked.and_then(|it| it.total_minor),
                    &rebooked.and_then(|it| it.flown_at),
                    &step.event,
                    &payment.map(|it| it.position),
                    &payment.map(|it| it.asked_as.as_str()),
                    &payment.map(|it| it.reference.as_str()),
                    &payment.map(|it| it.state.name()),
                    &payment.map(|it| it.amount_minor),
                    &payment.map(|it| it.captured_minor),
                    &payment.map(|it| it.refunded_minor),
                    &payment.and_then(|it| it.capture_before),
                    &rebooked.and_then(|it| it.fees_minor),
                ],
            )
            .await?;
        Ok(row.map(|row| row.get("version")))
    }

    /// Lets an order go until later, or for good; `None` when somebody else has taken over.
    pub async fn order_postpone(
        &self,
        work: &Work,
        pause: Option<Duration>,
        tried: bool,
    ) -> Result<Option<i64>, Error> {
        let (epoch, _) = self.fence(work).await?;
        let row = self
            .opt(
                &sql::orders::order_postpone,
                &[
                    &work.id.home().locality,
                    &work.id.uuid(),
                    &epoch,
                    &pause.map(millis),
                    &i64::from(tried),
                ],
            )
            .await?;
        Ok(row.map(|row| row.get("attempts")))
    }

    /// Forgets who flew, in the transaction that says so.
    pub async fn order_anonymise(&self, order: OrderId) -> Result<(), Error> {
        let words: &super::read::Params<'_> = &[&order.home().locality, &order.uuid()];
        self.run(&sql::orders::order_anonymise, words).await.map(drop)
    }

    /// The epoch and the version under which a step is written.
    async fn fence(&self, work: &Work) -> Result<(i64, i64), Error> {
        if !self.faults().is_unfenced() {
            return Ok((work.epoch, work.version));
        }
        let order: &super::read::Params<'_> = &[&work.id.home().locality, &work.id.uuid()];
        let row = self.one(&sql::orders::order_present, order).await?;
        Ok((row.get("epoch"), row.get("version")))
    }
}

impl Store {
    /// Lets an order be looked at now, unless somebody does already; whether there was one.
    pub async fn order_nudge(&self, deadline: Deadline, id: OrderId) -> Result<bool, Error> {
        let words: Words = vec![Box::new(id.home().locality.clone()), Box::new(id.uuid())];
        Ok(self.write(deadline, &sql::orders::order_nudge, words).await? > 0)
    }
}

impl Reader<'_> {
    /// What a driver needs, if it still holds the order.
    pub async fn order_work(&self, id: OrderId, epoch: i64) -> Result<Option<Work>, Error> {
        let params: &super::read::Params<'_> = &[&id.home().locality, &id.uuid(), &epoch];
        let Some(row) = self.opt(&sql::orders::order_work, params).await? else {
            return Ok(None);
        };
        Ok(Some(Work {
            id,
            epoch,
            traveller: TravellerId::from_parts(id.home(), row.get("traveller_id")),
            data_key: row.get("data_key"),
            kind: parse(row.get("kind"))?,
            state: parse(row.get("state"))?,
            version: row.get("version"),
            attempts: row.get("attempts"),
            refusals: row.get("refusals"),
            itinerary: row.get("itinerary"),
            total: money(&row)?,
            payment_token: row.get("payment_token"),
            booking_reference: row.get("booking_reference"),
            owed_minor: row.get("owed_minor"),
            payments: payments(&row)?,
            change: row.get("change"),
            disruption: row.get("disruption"),
            failure: row.get("failure"),
            waited: row.get("waited"),
            until_lapse: row.get("until_lapse"),
            until_flown: row.get("until_flown"),
            erased: row.get("erased"),
        }))
    }

    /// Who flies, sealed.
    pub async fn order_passengers(&self, id: OrderId) -> Result<Vec<SealedPassenger>, Error> {
        let params: &super::read::Params<'_> = &[&id.home().locality, &id.uuid()];
        let rows = self.all(&sql::orders::order_passengers, params).await?;
        Ok(rows
            .iter()
            .map(|row| SealedPassenger {
                given_name: row.get("given_name"),
                family_name: row.get("family_name"),
                born_on: row.get("born_on"),
            })
            .collect())
    }
}
