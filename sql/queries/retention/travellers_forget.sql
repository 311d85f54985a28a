-- travellers_forget: what is left of an erased account, when no order needs it any more.
DELETE FROM traveller
WHERE region = $1::text::crdb_internal_region
    AND id IN (
        SELECT t.id
        FROM traveller AS t
        WHERE t.region = $1::text::crdb_internal_region
            AND t.erased_at < now() - $2::int8 * interval '1 day'
            AND NOT EXISTS (
                SELECT 1
                FROM orders AS o
                WHERE o.region = $1::text::crdb_internal_region AND o.traveller_id = t.id
            )
        ORDER BY t.erased_at
        LIMIT 500
    )
