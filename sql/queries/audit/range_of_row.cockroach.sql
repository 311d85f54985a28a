-- range_of_row: where a row of a region would lie, which tells how the region's keys begin.
SELECT start_key::text AS start_key
FROM [SHOW RANGE FROM TABLE {table} FOR ROW ({row})]
ORDER BY 1
