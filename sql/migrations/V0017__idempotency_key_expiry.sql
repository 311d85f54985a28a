-- idempotency_key_expiry: what the sweeper looks for.
CREATE INDEX IF NOT EXISTS idempotency_key_expiry
    ON idempotency_key (region, expires_at, traveller_id, key_hash);
