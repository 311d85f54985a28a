-- rows_in_region: how many rows of a table are at home in one region.
SELECT count(*) AS rows FROM {table} WHERE region = $1::text::crdb_internal_region
