-- archive_get: the parts of a traveller's copy, in order.
SELECT sealed
FROM privacy_archive
WHERE region = $1::text::crdb_internal_region AND request_id = $2 AND expires_at > now()
ORDER BY part
