-- endpoint_insert: one more endpoint of a traveller, unless they have enough; again is the same.
INSERT INTO webhook_endpoint (region, id, traveller_id, url, secret, lane, events)
SELECT $1::text::crdb_internal_region, $2::uuid, $3::uuid, $4::bytea, $5::bytea, $6::int8, $7::text[]
WHERE (
    SELECT count(*)
    FROM webhook_endpoint AS w
    WHERE w.region = $1::text::crdb_internal_region AND w.traveller_id = $3::uuid AND w.id <> $2::uuid
) < $8::int8
ON CONFLICT (region, id) DO UPDATE SET lane = excluded.lane
RETURNING created_at
