-- outbox: what others are still to be told; written with the event it tells of. class: personal
CREATE TABLE IF NOT EXISTS outbox (
    region     crdb_internal_region NOT NULL,
    order_id   UUID NOT NULL,
    seq        INT8 NOT NULL,
    topic      TEXT NOT NULL,
    payload    JSONB NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (region, order_id, seq),
    CONSTRAINT outbox_order FOREIGN KEY (region, order_id)
        REFERENCES orders (region, id) ON DELETE CASCADE ON UPDATE CASCADE
) {locality};
