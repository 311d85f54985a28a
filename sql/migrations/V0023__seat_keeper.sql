-- seat_keeper: which region keeps the seats of flights that depart from a country. class: global
CREATE TABLE IF NOT EXISTS seat_keeper (
    country TEXT NOT NULL,
    region  crdb_internal_region NOT NULL,
    PRIMARY KEY (country)
) {locality};
