-- sweep_aged_global: rows of a table of all regions whose time is over.
DELETE FROM {table} WHERE {columns} < now() - $1::int8 * interval '1 day'
