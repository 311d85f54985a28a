-- endpoints_open: what a worker needs to deliver to these endpoints.
SELECT
    w.id, w.url, w.secret, w.traveller_id, t.data_key,
    CASE WHEN w.old_secret_until > now() THEN w.old_secret END AS old_secret
FROM webhook_endpoint AS w
JOIN traveller AS t ON t.region = w.region AND t.id = w.traveller_id
WHERE w.region = $1::text::crdb_internal_region AND w.id = ANY($2::uuid[])
ORDER BY w.id
