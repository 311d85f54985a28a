-- ping_insert: an event to try an endpoint with; while one is on its way, it is that one.
INSERT INTO webhook_delivery
    (region, endpoint_id, about, seq, traveller_id, lane, kind, occurred_at, state, attempts, epoch,
     due_at)
SELECT
    $1::text::crdb_internal_region, w.id, w.id,
    coalesce(
        (
            SELECT max(p.seq)
            FROM webhook_delivery AS p
            WHERE p.region = $1::text::crdb_internal_region AND p.endpoint_id = $3 AND p.about = $3
                AND p.state = 'pending'
        ),
        extract(EPOCH FROM now())::int8
    ),
    w.traveller_id, w.lane, 'ping', now(), 'pending', 0, 0, now()
FROM webhook_endpoint AS w
WHERE w.region = $1::text::crdb_internal_region AND w.traveller_id = $2 AND w.id = $3
    AND w.disabled_at IS NULL
ON CONFLICT (region, endpoint_id, about, seq) DO UPDATE SET lane = excluded.lane
RETURNING
    about, seq, kind, order_state, occurred_at, state, attempts, last_status, last_failure,
    created_at, attempted_at, settled_at, due_at
