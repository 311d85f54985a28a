-- rows_per_region: how many rows of a table say that they are at home where.
SELECT region::text AS region, count(*) AS rows FROM {table} GROUP BY region ORDER BY region
