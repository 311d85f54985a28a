-- cluster_regions: where the cluster has nodes, by their locality.
SELECT region::text AS region FROM [SHOW REGIONS FROM CLUSTER] ORDER BY 1
