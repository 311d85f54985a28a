//! Moving a traveller from one home to another: what must be opened, and writing it back. The rows
//! themselves follow their traveller by their foreign keys.

use meridian_regions::{Country, RegionId};
use uuid::Uuid;

use super::read::parse;
use super::{Error, Reader, Tx, sql};
use crate::domain::ids::TravellerId;

/// A traveller who is to move.
pub struct Leaver {
    /// The directory's keyed hash.
    pub subject_hash: Vec<u8>,
    /// What the old home sealed.
    pub sealed: Sealed,
}

/// Everything of a traveller that names its home in its seal.
pub struct Sealed {
    /// E-mail address.
    pub email: Vec<u8>,
    /// The data key, wrapped.
    pub data_key: Vec<u8>,
    /// Payment tokens, by order.
    pub tokens: Vec<(Uuid, Vec<u8>)>,
    /// Passengers of all orders.
    pub passengers: Vec<SealedField>,
    /// Webhook endpoints.
    pub endpoints: Vec<SealedEndpoint>,
}

/// A webhook endpoint, every field sealed.
pub struct SealedEndpoint {
    /// Which.
    pub id: Uuid,
    /// Where to.
    pub url: Vec<u8>,
    /// What signs.
    pub secret: Vec<u8>,
    /// What signed before.
    pub old_secret: Option<Vec<u8>>,
}

/// A passenger of an order, every field sealed.
pub struct SealedField {
    /// Which order.
    pub order: Uuid,
    /// Which passenger of it.
    pub position: i64,
    /// Given names, family name, date of birth.
    pub fields: [Vec<u8>; 3],
}

/// Where a traveller moves, what is sealed for that home, and why.
pub struct Rehomed<'a> {
    /// The new home.
    pub to: RegionId,
    /// Everything sealed, for it.
    pub sealed: &'a Sealed,
    /// The country they live in now, if that is another one.
    pub residence: Option<Country>,
    /// Id of the record that stays.
    pub record: Uuid,
    /// Why, for that record.
    pub reason: &'a str,
}

/// What went along with a traveller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Orders.
    pub orders: i64,
    /// Open sessions.
    pub sessions: i64,
}

impl Tx {
    /// Everything of a traveller that is sealed, held until the move is done; `None` when they are
    /// not at home there.
    pub async fn traveller_sealed(&self, traveller: TravellerId) -> Result<Option<Leaver>, Error> {
        let whose: &super::read::Params<'_> = &[&traveller.home().locality, &traveller.uuid()];
        let Some(row) = self.opt(&sql::moving::traveller_sealed, whose).await? else {
            return Ok(None);
        };
        let tokens = self.all(&sql::moving::orders_sealed, whose).await?;
        let passengers = self.all(&sql::moving::passengers_sealed, whose).await?;
        let endpoints = self.all(&sql::moving::endpoints_sealed, whose).await?;
        let sealed = Sealed {
            email: row.get("email"),
            data_key: row.get("data_key"),
            tokens: tokens.iter().map(|row| (row.get("id"), row.get("payment_token"))).collect(),
            passengers: passengers
                .iter()
                .map(|row| SealedField {
                    order: row.get("order_id"),
                    position: row.get("position"),
                    fields: ["given_name", "family_name", "born_on"].map(|name| row.get(name)),
                })
                .collect(),
            endpoints: endpoints
                .iter()
                .map(|row| SealedEndpoint {
                    id: row.get("id"),
                    url: row.get("url"),
                    secret: row.get("secret"),
                    old_secret: row.get("old_secret"),
                })
                .collect(),
        };
        Ok(Some(Leaver { subject_hash: row.get("subject_hash"), sealed }))
    }

    /// Moves the traveller with every row, and writes down that it was done.
    pub async fn traveller_rehome(
        &self,
        traveller: TravellerId,
        subject_hash: &[u8],
        rehomed: &Rehomed<'_>,
    ) -> Result<Moved, Error> {
        let Rehomed { to, sealed, residence, record, reason } = rehomed;
        let (old, new, whose) = (&traveller.home().locality, &to.locality, traveller.uuid());
        let residence = residence.as_ref().map(Country::code);
        self.copies_to_make_anew(traveller).await?;
        let rehome: &super::read::Params<'_> =
            &[old, &whose, new, &sealed.email, &sealed.data_key, &residence];
        self.run(&sql::moving::traveller_rehome, rehome).await?;
        if !sealed.tokens.is_empty() {
            let (orders, tokens): (Vec<Uuid>, Vec<&[u8]>) =
                sealed.tokens.iter().map(|(order, token)| (*order, token.as_slice())).unzip();
            self.run(&sql::moving::orders_reseal, &[new, &orders, &tokens]).await?;
        }
        if !sealed.passengers.is_empty() {
            let orders: Vec<Uuid> = sealed.passengers.iter().map(|it| it.order).collect();
            let places: Vec<i64> = sealed.passengers.iter().map(|it| it.position).collect();
            let field = |index: usize| -> Vec<&[u8]> {
                sealed.passengers.iter().map(|it| it.fields[index].as_slice()).collect()
            };
            let reseal: &super::read::Params<'_> =
                &[new, &orders, &places, &field(0), &field(1), &field(2)];
            self.run(&sql::moving::passengers_reseal, reseal).await?;
        }
        if !sealed.endpoints.is_empty() {
            self.endpoints_reseal(*to, &sealed.endpoints).await?;
        }
        let count = |rows: u64| i64::try_from(rows).unwrap_or(i64::MAX);
        let orders = count(self.run(&sql::moving::orders_fence, &[new, &whose]).await?);
        self.run(&sql::moving::directory_rehome, &[&subject_hash, new]).await?;
        let sessions = count(self.run(&sql::moving::sessions_rehome, &[new, &whose]).await?);
        let record: &super::read::Params<'_> =
            &[new, record, &whose, old, reason, &orders, &sessions];
        self.run(&sql::moving::home_move_insert, record).await?;
        Ok(Moved { orders, sessions })
    }

    async fn endpoints_reseal(
        &self,
        home: RegionId,
        endpoints: &[SealedEndpoint],
    ) -> Result<(), Error> {
        let ids: Vec<Uuid> = endpoints.iter().map(|it| it.id).collect();
        let urls: Vec<&[u8]> = endpoints.iter().map(|it| it.url.as_slice()).collect();
        let secrets: Vec<&[u8]> = endpoints.iter().map(|it| it.secret.as_slice()).collect();
        let old: Vec<Option<&[u8]>> = endpoints.iter().map(|it| it.old_secret.as_deref()).collect();
        let reseal: &super::read::Params<'_> = &[&home.locality, &ids, &urls, &secrets, &old];
        self.run(&sql::moving::endpoints_reseal, reseal).await.map(drop)
    }

    /// Forgets where a batch of ended sessions went; how many.
    pub async fn moved_session_purge(&self) -> Result<u64, Error> {
        self.run(&sql::moving::moved_session_purge, &[]).await
    }
}

impl Reader<'_> {
    /// How many travellers of which country are at home in a region.
    pub async fn residents(&self, home: RegionId) -> Result<Vec<(Country, i64)>, Error> {
        let rows = self.all(&sql::moving::residents, &[&home.locality]).await?;
        let resident =
            |row: &tokio_postgres::Row| Ok((parse(row.get("country"))?, row.get("travellers")));
        rows.iter().map(resident).collect()
    }

    /// The next few travellers of some countries who are at home in a region.
    pub async fn residents_of(
        &self,
        home: RegionId,
        countries: &[Country],
        after: Uuid,
        most: i64,
    ) -> Result<Vec<(TravellerId, Country)>, Error> {
        let codes: Vec<&str> = countries.iter().map(Country::code).collect();
        let params: &super::read::Params<'_> = &[&home.locality, &codes, &after, &most];
        let rows = self.all(&sql::moving::residents_of, params).await?;
        let resident = |row: &tokio_postgres::Row| {
            let traveller = TravellerId::from_parts(home, row.get("id"));
            Ok((traveller, parse(row.get("residence_country"))?))
        };
        rows.iter().map(resident).collect()
    }

    /// Where a session is that is not where its token says, as the database calls the region.
    pub async fn moved_session(&self, token_hash: &[u8]) -> Result<Option<String>, Error> {
        let row = self.opt(&sql::moving::moved_session_get, &[&token_hash]).await?;
        Ok(row.map(|row| row.get("home")))
    }
}
