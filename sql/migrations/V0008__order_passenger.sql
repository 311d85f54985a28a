-- order_passenger: who flies, every field sealed under the booker's data key. class: personal
CREATE TABLE IF NOT EXISTS order_passenger (
    region      crdb_internal_region NOT NULL,
    order_id    UUID NOT NULL,
    position    INT8 NOT NULL,
    given_name  BYTEA NOT NULL,
    family_name BYTEA NOT NULL,
    born_on     BYTEA NOT NULL,
    PRIMARY KEY (region, order_id, position),
    CONSTRAINT order_passenger_order FOREIGN KEY (region, order_id)
        REFERENCES orders (region, id) ON DELETE CASCADE ON UPDATE CASCADE
) {locality};
