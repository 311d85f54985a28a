-- drop_partition: a region's rows of a personal table; a row that came in meanwhile keeps it.
ALTER TABLE {table} DETACH PARTITION "{table}_{region}";
DO $$ BEGIN
    IF EXISTS (SELECT 1 FROM "{table}_{region}") THEN
        RAISE EXCEPTION 'a row is at home there; move it first';
    END IF;
END $$;
DROP TABLE "{table}_{region}"
