-- idempotency_key_body: until when an answer's bytes are kept at least, and which order it is about.
ALTER TABLE idempotency_key
    ADD COLUMN IF NOT EXISTS order_id UUID,
    ADD COLUMN IF NOT EXISTS body_until TIMESTAMPTZ;
