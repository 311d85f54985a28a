-- storage: the files that hold each partition of a table, and how large they are.
SELECT
    child.relname::text AS place,
    pg_relation_filepath(child.oid)::text AS file,
    coalesce(s.spcname::text, 'the default of the database') AS tablespace,
    pg_total_relation_size(child.oid)::int8 AS bytes
FROM pg_inherits AS i
JOIN pg_class AS parent ON parent.oid = i.inhparent
JOIN pg_class AS child ON child.oid = i.inhrelid
LEFT JOIN pg_tablespace AS s ON s.oid = child.reltablespace
WHERE parent.relname = $1::text AND parent.relkind = 'p'
ORDER BY child.relname
