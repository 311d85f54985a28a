-- lease_claim: relay from now on, if nobody alive does; a risen epoch fences whoever did.
INSERT INTO relay_lease (region, relay, owner, epoch, lease_until)
VALUES ($1::text::crdb_internal_region, $2, $3, 1, now() + $4::int8 * interval '1 millisecond')
ON CONFLICT (region, relay) DO UPDATE
SET owner = excluded.owner, epoch = relay_lease.epoch + 1, lease_until = excluded.lease_until
WHERE relay_lease.lease_until < now()
RETURNING epoch
