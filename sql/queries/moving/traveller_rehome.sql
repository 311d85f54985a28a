-- traveller_rehome: the row and, by its foreign keys, every row of the traveller.
UPDATE traveller
SET region = $3::text::crdb_internal_region, email = $4, data_key = $5,
    residence_country = coalesce($6::text, residence_country)
WHERE region = $1::text::crdb_internal_region AND id = $2
