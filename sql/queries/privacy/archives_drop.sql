-- archives_drop: copies of a traveller's data that nobody may fetch any more.
DELETE FROM privacy_archive
WHERE region = $1::text::crdb_internal_region
    AND request_id IN (
        SELECT r.id
        FROM privacy_request AS r
        WHERE r.region = $1::text::crdb_internal_region AND r.traveller_id = $2
    )
