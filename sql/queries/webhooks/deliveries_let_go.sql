-- deliveries_let_go: claimed, not tried; somebody else may.
UPDATE webhook_delivery
SET owner = NULL, lease_until = NULL
FROM (
    SELECT
        unnest($2::uuid[]) AS endpoint_id, unnest($3::uuid[]) AS about, unnest($4::int8[]) AS seq,
        unnest($5::int8[]) AS epoch
) AS mine
WHERE webhook_delivery.region = $1::text::crdb_internal_region
    AND webhook_delivery.endpoint_id = mine.endpoint_id
    AND webhook_delivery.about = mine.about AND webhook_delivery.seq = mine.seq
    AND webhook_delivery.epoch = mine.epoch AND webhook_delivery.state = 'pending'
