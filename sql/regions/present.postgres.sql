-- present: the regions that the database has.
SELECT DISTINCT substring(pg_get_expr(c.relpartbound, c.oid) FROM '''([^'']+)''') AS region
FROM pg_class AS c
WHERE c.relispartition AND c.relkind = 'r'
ORDER BY 1
