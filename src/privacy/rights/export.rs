//! A copy of everything about one traveller (Art. 15 and 20 GDPR): JSON and CSV for programs, a
//! page for people, and a manifest that the region signs. Which tables and columns there are comes
//! from the data map, so that nothing new is forgotten; what opens an account or a seal is left
//! out, and the manifest says so.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};

use askama::Template;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;
use zeroize::Zeroizing;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::{PATIENCE, Refusal, Rights, link};
use crate::clock::Deadline;
use crate::domain::evidence::{Entry, Happening};
use crate::domain::ids::{RequestId, TravellerId};
use crate::domain::privacy::{RequestKind, RequestState};
use crate::privacy::records::tame;
use crate::privacy::seal::{Broken, DataKey, Place};
use crate::store::datamap::{self, Category, Table};
use crate::store::privacy::RequestRow;
use crate::store::subject::{Link, TextRow};
use crate::store::{Abort, Error};

/// Bytes of an archive in one row: small enough for a database that copies rows around the world.
const PART_BYTES: usize = 512 * 1024;
/// What a copy holds no copy of.
const NOT_COPIED: &str = "privacy_archive";
/// What the manifest's signature is over.
pub const MANIFEST_TYPE: &str = "application/vnd.meridian.copy+json";

/// A table of somebody's copy.
#[derive(Serialize)]
struct TableCopy {
    /// Its name.
    table: &'static str,
    /// Why it exists.
    purpose: &'static str,
    /// Its columns and what each holds.
    columns: Vec<(&'static str, &'static str)>,
    /// Its rows, opened.
    rows: Vec<Vec<Option<String>>>,
}

/// A file of the archive, for its manifest.
#[derive(Serialize)]
struct FileEntry {
    name: String,
    bytes: usize,
    sha256: String,
}

#[derive(Template)]
#[template(path = "privacy/rights/copy.html")]
struct Page<'a> {
    traveller: String,
    made_at: String,
    home: &'a str,
    law: &'a str,
    tables: &'a [TableCopy],
    withheld: &'a [String],
}

/// Columns of a table that are copied: all but what opens an account or a seal.
fn copied(table: &'static Table) -> Vec<(&'static str, &'static datamap::Column)> {
    let open = |category: Category| category != Category::Credential;
    let columns = table.columns.iter().filter(|(_, column)| open(column.category));
    columns.map(|(name, column)| (name.as_str(), column)).collect()
}

/// Bytes as the database writes them: `\x` and hexadecimal.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let hex =
        text.strip_prefix("\\x").filter(|hex| hex.is_ascii() && hex.len().is_multiple_of(2))?;
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16).ok()).collect()
}

/// Opens what is sealed in a row; its seal names the row by its order or by its own id.
fn open(
    key: &DataKey,
    table: &'static str,
    columns: &[(&'static str, &'static datamap::Column)],
    row: TextRow,
) -> Result<TextRow, Refusal> {
    let of = |name: &str| -> Option<Uuid> {
        let at = columns.iter().position(|(column, _)| *column == name)?;
        row[at].as_deref()?.parse().ok()
    };
    let id = of("id").or_else(|| of("order_id")).unwrap_or_default();
    let opened = columns.iter().zip(&row).map(|((column, about), value)| {
        let Some(text) = value else { return Ok(None) };
        if !about.sealed {
            return Ok(Some(text.clone()));
        }
        let sealed = bytes(text).ok_or(Broken)?;
        let place = Place { table, column, row: id };
        Ok(Some(key.open(place, &sealed)?.to_string()))
    });
    opened.collect()
}

impl Rights {
    /// Makes the copy that was asked for.
    pub(super) async fn make_copy(&self, request: &RequestRow) -> Result<RequestState, Refusal> {
        let traveller = request.traveller;
        let account = self.store.fresh().account_get(traveller).await?;
        let Some(account) = account.filter(|it| it.closed_at.is_none()) else {
            return Ok(RequestState::Waiting);
        };
        let key = self.data_key(traveller, &account)?;
        let tables = self.read_everything(traveller, &key).await?;
        let (archive, manifest) = self.pack(traveller, &tables)?;
        let place = Place { table: NOT_COPIED, column: "sealed", row: request.id.uuid() };
        let parts: Vec<Vec<u8>> =
            archive.chunks(PART_BYTES).map(|part| key.seal_bytes(place, part)).collect();
        let counts: BTreeMap<&str, usize> =
            tables.iter().map(|it| (it.table, it.rows.len())).collect();
        let digest = Sha256::digest(&manifest);
        let receipt = json!({ "rows": counts, "manifest_sha256": hex(&digest) });
        let (id, home) = (request.id, self.home);
        let body = json!({ "request": id.to_string(), "manifest_sha256": hex(&digest) });
        let entry = Entry::about(Happening::ExportReady, &key.subject(), body);
        let done = self.store.tx("export_finish", Deadline::after(PATIENCE), |tx| {
            let (parts, receipt, entry) = (parts.clone(), receipt.clone(), entry.clone());
            async move {
                for (number, part) in parts.iter().enumerate() {
                    let number = i64::try_from(number).expect("a few parts");
                    tx.archive_put(id, number, part).await?;
                }
                if tx.request_settle(id, RequestState::Done, Some(&receipt)).await? {
                    tx.evidence(home, &entry).await?;
                }
                Ok::<_, Abort<Refusal>>(RequestState::Done)
            }
        });
        Ok(done.await?)
    }

    /// Every row of a traveller as of one moment, opened.
    async fn read_everything(
        &self,
        traveller: TravellerId,
        key: &DataKey,
    ) -> Result<Vec<TableCopy>, Refusal> {
        let wanted: Vec<(&'static str, Link, &'static Table)> = datamap::tables()
            .iter()
            .filter(|(name, _)| *name != NOT_COPIED)
            .filter_map(|(name, table)| Some((name.as_str(), Link::of(name, table)?, table)))
            .collect();
        let read = self.store.transact("export_read", Deadline::after(PATIENCE), |tx| {
            let wanted = Vec::clone(&wanted);
            async move {
                let mut read = Vec::new();
                for (name, link, table) in wanted {
                    let columns: Vec<&str> =
                        copied(table).into_iter().map(|(column, _)| column).collect();
                    read.push(tx.subject_rows(name, link, &columns, traveller).await?);
                }
                Ok::<_, Error>(read)
            }
        });
        let read = read.await?;
        let mut tables = Vec::new();
        for ((table, _, about), rows) in wanted.into_iter().zip(read) {
            let columns = copied(about);
            let opened = rows.into_iter().map(|row| open(key, table, &columns, row));
            let rows = opened.collect::<Result<_, Refusal>>()?;
            let purpose = about.purpose.as_str();
            let columns = columns.iter().map(|(name, it)| (*name, it.is.as_str())).collect();
            tables.push(TableCopy { table, purpose, columns, rows });
        }
        Ok(tables)
    }

    /// The archive, and its manifest.
    fn pack(
        &self,
        traveller: TravellerId,
        tables: &[TableCopy],
    ) -> Result<(Zeroizing<Vec<u8>>, Vec<u8>), Refusal> {
        let made_at = self.clock.now().to_string();
        let withheld: Vec<String> = datamap::tables()
            .iter()
            .filter(|(name, table)| Link::of(name, table).is_some())
            .flat_map(|(name, table)| table.columns.iter().map(move |it| (name, it)))
            .filter(|(_, (_, column))| column.category == Category::Credential)
            .map(|(name, (column, about))| format!("{name}.{column}: {}", about.is))
            .collect();
        let mut files: Vec<(String, Vec<u8>)> = vec![
            ("data.json".into(), data(traveller, &made_at, tables)),
            ("index.html".into(), self.page(traveller, &made_at, tables, &withheld)),
        ];
        files.extend(tables.iter().map(|it| (format!("csv/{}.csv", it.table), csv(it))));
        let entries: Vec<FileEntry> = files
            .iter()
            .map(|(name, bytes)| FileEntry {
                name: name.clone(),
                bytes: bytes.len(),
                sha256: hex(&Sha256::digest(bytes)),
            })
            .collect();
        let rows: BTreeMap<&str, usize> =
            tables.iter().map(|it| (it.table, it.rows.len())).collect();
        let manifest = json!({
            "format": 1, "traveller": traveller.to_string(), "home": self.home.name,
            "made_at": made_at, "files": entries, "rows": rows, "withheld": withheld,
        });
        let manifest = meridian_evidence::canonical::canonical(&manifest)
            .expect("a manifest has no fractions");
        let signature = self.keys.evidence.sign(MANIFEST_TYPE, &manifest).to_text();
        files.push(("manifest.json".into(), manifest.clone()));
        files.push(("manifest.sig".into(), signature.into_bytes()));
        Ok((Zeroizing::new(zipped(&files)), manifest))
    }

    fn page(
        &self,
        traveller: TravellerId,
        made_at: &str,
        tables: &[TableCopy],
        withheld: &[String],
    ) -> Vec<u8> {
        let page = Page {
            traveller: traveller.to_string(),
            made_at: made_at.to_owned(),
            home: &self.home.name,
            law: &self.registry.jurisdiction(self.home).law,
            tables,
            withheld,
        };
        page.render().expect("the page is part of the build").into_bytes()
    }

    /// A link for the next download; `None` until the copy is there.
    pub fn archive_link(&self, request: &RequestRow, key: &DataKey) -> Option<String> {
        let done = request.state == RequestState::Done;
        done.then(|| link::make(key, request.id, request.downloads, self.clock.now()))
    }

    /// The copy, for a link that was not used before.
    pub async fn fetch(
        &self,
        traveller: TravellerId,
        id: RequestId,
        text: &str,
        key: &DataKey,
    ) -> Result<Vec<u8>, Refusal> {
        self.request(traveller, id, RequestKind::Export).await?;
        let link = link::read(key, id, text, self.clock.now()).map_err(|no| match no {
            link::NoLink::Forged => Refusal::NotFound,
            link::NoLink::Expired => Refusal::LinkSpent,
        })?;
        let place = Place { table: NOT_COPIED, column: "sealed", row: id.uuid() };
        let mut archive = Vec::new();
        for part in self.store.fresh().archive_get(id).await? {
            archive.extend_from_slice(&key.open_bytes(place, &part)?);
        }
        if archive.is_empty() {
            return Err(Refusal::NoArchive);
        }
        let body = json!({ "request": id.to_string() });
        let entry = Entry::about(Happening::ExportFetched, &key.subject(), body);
        let home = self.home;
        self.store
            .tx("export_fetch", Deadline::after(PATIENCE), |tx| {
                let entry = entry.clone();
                async move {
                    if !tx.archive_fetched(traveller, id, link.serial).await? {
                        return Err(Abort::Refused(Refusal::LinkSpent));
                    }
                    Ok(tx.evidence(home, &entry).await?)
                }
            })
            .await?;
        Ok(archive)
    }
}

impl Rights {
    /// The copy, for somebody of the house who sends it on to a traveller who wrote to us.
    pub async fn fetch_by_operator(
        &self,
        traveller: TravellerId,
        id: RequestId,
    ) -> Result<Vec<u8>, Refusal> {
        let request = self.request(traveller, id, RequestKind::Export).await?;
        let account = self.store.fresh().account_get(traveller).await?;
        let key = self.data_key(traveller, &account.ok_or(Refusal::NotFound)?)?;
        let link = self.archive_link(&request, &key).ok_or(Refusal::NoArchive)?;
        self.fetch(traveller, id, &link, &key).await
    }
}

/// Everything as one JSON document; what is JSON in the database is JSON here.
fn data(traveller: TravellerId, made_at: &str, tables: &[TableCopy]) -> Vec<u8> {
    let value = |text: &Option<String>| -> Value {
        let Some(text) = text else { return Value::Null };
        let nested = text.starts_with(['{', '[']).then(|| serde_json::from_str(text).ok());
        nested.flatten().unwrap_or_else(|| Value::String(text.clone()))
    };
    let tables: BTreeMap<&str, Vec<BTreeMap<&str, Value>>> = tables
        .iter()
        .map(|table| {
            let row = |row: &Vec<Option<String>>| {
                table.columns.iter().zip(row).map(|((name, _), it)| (*name, value(it))).collect()
            };
            (table.table, table.rows.iter().map(row).collect())
        })
        .collect();
    let whole = json!({ "traveller": traveller.to_string(), "made_at": made_at, "tables": tables });
    serde_json::to_vec_pretty(&whole).expect("rows are plain data")
}

/// A table as CSV (RFC 4180). A cell that a spreadsheet would run is written as text.
fn csv(table: &TableCopy) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let head = table.columns.iter().map(|(name, _)| *name);
    writer.write_record(head).expect("memory takes it");
    for row in &table.rows {
        let cells = row.iter().map(|cell| cell.as_deref().map(tame).unwrap_or_default());
        writer.write_record(cells).expect("memory takes it");
    }
    writer.into_inner().expect("memory takes it")
}

fn zipped(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, bytes) in files {
        zip.start_file(name.as_str(), options).expect("memory takes it");
        zip.write_all(bytes).expect("memory takes it");
    }
    zip.finish().expect("memory takes it").into_inner()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_as_both_databases_write_them() {
        assert_eq!(bytes("\\x00ff"), Some(vec![0, 255]));
        assert_eq!(bytes("\\x"), Some(vec![]));
        assert_eq!(bytes("00ff"), None);
        assert_eq!(bytes("\\x0"), None);
        assert_eq!(bytes("\\xzz"), None);
    }

    #[test]
    fn nothing_that_opens_an_account_is_copied() {
        for (name, table) in datamap::tables() {
            for (column, about) in copied(table) {
                assert_ne!(about.category, Category::Credential, "{name}.{column}");
            }
        }
        let account = copied(&datamap::tables()["traveller"]);
        assert!(account.iter().any(|(column, _)| *column == "email"));
    }

    #[test]
    fn a_cell_that_a_spreadsheet_would_run_is_text() {
        let table = TableCopy {
            table: "t",
            purpose: "",
            columns: vec![("a", ""), ("b", "")],
            rows: vec![vec![Some("=1+1".into()), None]],
        };
        assert_eq!(csv(&table), b"a,b\n'=1+1,\n");
    }
}
