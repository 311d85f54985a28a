-- rows_of_traveller: rows that name their traveller.
SELECT {columns}
FROM {table} AS r
WHERE r.region = $1::text::crdb_internal_region AND r.traveller_id = $2
