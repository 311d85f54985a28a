-- intake_rehome: what a region that is given up had not linked is linked by another.
UPDATE evidence_intake
SET region = $2::text::crdb_internal_region
WHERE region = $1::text::crdb_internal_region
