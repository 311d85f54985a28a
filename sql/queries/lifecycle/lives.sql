-- lives: where each region is in its life.
SELECT region, state, changed_at FROM region_life ORDER BY region
