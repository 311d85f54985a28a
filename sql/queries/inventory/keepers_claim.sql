-- keepers_claim: who keeps the seats of which country, where nobody has said so yet.
INSERT INTO seat_keeper (country, region)
SELECT wanted.country, wanted.region::crdb_internal_region
FROM (SELECT unnest($1::text[]) AS country, unnest($2::text[]) AS region) AS wanted
ON CONFLICT (country) DO NOTHING
