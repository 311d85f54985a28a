-- intake_put: what happened, written down where and when it did; the chain takes it from here.
INSERT INTO evidence_intake (region, id, kind, subject, body)
VALUES ($1::text::crdb_internal_region, $2, $3, $4, $5)
ON CONFLICT (region, id) DO NOTHING
