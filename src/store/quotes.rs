//! Quotes: what cancelling or changing an order would give back or cost.

use jiff::Timestamp;
use uuid::Uuid;

use super::read::parse;
use super::{Error, Reader, Tx, sql};
use crate::domain::ids::{OrderId, TravellerId};
use crate::domain::money::Currency;

/// What a quote is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuoteKind {
    /// Cancelling.
    Cancellation,
    /// Flying otherwise.
    Change,
}

impl QuoteKind {
    /// The name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cancellation => "cancellation",
            Self::Change => "change",
        }
    }
}

/// A quote.
#[derive(Clone, Debug)]
pub struct Quote {
    /// Made before the transaction.
    pub id: Uuid,
    /// About which order.
    pub order: OrderId,
    /// Cancelling or changing.
    pub kind: QuoteKind,
    /// For this version of it and no other.
    pub order_version: i64,
    /// The order's currency.
    pub currency: Currency,
    /// What would go back.
    pub refund_minor: i64,
    /// What would have to be paid.
    pub charge_minor: i64,
    /// What the airline keeps or asks for it.
    pub fee_minor: i64,
    /// The offer that would be flown instead.
    pub offer: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// Until when it may be confirmed.
    pub expires_at: Timestamp,
    /// When it was.
    pub confirmed_at: Option<Timestamp>,
}

impl Tx {
    /// Writes a quote for the version of the order that it names, with an event where asking is
    /// one; the version that it holds for, or `None` when the order has moved on.
    pub async fn quote_insert(
        &self,
        traveller: TravellerId,
        quote: &Quote,
        event: Option<&str>,
    ) -> Result<Option<i64>, Error> {
        let row = self
            .opt(
                &sql::orders::quote_insert,
                &[
                    &quote.order.home().locality,
                    &quote.order.uuid(),
                    &traveller.uuid(),
                    &quote.order_version,
                    &event,
                    &quote.id,
                    &quote.kind.name(),
                    &quote.refund_minor,
                    &quote.charge_minor,
                    &quote.fee_minor,
                    &quote.offer,
                    &quote.created_at,
                    &quote.expires_at,
                ],
            )
            .await?;
        Ok(row.map(|row| row.get("order_version")))
    }

    /// Whether a quote is written.
    pub async fn quote_stands(&self, traveller: TravellerId, quote: &Quote) -> Result<bool, Error> {
        let (home, kind) = (&traveller.home().locality, quote.kind.name());
        let params: &super::read::Params<'_> = &[home, &quote.id, &kind, &traveller.uuid()];
        Ok(self.opt(&sql::orders::quote_get, params).await?.is_some())
    }
}

impl Reader<'_> {
    /// A quote of one's own order.
    pub async fn quote_get(
        &self,
        traveller: TravellerId,
        kind: QuoteKind,
        id: Uuid,
    ) -> Result<Option<Quote>, Error> {
        let home = traveller.home();
        let params: &super::read::Params<'_> =
            &[&home.locality, &id, &kind.name(), &traveller.uuid()];
        let Some(row) = self.opt(&sql::orders::quote_get, params).await? else {
            return Ok(None);
        };
        Ok(Some(Quote {
            id,
            order: OrderId::from_parts(home, row.get("order_id")),
            kind,
            order_version: row.get("order_version"),
            currency: parse(row.get("currency"))?,
            refund_minor: row.get("refund_minor"),
            charge_minor: row.get("charge_minor"),
            fee_minor: row.get("fee_minor"),
            offer: row.get("offer"),
            created_at: row.get("created_at"),
            expires_at: row.get("expires_at"),
            confirmed_at: row.get("confirmed_at"),
        }))
    }
}
