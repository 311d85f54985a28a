-- oldest: how long the oldest row of a table has been there, by region, in seconds.
SELECT
    region::text AS region,
    (extract(epoch FROM now() - min({columns})::timestamptz))::int8 AS age
FROM {table}
WHERE {columns} IS NOT NULL
GROUP BY region
ORDER BY region
