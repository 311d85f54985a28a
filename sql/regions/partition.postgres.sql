-- partition: a region's rows of a personal table.
CREATE TABLE IF NOT EXISTS "{table}_{region}" PARTITION OF {table} FOR VALUES IN ('{region}')
