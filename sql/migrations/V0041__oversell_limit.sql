-- oversell_limit: flights that may sell more seats than they have, and by how many percent. class: global
CREATE TABLE IF NOT EXISTS oversell_limit (
    flight  TEXT NOT NULL,
    percent INT8 NOT NULL,
    PRIMARY KEY (flight),
    CONSTRAINT oversell_limit_percent CHECK (percent BETWEEN 0 AND 5)
) {locality};
