-- orders_forget: orders that no book needs any more, with everything that hangs on them.
DELETE FROM orders
WHERE region = $1::text::crdb_internal_region
    AND id IN (
        SELECT o.id
        FROM orders AS o
        WHERE o.region = $1::text::crdb_internal_region AND o.state = 'anonymised'
            AND o.flown_at < now() - $2::int8 * interval '1 day'
        ORDER BY o.flown_at
        LIMIT 500
    )
