-- traveller_insert: a new account in its home region.
INSERT INTO traveller
    (region, id, residence_country, subject_hash, email, password_hash, data_key)
VALUES ($1::text::crdb_internal_region, $2, $3, $4, $5, $6, $7)
RETURNING created_at
