-- localities: what CockroachDB was told about each table.
SELECT table_name::text AS table_name, locality::text AS locality
FROM [SHOW TABLES]
WHERE schema_name = 'public'
ORDER BY table_name
