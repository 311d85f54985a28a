-- webhook_delivery: an event on its way to an endpoint, and what became of it. class: personal
CREATE TABLE IF NOT EXISTS webhook_delivery (
    region       crdb_internal_region NOT NULL,
    endpoint_id  UUID NOT NULL,
    about        UUID NOT NULL,
    seq          INT8 NOT NULL,
    traveller_id UUID NOT NULL,
    lane         INT8 NOT NULL,
    kind         TEXT NOT NULL,
    order_state  TEXT,
    occurred_at  TIMESTAMPTZ NOT NULL,
    state        TEXT NOT NULL,
    attempts     INT8 NOT NULL,
    epoch        INT8 NOT NULL,
    owner        TEXT,
    lease_until  TIMESTAMPTZ,
    due_at       TIMESTAMPTZ NOT NULL,
    last_status  INT8,
    last_failure TEXT,
    created_at   TIMESTAMPTZ NOT NULL DEFAULT now(),
    attempted_at TIMESTAMPTZ,
    settled_at   TIMESTAMPTZ,
    PRIMARY KEY (region, endpoint_id, about, seq),
    CONSTRAINT webhook_delivery_endpoint FOREIGN KEY (region, endpoint_id)
        REFERENCES webhook_endpoint (region, id) ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT webhook_delivery_state CHECK (state IN ('pending', 'delivered', 'dead'))
) {locality};
