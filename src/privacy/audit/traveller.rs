//! One traveller's rows: which tables have how many, where they lie, under which keys, and how
//! their home moved. What is in the rows is not shown, sealed or not.

use std::collections::BTreeMap;
use std::time::Duration;

use meridian_regions::RegionId;
use serde::Serialize;

use crate::clock::Deadline;
use crate::domain::ids::TravellerId;
use crate::store::datamap;
use crate::store::subject::Link;
use crate::store::{Error, Store};

/// Longest that one traveller's rows may take to be found.
const PATIENCE: Duration = Duration::from_secs(10);
/// Columns that make up keys and hold random ids or numbers.
const KEYS: &[&str] =
    &["id", "order_id", "request_id", "endpoint_id", "about", "position", "seq", "part"];
/// Where rows of a table are.
#[derive(Clone, Debug, Serialize)]
pub struct Held {
    /// Of which table.
    pub table: String,
    /// What holds them: a partition, or a range of the region's keys.
    pub place: String,
    /// How many.
    pub rows: i64,
    /// Whether that is the place of the traveller's home.
    pub at_home: bool,
}

/// Everything about where one traveller's rows are.
#[derive(Debug, Serialize)]
pub struct Shown {
    /// Who.
    pub traveller: String,
    /// Their home.
    pub home: String,
    /// The law there.
    pub jurisdiction: String,
    /// Regions whose machines may hold a copy.
    pub regions: Vec<String>,
    /// Rows by table and place.
    pub held: Vec<Held>,
    /// Keys of the rows, by table.
    pub keys: BTreeMap<String, Vec<String>>,
    /// How the home moved: from, to, why, when.
    pub moves: Vec<Vec<Option<String>>>,
}

/// Where a traveller's rows really lie, table by table.
pub async fn held(store: &Store, traveller: TravellerId) -> Result<Vec<Held>, Error> {
    let cockroach = store.engine().is_cockroach();
    let home = &traveller.home().locality;
    let mut held = Vec::new();
    for (name, table) in datamap::tables() {
        let Some(link) = Link::of(name, table) else { continue };
        // A partition tells its region by the rule that made it; a range by the begin of its keys.
        let expected = match cockroach {
            true => store.keys_begin(name, home).await?.unwrap_or_default(),
            false => {
                let places = store.placements(name).await?;
                let own = places.into_iter().find(|(region, _)| region == home);
                own.map(|(_, place)| place).unwrap_or_default()
            }
        };
        let places = store.transact("audit_places", Deadline::after(PATIENCE), |tx| async move {
            tx.subject_places(name, link, traveller, cockroach).await
        });
        for (place, rows) in places.await? {
            let at_home = if cockroach { place == *home } else { place == expected };
            let place = if cockroach { expected.clone() } else { place };
            held.push(Held { table: name.clone(), place, rows, at_home });
        }
    }
    Ok(held)
}

/// Everything about where one traveller's rows are; `None` when there is no such traveller.
pub async fn show(
    store: &Store,
    regions: &[RegionId],
    traveller: TravellerId,
) -> Result<Option<Shown>, Error> {
    if store.fresh().account_get(traveller).await?.is_none() {
        return Ok(None);
    }
    let home = traveller.home();
    let mut keys = BTreeMap::new();
    let mut moves = Vec::new();
    for (name, table) in datamap::tables() {
        let Some(link) = Link::of(name, table) else { continue };
        let columns: Vec<&str> =
            KEYS.iter().copied().filter(|it| table.columns.contains_key(*it)).collect();
        let read = store.transact("audit_keys", Deadline::after(PATIENCE), |tx| {
            let columns = columns.clone();
            async move {
                if name == "home_move" {
                    let columns = ["from_region", "to_region", "reason", "moved_at"];
                    return tx.subject_rows(name, link, &columns, traveller).await;
                }
                tx.subject_rows(name, link, &columns, traveller).await
            }
        });
        let rows = if columns.is_empty() { Vec::new() } else { read.await? };
        if name == "home_move" {
            moves = rows;
        } else if !rows.is_empty() {
            let key = |row: &Vec<Option<String>>| {
                row.iter().map(|cell| cell.as_deref().unwrap_or("-")).collect::<Vec<_>>().join("/")
            };
            keys.insert(name.clone(), rows.iter().map(key).collect());
        }
    }
    // When they moved decides the order, not where from.
    moves.sort_by(|one, other| one.last().cmp(&other.last()));
    let same_law = regions.iter().filter(|it| it.jurisdiction == home.jurisdiction);
    Ok(Some(Shown {
        traveller: traveller.to_string(),
        home: home.name.clone(),
        jurisdiction: home.jurisdiction.clone(),
        regions: same_law.map(|it| it.name.clone()).collect(),
        held: held(store, traveller).await?,
        keys,
        moves,
    }))
}
