-- rows_itself: a traveller's own row.
SELECT {columns}
FROM {table} AS r
WHERE r.region = $1::text::crdb_internal_region AND r.id = $2
