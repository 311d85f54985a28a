//! The one question about seats that every proof asks.

/// Flights with more seats gone than they have, whose seats are not those of their orders, or that
/// are kept in two places; wherever they are kept, since seats move.
pub(crate) const UNBALANCED: &str = "
    SELECT coalesce(i.flight, h.flight) AS flight,
        coalesce(i.departs_on, h.departs_on)::text AS day, i.capacity::int8 AS capacity,
        i.held::int8 AS held, i.sold::int8 AS sold,
        coalesce(h.held, 0)::int8 AS held_by_orders, coalesce(h.sold, 0)::int8 AS sold_to_orders
    FROM (
        SELECT flight, departs_on, cabin, max(capacity) AS capacity, count(*) AS places,
            sum(sold) AS sold, sum(held) AS held
        FROM inventory
        GROUP BY flight, departs_on, cabin
    ) AS i
    FULL JOIN (
        SELECT flight, departs_on, cabin,
            coalesce(sum(seats) FILTER (WHERE state = 'sold'), 0) AS sold,
            coalesce(sum(seats) FILTER (WHERE state = 'held'), 0) AS held
        FROM seat_hold
        GROUP BY flight, departs_on, cabin
    ) AS h USING (flight, departs_on, cabin)
    WHERE i.places IS DISTINCT FROM 1 OR i.held + i.sold > i.capacity
        OR i.sold <> coalesce(h.sold, 0) OR i.held <> coalesce(h.held, 0)
    ORDER BY flight, day";
