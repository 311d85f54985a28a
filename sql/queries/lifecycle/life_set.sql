-- life_set: a region has got so far.
INSERT INTO region_life (region, state)
VALUES ($1, $2)
ON CONFLICT (region) DO UPDATE SET state = excluded.state, changed_at = now()
WHERE region_life.state <> excluded.state
