-- verdict_put: what a look at the places of a region's rows found.
INSERT INTO locality_verdict (region, id, violations, body)
VALUES ($1::text::crdb_internal_region, $2, $3, $4)
ON CONFLICT (region, id) DO NOTHING
