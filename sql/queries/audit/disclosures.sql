-- disclosures: orders that were told to an airline, by home and by country of departure.
SELECT h.region::text AS region, h.departs_from AS country, count(DISTINCT h.order_id) AS orders
FROM seat_hold AS h
JOIN order_event AS e ON e.region = h.region AND e.order_id = h.order_id
WHERE e.kind IN ('order.confirmed', 'order.held')
GROUP BY h.region, h.departs_from
ORDER BY h.region, h.departs_from
