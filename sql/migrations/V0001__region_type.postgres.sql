-- region_type: CockroachDB makes this type with the database's first region; here it is a domain.
CREATE DOMAIN crdb_internal_region AS TEXT CHECK (VALUE ~ '^[a-z][a-z0-9-]*$');
