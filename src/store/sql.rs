//! The query catalogue: every statement is a file, and every file is here under its own name.
//!
//! A test prepares them all against a migrated database, so that no statement is wrong at run time.

use super::Engine;

/// A statement: its name, and text that runs unchanged on both engines.
#[derive(Debug)]
pub struct Query {
    /// `room/noun_verb`, as the file is called.
    pub name: &'static str,
    /// The statement.
    pub text: &'static str,
}

/// The same question in each engine's own words; only the audit asks such.
#[derive(Debug)]
pub struct EngineQuery {
    /// For PostgreSQL.
    pub postgres: Query,
    /// For CockroachDB.
    pub cockroach: Query,
}

impl EngineQuery {
    /// The words that an engine understands.
    pub fn on(&self, engine: Engine) -> &Query {
        if engine.is_cockroach() { &self.cockroach } else { &self.postgres }
    }
}

/// A statement about a table that the data map names.
#[derive(Debug)]
pub struct TableQuery(pub Query);

impl TableQuery {
    /// The statement for one table. Only names of the data map come here, never a caller's text.
    pub fn of(&self, table: &str) -> String {
        self.0.text.replace("{table}", table)
    }

    /// The statement for a database, by its name.
    pub fn database(&self, name: &str) -> String {
        self.0.text.replace("{database}", &quoted(name))
    }

    /// The statement for a row of a region: its region and the id that no row has.
    pub fn row(&self, table: &str, region: &str) -> String {
        let row = format!("'{}', '{}'", region.replace('\'', "''"), uuid::Uuid::nil());
        self.of(table).replace("{row}", &row)
    }

    /// The statement for some columns of one table; these, too, come from the data map only.
    pub fn select(&self, table: &str, columns: &str) -> String {
        self.of(table).replace("{columns}", columns)
    }
}

/// A name as an identifier.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

macro_rules! query {
    ($room:ident, $file:expr) => {
        Query {
            name: concat!(stringify!($room), "/", $file),
            text: include_str!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/sql/queries/",
                stringify!($room),
                "/",
                $file,
                ".sql"
            )),
        }
    };
}

macro_rules! queries {
    ($($room:ident { $($query:ident),* $(,)? })*) => {
        $(
            #[expect(non_upper_case_globals, missing_docs, reason = "called as its file")]
            pub mod $room {
                use super::Query;
                $(pub static $query: Query = query!($room, stringify!($query));)*
            }
        )*

        /// Every statement that runs unchanged on both engines.
        pub static ALL: &[&Query] = &[$($(&$room::$query),*),*];
    };
}

queries! {
    engine { version, ping }
    migrate { lock_take, lock_drop }
    catalogue { release_claim }
    lifecycle {
        drain_set, drain_clear, drain_get, drains, lives, life_set, steps, step_begin, step_end,
        orders_leased,
    }
    travellers {
        directory_insert, directory_home, traveller_insert, traveller_exists, traveller_by_subject,
        session_insert, session_get, session_delete, session_purge,
    }
    orders {
        order_accept, order_get, order_list, order_events, order_act, order_claim, order_work,
        order_passengers, order_advance, order_postpone, order_nudge, order_present, order_states,
        order_anonymise, quote_insert, quote_get,
        idempotency_get, idempotency_put, idempotency_blank, idempotency_purge,
    }
    inventory {
        seats_hold, seats_add, seats_sell, seats_release, seats_left, seats_rehome, keepers,
        keepers_claim, keeper_move, oversell_set, oversell_apply, oversell_limits,
    }
    moving {
        residents, residents_of, traveller_sealed, orders_sealed, passengers_sealed,
        traveller_rehome, orders_reseal, passengers_reseal, orders_fence, directory_rehome,
        sessions_rehome, endpoints_sealed, endpoints_reseal, home_move_insert, moved_session_get,
        moved_session_purge,
    }
    relay {
        lease_claim, lease_renew, lease_release, leases_forget, outbox_next, outbox_fan_out,
        stream_next, stream_taken, stream_purge, queues_oldest,
    }
    webhooks {
        endpoint_insert, endpoint_list, endpoint_delete, endpoint_rotate, endpoint_disable,
        endpoints_open, delivery_claim, delivery_settle, delivery_retry, deliveries_let_go,
        deliveries_drop, delivery_list, delivery_redeliver, delivery_purge, ping_insert,
    }
    privacy {
        request_put, request_list, request_get, request_by_receipt, requests_to_do,
        requests_of_region, request_settle, requests_drop_asked, requests_reopen, archive_put,
        archive_get, archive_fetched, archives_drop, consent_put, consent_list, traveller_get,
        traveller_hold, processing_set, traveller_close, traveller_shred, traveller_rectify,
        directory_delete, moved_sessions_delete, sessions_delete, sessions_delete_others,
        endpoints_delete, keys_delete, orders_unfinished, passengers_delete, orders_strip,
        tombstone_put, tombstones, travellers_after, data_key_rewrap,
    }
    staff { grant_put, grant_get, grant_list, grant_delete, grants_forget }
    locality { verdict_put, verdict_last, verdicts_forget }
    retention { orders_forget, travellers_forget }
    evidence {
        intake_put, intake_next, intake_drop, intake_rehome, chain_head, chain_put, chains,
        checkpoint_last, checkpoint_put, checkpoints, evidence_age, hashes_since, records_page,
        evidence_rehome,
    }
    audit {
        columns, misplaced_travellers, misplaced_directory, identity, sample_travellers,
        disclosures, payments_told, moves, overdue,
    }
}

/// How each table is split.
pub static LOCALITIES: EngineQuery = EngineQuery {
    postgres: query!(audit, "localities.postgres"),
    cockroach: query!(audit, "localities.cockroach"),
};

/// Every column of every key and index.
pub static KEYS_POSTGRES: Query = query!(audit, "keys.postgres");
/// Every column of every key and index; CockroachDB wants the database's name.
pub static KEYS_COCKROACH: TableQuery = TableQuery(query!(audit, "keys.cockroach"));
/// The files that hold each partition of a table on PostgreSQL.
pub static STORAGE_POSTGRES: Query = query!(audit, "storage.postgres");
/// The ranges of a table, their copies and who leads them.
pub static RANGES_COCKROACH: TableQuery = TableQuery(query!(audit, "ranges.cockroach"));
/// Where a row of a region would lie.
pub static RANGE_OF_ROW_COCKROACH: TableQuery = TableQuery(query!(audit, "range_of_row.cockroach"));
/// What each partition of a table is told about its copies.
pub static ZONES_COCKROACH: TableQuery = TableQuery(query!(audit, "zones.cockroach"));
/// Which regions keep their copies among themselves.
pub static SUPER_REGIONS_COCKROACH: TableQuery =
    TableQuery(query!(audit, "super_regions.cockroach"));
/// Where the rows of one table's regions lie on PostgreSQL.
pub static PLACEMENTS_POSTGRES: Query = query!(audit, "placements.postgres");
/// Where the rows of one table's regions may lie on CockroachDB.
pub static PLACEMENTS_COCKROACH: TableQuery = TableQuery(query!(audit, "placements.cockroach"));
/// The regions that a CockroachDB cluster has nodes in.
pub static CLUSTER_REGIONS_COCKROACH: Query = query!(lifecycle, "cluster_regions.cockroach");
/// The primary region of a CockroachDB database.
pub static PRIMARY_REGION_COCKROACH: Query = query!(lifecycle, "primary_region.cockroach");
/// Rows of a table by region.
pub static ROWS_PER_REGION: TableQuery = TableQuery(query!(audit, "rows_per_region"));
/// Rows of a table whose time is over.
pub static SWEEP_AGED: TableQuery = TableQuery(query!(retention, "sweep_aged"));
/// Rows of a table of all regions whose time is over.
pub static SWEEP_AGED_GLOBAL: TableQuery = TableQuery(query!(retention, "sweep_aged_global"));
/// How long the oldest row of a table has been there.
pub static OLDEST: TableQuery = TableQuery(query!(retention, "oldest"));
/// How long the oldest row of a table of all regions has been there.
pub static OLDEST_GLOBAL: TableQuery = TableQuery(query!(retention, "oldest_global"));
/// Rows of a table in one region.
pub static ROWS_IN_REGION: TableQuery = TableQuery(query!(audit, "rows_in_region"));
/// Rows of a table without regions.
pub static ROWS_ALL: TableQuery = TableQuery(query!(audit, "rows_all"));
/// Rows away from their traveller.
pub static MISPLACED_ROWS: TableQuery = TableQuery(query!(audit, "misplaced_rows"));
/// Rows away from their order.
pub static MISPLACED_ORDER_ROWS: TableQuery = TableQuery(query!(audit, "misplaced_order_rows"));
/// A traveller's own row.
pub static ROWS_ITSELF: TableQuery = TableQuery(query!(privacy, "rows_itself"));
/// Rows that name their traveller.
pub static ROWS_OF_TRAVELLER: TableQuery = TableQuery(query!(privacy, "rows_of_traveller"));
/// Rows that name an order of a traveller.
pub static ROWS_OF_ORDERS: TableQuery = TableQuery(query!(privacy, "rows_of_orders"));
/// Rows that name a request of a traveller.
pub static ROWS_OF_REQUESTS: TableQuery = TableQuery(query!(privacy, "rows_of_requests"));
