-- present: the partitions that the database has.
SELECT c.relname::text AS place FROM pg_class AS c WHERE c.relispartition ORDER BY 1
