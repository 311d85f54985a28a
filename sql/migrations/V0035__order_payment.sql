-- order_payment: money that was asked for, and how much was taken and given back. class: personal
CREATE TABLE IF NOT EXISTS order_payment (
    region         crdb_internal_region NOT NULL,
    order_id       UUID NOT NULL,
    position       INT8 NOT NULL,
    asked_as       TEXT NOT NULL,
    reference      TEXT NOT NULL,
    state          TEXT NOT NULL,
    amount_minor   INT8 NOT NULL,
    captured_minor INT8 NOT NULL,
    refunded_minor INT8 NOT NULL,
    capture_before TIMESTAMPTZ,
    PRIMARY KEY (region, order_id, position),
    CONSTRAINT order_payment_order FOREIGN KEY (region, order_id)
        REFERENCES orders (region, id) ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT order_payment_state
        CHECK (state IN ('action_required', 'reserved', 'captured', 'voided')),
    CONSTRAINT order_payment_amount CHECK (amount_minor > 0),
    CONSTRAINT order_payment_captured
        CHECK (captured_minor >= 0 AND captured_minor <= amount_minor),
    CONSTRAINT order_payment_refunded
        CHECK (refunded_minor >= 0 AND refunded_minor <= captured_minor)
) {locality};
