-- misplaced_travellers: accounts in a region that may not home their country of residence.
SELECT t.region::text AS region, t.id, t.residence_country
FROM traveller AS t
WHERE NOT EXISTS (
    SELECT 1
    FROM (SELECT unnest($1::text[]) AS region, unnest($2::text[]) AS country) AS allowed
    WHERE allowed.region = t.region::text AND allowed.country = t.residence_country
)
ORDER BY t.region, t.id
LIMIT 1000
