-- intake_drop: what is linked waits no longer.
DELETE FROM evidence_intake WHERE region = $1::text::crdb_internal_region AND id = ANY($2::uuid[])
