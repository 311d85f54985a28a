-- lives: where each region is in its life.
SELECT region, state FROM region_life ORDER BY region
