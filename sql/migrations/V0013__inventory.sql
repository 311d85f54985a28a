-- inventory: the seats of a flight on a day; made on first touch. class: regional
CREATE TABLE IF NOT EXISTS inventory (
    region     crdb_internal_region NOT NULL,
    flight     TEXT NOT NULL,
    departs_on DATE NOT NULL,
    cabin      TEXT NOT NULL,
    capacity   INT8 NOT NULL,
    held       INT8 NOT NULL,
    sold       INT8 NOT NULL,
    PRIMARY KEY (region, flight, departs_on, cabin),
    CONSTRAINT inventory_not_oversold CHECK (held >= 0 AND sold >= 0 AND held + sold <= capacity)
) {locality};
