-- chain_put: records at the end of a chain; a number is given once.
INSERT INTO evidence (region, chain, seq, record, hash, at)
SELECT
    $1::text::crdb_internal_region, $2::text, unnest($3::int8[]), unnest($4::text[]),
    unnest($5::bytea[]), unnest($6::timestamptz[])
