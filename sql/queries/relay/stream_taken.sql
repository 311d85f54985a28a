-- stream_taken: the event stream has these; nothing under an old epoch.
WITH held AS (
    SELECT region
    FROM relay_lease
    WHERE region = $1::text::crdb_internal_region AND relay = 'stream' AND epoch = $2
), message AS (
    SELECT unnest($3::uuid[]) AS order_id, unnest($4::int8[]) AS seq
), taken AS (
    DELETE FROM stream_queue
    USING held, message
    WHERE stream_queue.region = $1::text::crdb_internal_region
        AND stream_queue.region = held.region
        AND stream_queue.order_id = message.order_id AND stream_queue.seq = message.seq
    RETURNING stream_queue.seq
)
SELECT (SELECT count(*) FROM held) AS held, (SELECT count(*) FROM taken) AS taken
