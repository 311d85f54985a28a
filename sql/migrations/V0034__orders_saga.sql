-- orders_saga: what the rest of an order's life needs; empty in rows older than these columns.
ALTER TABLE orders
    ADD COLUMN IF NOT EXISTS refusals INT8 NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS owed_minor INT8 NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS price_change_minor INT8,
    ADD COLUMN IF NOT EXISTS flown_at TIMESTAMPTZ,
    ADD COLUMN IF NOT EXISTS action_url TEXT,
    ADD COLUMN IF NOT EXISTS change JSONB,
    ADD COLUMN IF NOT EXISTS disruption JSONB;
