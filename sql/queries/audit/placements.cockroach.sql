-- placements: which regions the zone configuration of each partition lets hold a replica.
SELECT partition_name AS region, full_zone_config AS place
FROM [SHOW PARTITIONS FROM TABLE {table}]
ORDER BY 1, 2
