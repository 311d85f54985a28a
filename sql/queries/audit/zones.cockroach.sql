-- zones: what each partition of a table's indexes is told about its copies.
SELECT
    index_name::text AS index_name, partition_name::text AS partition_name,
    full_zone_config::text AS full_zone_config
FROM [SHOW PARTITIONS FROM TABLE {table}]
ORDER BY index_name, partition_name
