-- verdicts_forget: a region that is given up has no places any more.
DELETE FROM locality_verdict WHERE region = $1::text::crdb_internal_region
