-- consent_list: what a traveller agreed to and took back, the newest first.
SELECT purpose, version, text_hash, given, created_at
FROM consent
WHERE region = $1::text::crdb_internal_region AND traveller_id = $2
ORDER BY created_at DESC, id
LIMIT 500
