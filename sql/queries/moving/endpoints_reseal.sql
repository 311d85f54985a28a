-- endpoints_reseal: webhook addresses and secrets as the new home seals them.
UPDATE webhook_endpoint
SET url = sealed.url, secret = sealed.secret, old_secret = sealed.old_secret
FROM (
    SELECT
        unnest($2::uuid[]) AS id, unnest($3::bytea[]) AS url, unnest($4::bytea[]) AS secret,
        unnest($5::bytea[]) AS old_secret
) AS sealed
WHERE webhook_endpoint.region = $1::text::crdb_internal_region AND webhook_endpoint.id = sealed.id
