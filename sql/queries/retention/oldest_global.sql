-- oldest_global: how long the oldest row of a table of all regions has been there, in seconds.
SELECT
    'every region' AS region,
    coalesce((extract(epoch FROM now() - min({columns})::timestamptz))::int8, 0) AS age
FROM {table}
