-- session: what older CockroachDB versions must be told before regions and migrations.
SET enable_super_regions = 'on';
SET autocommit_before_ddl = 'on'
