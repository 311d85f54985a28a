-- request_put: what a traveller asks under the law; the same kind is open once.
INSERT INTO privacy_request
    (region, id, traveller_id, kind, state, asked_by, receipt_hash, receipt, answer_by, done_at)
SELECT
    $1::text::crdb_internal_region, $2::uuid, $3::uuid, $4::text, $5::text, $6::text, $7::bytea,
    $8::jsonb, now() + interval '1 month', CASE WHEN $5::text = 'done' THEN now() END
WHERE NOT EXISTS (
    SELECT 1
    FROM privacy_request AS r
    WHERE r.region = $1::text::crdb_internal_region
        AND r.traveller_id = $3::uuid AND r.kind = $4::text AND r.state <> 'done'
)
ON CONFLICT (region, id) DO NOTHING
