-- residents_of: the next few travellers of some countries who are at home in a region.
SELECT id, residence_country
FROM traveller
WHERE region = $1::text::crdb_internal_region AND residence_country = ANY($2::text[]) AND id > $3
ORDER BY id
LIMIT $4
