-- request_settle: how far it is, and what it came to.
UPDATE privacy_request
SET state = $3::text, receipt = $4::jsonb, done_at = CASE WHEN $3::text = 'done' THEN now() END
WHERE region = $1::text::crdb_internal_region AND id = $2 AND state <> 'done'
