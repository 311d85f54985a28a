-- primary_region: where GLOBAL tables are written; the column's name is a reserved word.
SELECT region::text AS region FROM [SHOW REGIONS FROM DATABASE] WHERE "primary"
