-- delivery_claim: what is due, whose lane has room, and that no earlier event of its order waits.
UPDATE webhook_delivery
SET epoch = epoch + 1, owner = $2, lease_until = now() + $3::int8 * interval '1 millisecond'
WHERE region = $1::text::crdb_internal_region
    AND (region, endpoint_id, about, seq) IN (
        SELECT d.region, d.endpoint_id, d.about, d.seq
        FROM webhook_delivery AS d
        WHERE d.region = $1::text::crdb_internal_region
            AND d.due_at <= now() AND d.state = 'pending'
            AND (d.lease_until IS NULL OR d.lease_until < now())
            AND d.lane <> ALL($4::int8[])
            AND NOT EXISTS (
                SELECT 1
                FROM webhook_delivery AS earlier
                WHERE earlier.region = $1::text::crdb_internal_region
                    AND earlier.endpoint_id = d.endpoint_id AND earlier.about = d.about
                    AND earlier.seq < d.seq AND earlier.state = 'pending'
            )
        ORDER BY d.due_at, d.endpoint_id, d.about, d.seq
        LIMIT $5
        FOR UPDATE SKIP LOCKED
    )
RETURNING endpoint_id, about, seq, lane, kind, order_state, occurred_at, attempts, epoch
