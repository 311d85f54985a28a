-- seat_hold: which seats an order holds; released exactly once. class: personal
CREATE TABLE IF NOT EXISTS seat_hold (
    region           crdb_internal_region NOT NULL,
    order_id         UUID NOT NULL,
    position         INT8 NOT NULL,
    inventory_region TEXT NOT NULL,
    flight           TEXT NOT NULL,
    departs_on       DATE NOT NULL,
    cabin            TEXT NOT NULL,
    seats            INT8 NOT NULL,
    state            TEXT NOT NULL,
    PRIMARY KEY (region, order_id, position),
    CONSTRAINT seat_hold_order FOREIGN KEY (region, order_id)
        REFERENCES orders (region, id) ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT seat_hold_state CHECK (state IN ('held', 'sold', 'released')),
    CONSTRAINT seat_hold_seats CHECK (seats > 0)
) {locality};
