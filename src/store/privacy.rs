//! What travellers ask under the law, what they agreed to, and taking an account apart.

use jiff::Timestamp;
use meridian_regions::RegionId;
use serde_json::Value;
use tokio_postgres::Row;
use uuid::Uuid;

use super::read::{Params, parse};
use super::{Error, Reader, Tx, sql};
use crate::domain::consent::Wording;
use crate::domain::ids::{RequestId, TravellerId};
use crate::domain::privacy::{RequestKind, RequestState};

/// Something that a traveller asked.
#[derive(Clone, Debug)]
pub struct RequestRow {
    /// Which.
    pub id: RequestId,
    /// Who asked.
    pub traveller: TravellerId,
    /// What.
    pub kind: RequestKind,
    /// How far it is.
    pub state: RequestState,
    /// `traveller` or `operator`.
    pub asked_by: String,
    /// What it came to: counts, never values.
    pub receipt: Option<Value>,
    /// How often its archive was fetched.
    pub downloads: i64,
    /// When it was asked.
    pub created_at: Timestamp,
    /// Until when the law wants an answer.
    pub answer_by: Timestamp,
    /// When it was done.
    pub done_at: Option<Timestamp>,
}

/// Something that is asked now.
#[derive(Clone, Debug)]
pub struct NewRequest {
    /// Made before the transaction.
    pub id: RequestId,
    /// Who asks.
    pub traveller: TravellerId,
    /// What.
    pub kind: RequestKind,
    /// Where it begins.
    pub state: RequestState,
    /// `traveller` or `operator`.
    pub asked_by: &'static str,
    /// Hash of the token that shows the receipt.
    pub receipt_hash: Option<Vec<u8>>,
    /// What is known of it from the beginning.
    pub receipt: Option<Value>,
}

/// An agreement that was given or taken back.
#[derive(Clone, Debug)]
pub struct ConsentRow {
    /// For what.
    pub purpose: String,
    /// Which words.
    pub version: i64,
    /// Their SHA-256.
    pub text_hash: Vec<u8>,
    /// Given, or taken back.
    pub given: bool,
    /// When.
    pub created_at: Timestamp,
}

/// An account as its rights see it.
#[derive(Clone, Debug)]
pub struct Account {
    /// The directory's keyed hash.
    pub subject_hash: Vec<u8>,
    /// The data key, wrapped; empty when it was destroyed.
    pub data_key: Vec<u8>,
    /// Declared country of residence.
    pub residence: String,
    /// argon2id in PHC form.
    pub password_hash: String,
    /// Since when its processing is restricted.
    pub restricted_at: Option<Timestamp>,
    /// Since when profiling is refused.
    pub profiling_refused_at: Option<Timestamp>,
    /// Since when it is closed.
    pub closed_at: Option<Timestamp>,
    /// When it was erased.
    pub erased_at: Option<Timestamp>,
}

/// What is put right about an account; nothing stays as it was.
#[derive(Clone, Debug, Default)]
pub struct Rectified {
    /// The directory's keyed hash of another address, and that address, sealed.
    pub email: Option<(Vec<u8>, Vec<u8>)>,
    /// argon2id in PHC form.
    pub password_hash: Option<String>,
    /// Declared country of residence.
    pub residence: Option<String>,
}

fn request(home: RegionId, row: &Row) -> Result<RequestRow, Error> {
    Ok(RequestRow {
        id: RequestId::from_parts(home, row.get("id")),
        traveller: TravellerId::from_parts(home, row.get("traveller_id")),
        kind: parse(row.get("kind"))?,
        state: parse(row.get("state"))?,
        asked_by: row.get("asked_by"),
        receipt: row.get("receipt"),
        downloads: row.get("downloads"),
        created_at: row.get("created_at"),
        answer_by: row.get("answer_by"),
        done_at: row.get("done_at"),
    })
}

fn account(row: &Row) -> Account {
    Account {
        subject_hash: row.get("subject_hash"),
        data_key: row.get("data_key"),
        residence: row.get("residence_country"),
        password_hash: row.get("password_hash"),
        restricted_at: row.get("restricted_at"),
        profiling_refused_at: row.get("profiling_refused_at"),
        closed_at: row.get("closed_at"),
        erased_at: row.get("erased_at"),
    }
}

impl Tx {
    /// Writes down what is asked; `false` when the same is open already, or this very request was
    /// written before.
    pub async fn request_put(&self, new: &NewRequest) -> Result<bool, Error> {
        let params: &Params<'_> = &[
            &new.id.home().locality,
            &new.id.uuid(),
            &new.traveller.uuid(),
            &new.kind.name(),
            &new.state.name(),
            &new.asked_by,
            &new.receipt_hash,
            &new.receipt,
        ];
        Ok(self.run(&sql::privacy::request_put, params).await? == 1)
    }

    /// What a traveller asked, the newest first.
    pub async fn request_list(&self, traveller: TravellerId) -> Result<Vec<RequestRow>, Error> {
        let home = traveller.home();
        let params: &Params<'_> = &[&home.locality, &traveller.uuid()];
        let rows = self.all(&sql::privacy::request_list, params).await?;
        rows.iter().map(|row| request(home, row)).collect()
    }

    /// How far a request is, and what it came to.
    pub async fn request_settle(
        &self,
        id: RequestId,
        state: RequestState,
        receipt: Option<&Value>,
    ) -> Result<bool, Error> {
        let params: &Params<'_> = &[&id.home().locality, &id.uuid(), &state.name(), &receipt];
        Ok(self.run(&sql::privacy::request_settle, params).await? == 1)
    }

    /// Forgets an erasure that nobody confirmed.
    pub async fn requests_drop_asked(&self, traveller: TravellerId) -> Result<u64, Error> {
        self.of(&sql::privacy::requests_drop_asked, traveller).await
    }

    /// Keeps a part of a traveller's copy.
    pub async fn archive_put(&self, id: RequestId, part: i64, sealed: &[u8]) -> Result<(), Error> {
        let params: &Params<'_> = &[&id.home().locality, &id.uuid(), &part, &sealed];
        self.run(&sql::privacy::archive_put, params).await.map(drop)
    }

    /// Uses a link; `false` when it was used before.
    pub async fn archive_fetched(
        &self,
        traveller: TravellerId,
        id: RequestId,
        serial: i64,
    ) -> Result<bool, Error> {
        let params: &Params<'_> = &[&id.home().locality, &traveller.uuid(), &id.uuid(), &serial];
        Ok(self.run(&sql::privacy::archive_fetched, params).await? == 1)
    }

    /// Writes down an agreement, or that it was taken back.
    pub async fn consent_put(
        &self,
        traveller: TravellerId,
        id: Uuid,
        wording: &Wording,
        text_hash: &[u8],
        given: bool,
    ) -> Result<(), Error> {
        let (home, purpose) = (traveller.home(), wording.purpose.name());
        let whose = traveller.uuid();
        let params: &Params<'_> =
            &[&home.locality, &id, &whose, &purpose, &wording.version, &text_hash, &given];
        self.run(&sql::privacy::consent_put, params).await.map(drop)
    }

    /// An account, held until this transaction ends.
    pub async fn account_hold(&self, traveller: TravellerId) -> Result<Option<Account>, Error> {
        let params: &Params<'_> = &[&traveller.home().locality, &traveller.uuid()];
        Ok(self.opt(&sql::privacy::traveller_hold, params).await?.as_ref().map(account))
    }

    /// Restricts or allows processing and profiling; what is not said stays.
    pub async fn processing_set(
        &self,
        traveller: TravellerId,
        restricted: Option<bool>,
        profiling_refused: Option<bool>,
    ) -> Result<bool, Error> {
        let params: &Params<'_> =
            &[&traveller.home().locality, &traveller.uuid(), &restricted, &profiling_refused];
        Ok(self.run(&sql::privacy::processing_set, params).await? == 1)
    }

    /// Puts right what was wrong; `false` when the account is closed.
    pub async fn traveller_rectify(
        &self,
        traveller: TravellerId,
        new: &Rectified,
    ) -> Result<bool, Error> {
        let (hash, email) = new.email.as_ref().map(|(hash, email)| (hash, email)).unzip();
        let params: &Params<'_> = &[
            &traveller.home().locality,
            &traveller.uuid(),
            &hash,
            &email,
            &new.password_hash,
            &new.residence,
        ];
        Ok(self.run(&sql::privacy::traveller_rectify, params).await? == 1)
    }

    /// An address leads nowhere any more.
    pub async fn directory_delete(&self, hash: &[u8]) -> Result<(), Error> {
        self.run(&sql::privacy::directory_delete, &[&hash]).await.map(drop)
    }

    /// Ends every other session of a traveller.
    pub async fn sessions_delete_others(
        &self,
        traveller: TravellerId,
        token_hash: &[u8],
    ) -> Result<u64, Error> {
        let params: &Params<'_> = &[&traveller.home().locality, &traveller.uuid(), &token_hash];
        self.run(&sql::privacy::sessions_delete_others, params).await
    }

    /// Closes an account: nothing opens it, finds it, or tells anybody of it any more.
    pub async fn traveller_close(
        &self,
        traveller: TravellerId,
        subject_hash: &[u8],
    ) -> Result<(), Error> {
        let nobody = traveller.uuid().as_bytes().to_vec();
        let params: &Params<'_> = &[&traveller.home().locality, &traveller.uuid(), &nobody];
        self.run(&sql::privacy::traveller_close, params).await?;
        self.directory_delete(subject_hash).await?;
        self.let_go(traveller).await
    }

    /// Copies that wait to be fetched do not open in another home; they are made anew there.
    pub(super) async fn copies_to_make_anew(&self, traveller: TravellerId) -> Result<(), Error> {
        self.of(&sql::privacy::requests_reopen, traveller).await?;
        self.of(&sql::privacy::archives_drop, traveller).await.map(drop)
    }

    /// Everything that only an open account needs.
    async fn let_go(&self, traveller: TravellerId) -> Result<(), Error> {
        for query in [
            &sql::privacy::moved_sessions_delete,
            &sql::privacy::sessions_delete,
            &sql::privacy::endpoints_delete,
            &sql::privacy::keys_delete,
            &sql::privacy::archives_drop,
        ] {
            self.of(query, traveller).await?;
        }
        Ok(())
    }

    /// How many orders of a traveller still need the names in them.
    pub async fn orders_unfinished(&self, traveller: TravellerId) -> Result<i64, Error> {
        let needs = crate::domain::order::State::ALL.iter().filter(|state| state.needs_names());
        let states: Vec<&str> = needs.map(|state| state.name()).collect();
        let params: &Params<'_> = &[&traveller.home().locality, &traveller.uuid(), &states];
        Ok(self.one(&sql::privacy::orders_unfinished, params).await?.get("orders"))
    }

    /// Wraps a data key anew; `false` when it is another by now.
    pub async fn data_key_rewrap(
        &self,
        traveller: TravellerId,
        old: &[u8],
        anew: &[u8],
    ) -> Result<bool, Error> {
        let params: &Params<'_> = &[&traveller.home().locality, &traveller.uuid(), &old, &anew];
        Ok(self.run(&sql::privacy::data_key_rewrap, params).await? == 1)
    }

    /// Destroys the data key and everything that was only kept for the traveller.
    pub async fn traveller_shred(
        &self,
        traveller: TravellerId,
        subject_hash: &[u8],
        tombstone: &[u8],
    ) -> Result<(), Error> {
        let (home, whose) = (&traveller.home().locality, traveller.uuid());
        self.directory_delete(subject_hash).await?;
        self.let_go(traveller).await?;
        self.of(&sql::privacy::passengers_delete, traveller).await?;
        let over = crate::domain::order::State::ALL.iter().filter(|state| state.is_terminal());
        let over: Vec<&str> = over.map(|state| state.name()).collect();
        self.run(&sql::privacy::orders_strip, &[home, &whose, &over]).await?;
        let nobody = whose.as_bytes().to_vec();
        self.run(&sql::privacy::traveller_shred, &[home, &whose, &nobody]).await?;
        self.tombstone_put(tombstone).await
    }

    /// Remembers whom no backup may bring back.
    pub async fn tombstone_put(&self, tombstone: &[u8]) -> Result<(), Error> {
        self.run(&sql::privacy::tombstone_put, &[&tombstone]).await.map(drop)
    }

    async fn of(&self, query: &'static sql::Query, traveller: TravellerId) -> Result<u64, Error> {
        self.run(query, &[&traveller.home().locality, &traveller.uuid()]).await
    }
}

impl Reader<'_> {
    /// What a traveller asked, the newest first.
    pub async fn request_list(&self, traveller: TravellerId) -> Result<Vec<RequestRow>, Error> {
        let home = traveller.home();
        let params: &Params<'_> = &[&home.locality, &traveller.uuid()];
        let rows = self.all(&sql::privacy::request_list, params).await?;
        rows.iter().map(|row| request(home, row)).collect()
    }

    /// One of them.
    pub async fn request_get(
        &self,
        traveller: TravellerId,
        id: RequestId,
    ) -> Result<Option<RequestRow>, Error> {
        let home = traveller.home();
        let params: &Params<'_> = &[&home.locality, &traveller.uuid(), &id.uuid()];
        let row = self.opt(&sql::privacy::request_get, params).await?;
        row.as_ref().map(|row| request(home, row)).transpose()
    }

    /// The erasure whose receipt a token shows.
    pub async fn request_by_receipt(
        &self,
        home: RegionId,
        receipt_hash: &[u8],
    ) -> Result<Option<RequestRow>, Error> {
        let params: &Params<'_> = &[&home.locality, &receipt_hash];
        let row = self.opt(&sql::privacy::request_by_receipt, params).await?;
        row.as_ref().map(|row| request(home, row)).transpose()
    }

    /// What is to be carried out in a region, the oldest first.
    pub async fn requests_to_do(&self, home: RegionId) -> Result<Vec<RequestRow>, Error> {
        let rows = self.all(&sql::privacy::requests_to_do, &[&home.locality]).await?;
        rows.iter().map(|row| request(home, row)).collect()
    }

    /// A region's requests, those that wait longest first.
    pub async fn requests_of_region(&self, home: RegionId) -> Result<Vec<RequestRow>, Error> {
        let rows = self.all(&sql::privacy::requests_of_region, &[&home.locality]).await?;
        rows.iter().map(|row| request(home, row)).collect()
    }

    /// What a traveller agreed to and took back, the newest first.
    pub async fn consent_list(&self, traveller: TravellerId) -> Result<Vec<ConsentRow>, Error> {
        let params: &Params<'_> = &[&traveller.home().locality, &traveller.uuid()];
        let rows = self.all(&sql::privacy::consent_list, params).await?;
        Ok(rows
            .iter()
            .map(|row| ConsentRow {
                purpose: row.get("purpose"),
                version: row.get("version"),
                text_hash: row.get("text_hash"),
                given: row.get("given"),
                created_at: row.get("created_at"),
            })
            .collect())
    }

    /// An account as its rights see it.
    pub async fn account_get(&self, traveller: TravellerId) -> Result<Option<Account>, Error> {
        let params: &Params<'_> = &[&traveller.home().locality, &traveller.uuid()];
        Ok(self.opt(&sql::privacy::traveller_get, params).await?.as_ref().map(account))
    }

    /// The parts of a traveller's copy, in order.
    pub async fn archive_get(&self, id: RequestId) -> Result<Vec<Vec<u8>>, Error> {
        let params: &Params<'_> = &[&id.home().locality, &id.uuid()];
        let rows = self.all(&sql::privacy::archive_get, params).await?;
        Ok(rows.iter().map(|row| row.get("sealed")).collect())
    }

    /// Whom no backup may bring back.
    pub async fn tombstones(&self) -> Result<Vec<Vec<u8>>, Error> {
        let rows = self.all(&sql::privacy::tombstones, &[]).await?;
        Ok(rows.iter().map(|row| row.get("subject_hash")).collect())
    }

    /// The next accounts of a region that hold anything, and whether they are closed.
    pub async fn travellers_after(
        &self,
        home: RegionId,
        after: Uuid,
    ) -> Result<Vec<(TravellerId, bool)>, Error> {
        let rows = self.all(&sql::privacy::travellers_after, &[&home.locality, &after]).await?;
        let closed = |row: &Row| row.get::<_, Option<Timestamp>>("closed_at").is_some();
        Ok(rows
            .iter()
            .map(|row| (TravellerId::from_parts(home, row.get("id")), closed(row)))
            .collect())
    }
}
