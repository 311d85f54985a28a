-- lease_renew: go on relaying, if nobody has taken over.
UPDATE relay_lease
SET lease_until = now() + $4::int8 * interval '1 millisecond'
WHERE region = $1::text::crdb_internal_region AND relay = $2 AND epoch = $3
