//! How a driver asks the other companies: whose key, whose money, whose names.

use super::driver::Driver;
use super::saga::{Answer, Call, Heard, Situation};
use super::{passenger_place, token_place};
use crate::domain::money::Money;
use crate::domain::traveller::{Name, Passenger};
use crate::privacy::seal::{Broken, DataKey};
use crate::store::Error;
use crate::store::saga::Work;
use crate::suppliers::{BookingRequest, Outcome};

impl Driver {
    /// Asks one company one question.
    pub(super) async fn ask(
        &self,
        work: &Work,
        order: &Situation,
        call: &Call,
    ) -> Result<Heard, Error> {
        Ok(match call {
            Call::Price => done(self.airline.price(&work.itinerary, work.total).await),
            Call::Hold | Call::Book => {
                let hold = *call == Call::Hold;
                self.ask_booking(work, &self.key(work, order, call), hold).await?
            }
            Call::CloseBooking { hold } => {
                let key = self.key(work, order, call);
                let now = self.orders.finder.clock.now();
                let found = self.airline.close(&key, *hold, now).await;
                found.read(|booked| Some(Answer::BookingClosed(booked)))
            }
            Call::Authorize { .. }
            | Call::Authorization { .. }
            | Call::CloseAuthorization { .. }
            | Call::Capture { .. }
            | Call::Void { .. }
            | Call::Refund { .. } => self.ask_money(work, order, call).await?,
            Call::Confirm
            | Call::ReleaseHold
            | Call::Tickets
            | Call::Cancel
            | Call::Change
            | Call::AirlineChange
            | Call::AcceptChange { .. } => self.ask_airline(work, order, call).await?,
        })
    }

    async fn ask_booking(&self, work: &Work, key: &str, hold: bool) -> Result<Heard, Error> {
        let people = self.passengers(work).await?;
        let now = self.orders.finder.clock.now();
        let (itinerary, total) = (&work.itinerary, work.total);
        let request = BookingRequest { hold, itinerary, total, passengers: &people, now };
        let outcome = self.airline.book(key, &request).await;
        Ok(outcome.read(|booking| Some(Answer::Booking(booking))))
    }

    async fn ask_money(&self, work: &Work, order: &Situation, call: &Call) -> Result<Heard, Error> {
        let key = self.key(work, order, call);
        let money = |amount_minor| Money { amount_minor, currency: work.total.currency };
        let reference = |position| {
            let payment = order.payment(position).map(|payment| payment.reference.as_str());
            payment.ok_or_else(|| Error::Unreadable("an order's payment is missing".into()))
        };
        let they = &self.payments;
        Ok(match call {
            Call::Authorize { amount_minor } => {
                let Some(sealed) = &work.payment_token else {
                    let words = "an order to be paid has no payment token";
                    return Err(Error::Unreadable(words.into()));
                };
                let token = unseal(self.data_key(work)?.open(token_place(work.id), sealed))?;
                let outcome = they.authorize(&key, money(*amount_minor), &token).await;
                outcome.read(|found| Some(Answer::Authorization(found)))
            }
            Call::Authorization { position } => {
                let outcome = they.authorization(reference(*position)?).await;
                outcome.read(|found| Some(Answer::Authorization(found)))
            }
            Call::CloseAuthorization { .. } => {
                they.close(&key).await.read(|found| Some(Answer::AuthorizationClosed(found)))
            }
            Call::Capture { position, amount_minor } => {
                done(they.capture(&key, reference(*position)?, money(*amount_minor)).await)
            }
            Call::Void { position } => done(they.void(&key, reference(*position)?).await),
            Call::Refund { position, amount_minor } => {
                done(they.refund(&key, reference(*position)?, money(*amount_minor)).await)
            }
            _ => Outcome::Unknown,
        })
    }

    /// What is asked about a booking that the airline has.
    async fn ask_airline(
        &self,
        work: &Work,
        order: &Situation,
        call: &Call,
    ) -> Result<Heard, Error> {
        let key = self.key(work, order, call);
        let Some(locator) = work.booking_reference.as_deref() else {
            return Err(Error::Unreadable("a booked order has no record locator".into()));
        };
        let they = &self.airline;
        Ok(match call {
            Call::Confirm => done(they.confirm(&key, locator).await),
            Call::ReleaseHold | Call::Cancel => done(they.cancel(&key, locator).await),
            Call::Tickets => {
                let outcome = they.issue_tickets(&key, locator).await;
                outcome.read(|documents| Some(Answer::Documents(documents)))
            }
            Call::Change => {
                let missing = || Error::Unreadable("a change under way is missing".into());
                let change = work.change.as_ref().ok_or_else(missing)?;
                let amount_minor = change["fare_minor"].as_i64().ok_or_else(missing)?;
                let total = Money { amount_minor, currency: work.total.currency };
                done(they.change(&key, locator, &change["itinerary"], total).await)
            }
            Call::AirlineChange => {
                let outcome = they.airline_change(locator, &work.itinerary).await;
                outcome.read(|found| Some(Answer::AirlineChange(found)))
            }
            Call::AcceptChange { change } => done(they.accept_change(&key, locator, change).await),
            _ => Outcome::Unknown,
        })
    }

    /// A key that every try and every node makes alike.
    /// The same before and after a move: so the home that an id names is no part of it.
    fn key(&self, work: &Work, order: &Situation, call: &Call) -> String {
        let step = call.step(order).unwrap_or_default();
        self.orders.store.faults().key(format!("{}:{step}", work.id.uuid()))
    }

    fn data_key(&self, work: &Work) -> Result<DataKey, Error> {
        unseal(self.orders.keys.region.unwrap_data_key(work.traveller.uuid(), &work.data_key))
    }

    async fn passengers(&self, work: &Work) -> Result<Vec<Passenger>, Error> {
        let key = self.data_key(work)?;
        let open =
            |column, sealed: &[u8]| unseal(key.open(passenger_place(work.id, column), sealed));
        let name = |column, sealed: &[u8]| {
            Name::parse(&open(column, sealed)?).map_err(|error| Error::Unreadable(error.into()))
        };
        let sealed = self.orders.store.fresh().order_passengers(work.id).await?;
        sealed
            .iter()
            .map(|p| {
                Ok(Passenger {
                    given_name: name("given_name", &p.given_name)?,
                    family_name: name("family_name", &p.family_name)?,
                    born_on: open("born_on", &p.born_on)?
                        .parse()
                        .map_err(|_| Error::Unreadable("a date of birth".into()))?,
                })
            })
            .collect()
    }
}

fn done(outcome: Outcome<()>) -> Heard {
    outcome.read(|()| Some(Answer::Done))
}

fn unseal<T>(opened: Result<T, Broken>) -> Result<T, Error> {
    opened.map_err(|error| Error::Unreadable(error.to_string()))
}
