-- steps: how far a plan has got.
SELECT number, began_at, ended_at FROM region_step WHERE plan = $1 ORDER BY number
