-- placements: where the rows of a table's regions lie; here the partition, on one machine.
SELECT
    coalesce(substring(pg_get_expr(child.relpartbound, child.oid) FROM '''([^'']+)'''), 'every region')
        AS region,
    child.relname::text AS place
FROM pg_inherits AS i
JOIN pg_class AS parent ON parent.oid = i.inhparent
JOIN pg_class AS child ON child.oid = i.inhrelid
WHERE parent.relname = $1::text AND parent.relkind = 'p'
ORDER BY 1, 2
