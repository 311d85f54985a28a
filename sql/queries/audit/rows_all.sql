-- rows_all: how many rows a table has that belongs to no region.
SELECT 'every region' AS region, count(*) AS rows FROM {table}
