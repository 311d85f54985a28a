-- residents: how many travellers of which country are at home in a region.
SELECT residence_country AS country, count(*) AS travellers
FROM traveller
WHERE region = $1::text::crdb_internal_region
GROUP BY residence_country
ORDER BY residence_country
