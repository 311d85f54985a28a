-- order_quote: what cancelling or changing one version of an order would cost. class: personal
CREATE TABLE IF NOT EXISTS order_quote (
    region        crdb_internal_region NOT NULL,
    id            UUID NOT NULL,
    order_id      UUID NOT NULL,
    kind          TEXT NOT NULL,
    order_version INT8 NOT NULL,
    refund_minor  INT8 NOT NULL,
    charge_minor  INT8 NOT NULL,
    fee_minor     INT8 NOT NULL,
    offer         TEXT,
    created_at    TIMESTAMPTZ NOT NULL DEFAULT now(),
    expires_at    TIMESTAMPTZ NOT NULL,
    confirmed_at  TIMESTAMPTZ,
    PRIMARY KEY (region, id),
    CONSTRAINT order_quote_order FOREIGN KEY (region, order_id)
        REFERENCES orders (region, id) ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT order_quote_kind CHECK (kind IN ('cancellation', 'change')),
    CONSTRAINT order_quote_money
        CHECK (refund_minor >= 0 AND charge_minor >= 0 AND fee_minor >= 0
            AND (refund_minor = 0 OR charge_minor = 0)),
    CONSTRAINT order_quote_offer CHECK ((offer IS NOT NULL) = (kind = 'change'))
) {locality};
