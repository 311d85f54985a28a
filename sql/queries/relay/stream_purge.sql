-- stream_purge: forget what waits for a stream that nobody has run for a week.
DELETE FROM stream_queue
WHERE region = $1::text::crdb_internal_region
    AND (region, order_id, seq) IN (
        SELECT q.region, q.order_id, q.seq
        FROM stream_queue AS q
        WHERE q.region = $1::text::crdb_internal_region
            AND NOT EXISTS (
                SELECT 1
                FROM relay_lease AS stream
                WHERE stream.region = $1::text::crdb_internal_region
                    AND stream.relay = 'stream'
                    AND stream.lease_until > now() - interval '7 days'
            )
        ORDER BY q.order_id, q.seq
        LIMIT 500
    )
