-- keys: every column of every key and index, since what is in one shows up in ranges and statistics.
SELECT table_name::text AS table_name, index_name::text AS index_name, column_name::text AS column_name
FROM [SHOW INDEXES FROM DATABASE {database}]
WHERE NOT storing AND NOT implicit
ORDER BY table_name, index_name, seq_in_index
