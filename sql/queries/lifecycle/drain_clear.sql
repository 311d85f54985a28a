-- drain_clear: a region takes everybody again.
DELETE FROM region_drain WHERE region = $1
