-- session_get: who asks, and the key to their own data.
SELECT t.id, t.residence_country, t.email, t.data_key, t.created_at,
    t.restricted_at IS NOT NULL AS restricted
FROM session AS s
JOIN traveller AS t ON t.region = s.region AND t.id = s.traveller_id
WHERE s.region = $1::text::crdb_internal_region
    AND s.token_hash = $2
    AND s.expires_at > now()
    AND t.closed_at IS NULL
