-- misplaced_rows: rows of a table whose traveller is not at home in the same region.
SELECT r.region::text AS region, count(*) AS rows
FROM {table} AS r
LEFT JOIN traveller AS t ON t.region = r.region AND t.id = r.traveller_id
WHERE t.id IS NULL
GROUP BY r.region
ORDER BY r.region
