-- localities: how each table is split; a partition per region stands for REGIONAL BY ROW.
SELECT
    c.relname::text AS table_name,
    CASE
        WHEN c.relkind = 'p' THEN 'partitioned by ' || pg_get_partkeydef(c.oid)
        ELSE 'one table'
    END AS locality
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
ORDER BY c.relname
