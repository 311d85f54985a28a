-- sweep_aged: rows of a table whose time is over.
DELETE FROM {table}
WHERE region = $1::text::crdb_internal_region AND {columns} < now() - $2::int8 * interval '1 day'
