-- order_event: the order's history; the row in orders is its fold. class: personal
CREATE TABLE IF NOT EXISTS order_event (
    region     crdb_internal_region NOT NULL,
    order_id   UUID NOT NULL,
    seq        INT8 NOT NULL,
    kind       TEXT NOT NULL,
    state      TEXT NOT NULL,
    body       JSONB NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (region, order_id, seq),
    CONSTRAINT order_event_order FOREIGN KEY (region, order_id)
        REFERENCES orders (region, id) ON DELETE CASCADE ON UPDATE CASCADE
) {locality};
