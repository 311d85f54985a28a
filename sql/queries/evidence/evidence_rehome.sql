-- evidence_rehome: the chain of a region that is given up is kept by another.
UPDATE evidence
SET region = $2::text::crdb_internal_region
WHERE region = $1::text::crdb_internal_region
