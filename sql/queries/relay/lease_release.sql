-- lease_release: let another node relay at once.
UPDATE relay_lease
SET lease_until = now() - interval '1 millisecond'
WHERE region = $1::text::crdb_internal_region AND relay = $2 AND epoch = $3
