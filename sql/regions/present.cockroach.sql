-- present: the regions that the database has.
SELECT region::text AS region FROM [SHOW REGIONS FROM DATABASE] ORDER BY 1
