-- verdict_purge: looks of long ago; each region has one every ten minutes.
DELETE FROM locality_verdict
WHERE region = $1::text::crdb_internal_region AND taken_at < now() - interval '90 days'
