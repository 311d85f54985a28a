-- super_regions: which regions keep their copies among themselves.
SELECT super_region_name::text AS super_region_name, array_to_string(regions, ',') AS regions
FROM [SHOW SUPER REGIONS FROM DATABASE {database}]
ORDER BY super_region_name
