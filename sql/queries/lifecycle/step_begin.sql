-- step_begin: a step is begun; said again, it was begun before.
INSERT INTO region_step (plan, number, title)
VALUES ($1, $2, $3)
ON CONFLICT (plan, number) DO NOTHING
