-- outbox_fan_out: out of the outbox, once, to whoever wants it; nothing under an old epoch.
WITH held AS (
    SELECT region
    FROM relay_lease
    WHERE region = $1::text::crdb_internal_region AND relay = 'outbox' AND epoch = $2
), message AS (
    SELECT
        unnest($3::uuid[]) AS order_id, unnest($4::int8[]) AS seq,
        unnest($5::uuid[]) AS traveller_id, unnest($6::text[]) AS kind,
        unnest($7::text[]) AS order_state, unnest($8::timestamptz[]) AS occurred_at
), taken AS (
    DELETE FROM outbox
    USING held, message
    WHERE outbox.region = $1::text::crdb_internal_region AND outbox.region = held.region
        AND outbox.order_id = message.order_id AND outbox.seq = message.seq
    RETURNING outbox.region, outbox.order_id, outbox.seq
), told AS (
    INSERT INTO webhook_delivery
        (region, endpoint_id, about, seq, traveller_id, lane, kind, order_state, occurred_at,
         state, attempts, epoch, due_at)
    SELECT
        taken.region, w.id, taken.order_id, taken.seq, w.traveller_id, w.lane, message.kind,
        message.order_state, message.occurred_at, 'pending', 0, 0, now()
    FROM taken
    JOIN message ON message.order_id = taken.order_id AND message.seq = taken.seq
    JOIN webhook_endpoint AS w
        ON w.region = taken.region AND w.traveller_id = message.traveller_id
        AND w.disabled_at IS NULL AND (w.events IS NULL OR message.kind = ANY(w.events))
    ON CONFLICT (region, endpoint_id, about, seq) DO NOTHING
    RETURNING seq
), streamed AS (
    INSERT INTO stream_queue (region, order_id, seq, kind, order_state, occurred_at)
    SELECT
        taken.region, taken.order_id, taken.seq, message.kind, message.order_state,
        message.occurred_at
    FROM taken
    JOIN message ON message.order_id = taken.order_id AND message.seq = taken.seq
    JOIN relay_lease AS stream
        ON stream.region = taken.region AND stream.relay = 'stream'
        AND stream.lease_until > now() - interval '7 days'
    ON CONFLICT (region, order_id, seq) DO NOTHING
    RETURNING seq
)
SELECT
    (SELECT count(*) FROM held) AS held,
    (SELECT count(*) FROM taken) AS taken,
    (SELECT count(*) FROM told) AS told,
    (SELECT count(*) FROM streamed) AS streamed
