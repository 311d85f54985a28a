-- consent_put: an agreement given or taken back, with the words that were shown.
INSERT INTO consent (region, id, traveller_id, purpose, version, text_hash, given)
VALUES ($1::text::crdb_internal_region, $2, $3, $4, $5, $6, $7)
ON CONFLICT (region, id) DO NOTHING
