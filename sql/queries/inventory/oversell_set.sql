-- oversell_set: from the next booking on, a flight may sell so many percent more than it has.
INSERT INTO oversell_limit (flight, percent)
VALUES ($1, $2::int8)
ON CONFLICT (flight) DO UPDATE
SET percent = excluded.percent
