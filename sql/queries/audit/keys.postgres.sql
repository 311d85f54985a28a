-- keys: every column of every key and index, since what is in one shows up in plans and logs.
SELECT t.relname::text AS table_name, i.relname::text AS index_name, a.attname::text AS column_name
FROM pg_index AS x
JOIN pg_class AS t ON t.oid = x.indrelid
JOIN pg_class AS i ON i.oid = x.indexrelid
JOIN pg_namespace AS n ON n.oid = t.relnamespace
JOIN pg_attribute AS a ON a.attrelid = i.oid
WHERE n.nspname = 'public' AND NOT t.relispartition
ORDER BY t.relname, i.relname, a.attnum
