-- moves: who moved home in a while, by homes and reason; the ids of the moves, not of who moved.
SELECT id, from_region, to_region, reason, orders, moved_at
FROM home_move
WHERE moved_at > now() - $1::int8 * interval '1 day'
ORDER BY moved_at, id
LIMIT 10000
