-- leases_forget: a region that is given up keeps no lease that ran out.
DELETE FROM relay_lease
WHERE region = $1::text::crdb_internal_region AND lease_until < now()
