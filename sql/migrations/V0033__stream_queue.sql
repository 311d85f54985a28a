-- stream_queue: events that the event stream has not taken yet. class: personal
CREATE TABLE IF NOT EXISTS stream_queue (
    region      crdb_internal_region NOT NULL,
    order_id    UUID NOT NULL,
    seq         INT8 NOT NULL,
    kind        TEXT NOT NULL,
    order_state TEXT NOT NULL,
    occurred_at TIMESTAMPTZ NOT NULL,
    created_at  TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (region, order_id, seq),
    CONSTRAINT stream_queue_order FOREIGN KEY (region, order_id)
        REFERENCES orders (region, id) ON DELETE CASCADE ON UPDATE CASCADE
) {locality};
